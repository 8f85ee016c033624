"""`cutover demo`: the example's two servers and the proxy between them, on loopback."""

import errno
import os
import sys
from contextlib import AsyncExitStack
from typing import Final

import click
from rich.console import Console

from proxy.cli.composition import load_snapshot
from proxy.cli.options import (
    EXIT_CANNOT_START,
    EXIT_PROBLEMS,
    c_parser_or_exit,
    run_loop,
    tell_problems,
)
from proxy.cli.serve import stop_on_signals
from proxy.cli.service import Service
from proxy.config.sections import Admin, Listen
from proxy.errors import ConfigError
from proxy.example.files import folder
from proxy.example.legacy import LegacyHost
from proxy.example.seed import seeded_store
from proxy.example.server import DnsServer
from proxy.example.walk import curl_lines, walk
from proxy.telemetry.logs import set_up_logging

_LOOPBACK: Final = "127.0.0.1"
_PORT_HELP: Final = "Port of the proxy. [default: 8080, or a free one; with --once a free one]"
#: A table narrower than this is hard to read; a pipe has no width of its own.
_PIPE_WIDTH: Final = 150


@click.command(short_help="Start the example: both hosts, and the proxy before them.")
@click.option("--once", is_flag=True, help="Send the scripted walk, print how it went, and end.")
@click.option("--port", type=click.IntRange(0, 65535), help=_PORT_HELP)
def demo(once: bool, port: int | None) -> None:
    """Start the example: a legacy REST host, a gRPC server, and the proxy before them.

    Prints the addresses and some requests to try, and stays up until Ctrl-C. With --once it sends
    a scripted walk and exits with 0 only if every step gave what it should.
    """
    set_up_logging(sys.stderr, level="warning")
    c_parser_or_exit()
    try:
        passed = run_loop(_walk(port) if once else _stay(port))
    except ConfigError as error:
        tell_problems(error)
        sys.exit(EXIT_PROBLEMS)
    except OSError as error:
        click.echo(error.strerror or str(error), err=True)
        sys.exit(EXIT_CANNOT_START)
    sys.exit(0 if passed else EXIT_PROBLEMS)


async def _walk(port: int | None) -> bool:
    console = _console()
    async with AsyncExitStack() as stack:
        service = await _start(stack, port or 0)
        report = await walk(service.url)
    console.print(report.table())
    console.print(report.summary)
    return report.passed


async def _stay(port: int | None) -> bool:
    stopped = stop_on_signals()
    async with AsyncExitStack() as stack:
        service = await _start_on(stack, port)
        _console().print(f"\nTry (admin port: {service.admin_url}):", highlight=False)
        for line in curl_lines(service.url):
            click.echo(f"  {line}")
        click.echo("\nCtrl-C ends it.")
        await stopped.wait()
    return True


async def _start_on(stack: AsyncExitStack, port: int | None) -> Service:
    """Start on *port*, or, when none is asked for, on 8080 or else on a free one."""
    if port is not None:
        return await _start(stack, port)
    try:
        return await _start(stack, Listen().port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        await stack.aclose()  # Both hosts are up by then, and would stay beside the next two.
        return await _start(stack, 0)


async def _start(stack: AsyncExitStack, port: int) -> Service:
    """Start the three servers; the stack ends them, the proxy first."""
    store = seeded_store()
    legacy = await stack.enter_async_context(LegacyHost(store))
    server = await stack.enter_async_context(DnsServer(store))
    mappings = folder("mappings")
    addresses = {"LEGACY_URL": legacy.url, "DNS_TARGET": server.address}
    environ = os.environ | addresses
    snapshot = await load_snapshot(mappings, environ)
    service = Service(
        snapshot,
        mappings,
        _discard,
        listen=Listen(host=_LOOPBACK, port=port),
        admin=Admin(host=_LOOPBACK, port=0),
        environ=environ,
    )
    await stack.enter_async_context(service)
    click.echo(f"legacy host  {legacy.url}")
    click.echo(f"gRPC server  {server.address}")
    click.echo(f"proxy        {service.url}")
    return service


def _discard(_: bytes) -> None:
    """Take the access log: a demo's terminal is for its table."""


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
