"""`cutover demo`: the example's two servers and the proxy between them, on loopback."""

import errno
import os
import sys
from collections.abc import Iterator, Mapping
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
from proxy.example.shadowing import Shadowing, compare_sides
from proxy.example.walk import curl_lines, walk
from proxy.report.text import as_text, overview_as_text
from proxy.telemetry.logs import set_up_logging

_LOOPBACK: Final = "127.0.0.1"
_PORT_HELP: Final = "Port of the proxy. [default: 8080, or a free one; with --once a free one]"
#: A table narrower than this is hard to read; a pipe has no width of its own.
_PIPE_WIDTH: Final = 150


@click.command(short_help="Start the example: both hosts, and the proxy before them.")
@click.option("--once", is_flag=True, help="Send requests, print how it went, and end.")
@click.option("--port", type=click.IntRange(0, 65535), help=_PORT_HELP)
def demo(once: bool, port: int | None) -> None:
    """Start the example: a legacy REST host, a gRPC server, and the proxy before them.

    Prints the addresses and some requests to try, and stays up until Ctrl-C. With --once it sends
    requests of several clients, which are mirrored, and a scripted walk. It exits with 0 only if
    every step of the walk gave what it should, and the reports on the mirrors show the differences
    that both hosts have on purpose, and no other.
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
        # Evidence of an earlier run would be counted with that of this one.
        service = await _start(stack, port or 0, {"STATE_DIR": ""})
        shadowing = await compare_sides(service.url, service.admin_url)
        walked = await walk(service.url)
    console.print(walked.table())
    console.print(walked.summary)
    _tell(console, shadowing)
    return walked.passed and shadowing.passed


def _tell(console: Console, shadowing: Shadowing) -> None:
    """Print the reports, those on routes without a difference in one line each."""
    console.print()
    console.print(overview_as_text(shadowing.reports))
    for report in shadowing.reports:
        if report["fields"]:
            console.print()
            console.print(as_text(report))
    console.print()
    console.print(shadowing.table())
    for line in shadowing.summary():
        console.print(line, markup=False)


async def _stay(port: int | None) -> bool:
    stopped = stop_on_signals()
    async with AsyncExitStack() as stack:
        service = await _start_on(stack, port)
        _console().print(f"\nTry (admin port: {service.admin_url}):", highlight=False)
        for line in curl_lines(service.url):
            click.echo(f"  {line}")
        click.echo("\nThese are mirrored; what came of it, a moment later:")
        for line in _mirrored_lines(service):
            click.echo(f"  {line}")
        click.echo("\nCtrl-C ends it.")
        await stopped.wait()
    return True


def _mirrored_lines(service: Service) -> Iterator[str]:
    """Requests that are mirrored, and commands that show what mirrors found."""
    for path in ("statistics", "statistics/hosts"):
        yield f"curl -i {service.url}/v4/zones/example.com/{path}"
    for command in ("report", "report get-statistics", "gate get-statistics", "examples"):
        yield f"cutover {command} --admin {service.admin_url}"


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


async def _start(
    stack: AsyncExitStack, port: int, settings: Mapping[str, str] | None = None
) -> Service:
    """Start the three servers; the stack ends them, the proxy first."""
    store = seeded_store()
    legacy = await stack.enter_async_context(LegacyHost(store))
    server = await stack.enter_async_context(DnsServer(store))
    mappings = folder("mappings")
    addresses = {"LEGACY_URL": legacy.url, "DNS_TARGET": server.address}
    environ = os.environ | addresses | dict(settings or {})
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
