"""`cutover serve`: the proxy as a process, or as several with a parent."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
import structlog

from proxy import __version__
from proxy.cli.composition import utc_today
from proxy.cli.conduct import Conductor, on_signals, once_then_default
from proxy.cli.options import (
    EXIT_CANNOT_START,
    c_parser_or_exit,
    config_option,
    config_or_exit,
    run_loop,
    snapshot_or_exit,
)
from proxy.cli.running import LOG_CLOSE_S, deeds_of, freeze_heap, no_day, tell_expired
from proxy.cli.service import Service
from proxy.cli.worker import facts_of, work
from proxy.routing.snapshot import Snapshot
from proxy.state.errors import StateError
from proxy.supervisor.handover import Handover
from proxy.supervisor.open_files import allow_all_open_files
from proxy.supervisor.parent import Parent, Plan
from proxy.supervisor.runtime import RuntimeDirectory
from proxy.supervisor.sockets import bind, url_of
from proxy.supervisor.standard_streams import STDERR, STDOUT, fill_standard_streams
from proxy.telemetry.log_stream import LogStream
from proxy.telemetry.logs import LEVELS, set_up_logging
from proxy.telemetry.sink import BackgroundSink, write_whole

_log: Final = structlog.get_logger("proxy")

#: More processes than any machine has use for: a slip of the hand must not fork a thousand.
_MAX_WORKERS: Final = 256


@click.command()
@config_option
@click.option(
    "--workers",
    type=click.IntRange(1, _MAX_WORKERS),
    default=1,
    show_default=True,
    help="Processes that serve, on one address. More than one get a parent that replaces them.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="What the process log on stderr says.",
)
@click.option("--check", is_flag=True, help="Only see whether this could be served, and exit.")
def serve(folder: Path, workers: int, log_level: str, check: bool) -> None:
    """Serve a configuration until SIGTERM or SIGINT, then drain.

    One JSON line per request goes to stdout, the process log to stderr. A second signal ends the
    process at once. SIGHUP reads the configuration again, SIGUSR1 turns the kill switch on.

    With several workers SIGUSR2 replaces them by the code and the configuration that are on disk
    then, one after the other and without a request lost, if `--check` finds nothing wrong there.
    """
    fill_standard_streams()
    set_up_logging(LogStream(STDERR), level=log_level)
    c_parser_or_exit()
    if check:
        snapshot_or_exit(folder)
        return
    allow_all_open_files()
    try:
        code = _serve_alone(folder) if workers == 1 else _serve_by_many(folder, workers)
    except (OSError, StateError) as error:
        click.echo(getattr(error, "strerror", None) or str(error), err=True)
        code = EXIT_CANNOT_START
    sys.exit(code)


# --- one process


def _serve_alone(folder: Path) -> int:
    snapshot = snapshot_or_exit(folder, no_day)
    tell_expired(snapshot, utc_today())
    sink = BackgroundSink(partial(write_whole, STDOUT))
    try:
        run_loop(_serve(snapshot, folder, sink))
    finally:
        sink.close(LOG_CLOSE_S)
    return 0


async def _serve(snapshot: Snapshot, folder: Path, sink: BackgroundSink) -> None:
    stopped = stop_on_signals()
    async with Service(snapshot, folder, sink.write, lost_lines=lambda: sink.dropped) as service:
        conductor = Conductor(deeds_of(service))
        on_signals(conductor)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, _needs_workers)
        _tell_serving(service.url, service.admin_url, 1, facts_of(snapshot))
        freeze_heap()
        await stopped.wait()
        _log.info("draining")
    _log.info("stopped")


def _needs_workers() -> None:
    _log.error("a rolling restart needs --workers 2 or more")


def stop_on_signals() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process."""
    stopped = asyncio.Event()
    once_then_default(stopped.set, signal.SIGTERM, signal.SIGINT)
    return stopped


def _tell_serving(url: str, admin_url: str, workers: int, facts: dict[str, Any]) -> None:
    for line in facts["report"]:
        _log.warning("not served as written", detail=line)
    _log.info(
        "serving",
        version=__version__,
        url=url,
        admin=admin_url,
        workers=workers,
        routes=facts["routes"],
        digest=facts["digest"],
    )


# --- several


def _serve_by_many(folder: Path, workers: int) -> int:
    """Be the parent, or go on being it when the program before this one has handed over."""
    left = Handover.take(os.environ)
    plan = Plan(workers, partial(work, folder), _own_command(), _trial_command())
    _import_all()
    freeze_heap()
    if left is not None:
        _log.info("the program was replaced", version=__version__)
        return Parent.resumed(plan, left).run()
    settings = config_or_exit(folder, no_day).settings
    listening = bind(settings.listen.host, settings.listen.port)
    admin_listening = bind(settings.admin.host, settings.admin.port)
    tell = partial(_tell_serving, url_of(listening), url_of(admin_listening), workers)
    runtime = RuntimeDirectory.make()
    return Parent(plan, listening, admin_listening, runtime, on_serving=tell).run()


def _own_command() -> tuple[str, ...]:
    """How this process was started, to start it so again: the interpreter by its whole path."""
    return (sys.executable, *sys.orig_argv[1:])


def _trial_command() -> tuple[str, ...]:
    return (*_own_command(), "--check")


def _import_all() -> None:
    """Import what is imported late, once for all workers."""
    with suppress(ImportError):
        import_module("uvloop")
