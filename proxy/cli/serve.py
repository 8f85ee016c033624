"""`cutover serve`: the proxy as a process."""

import asyncio
import gc
import signal
import sys
from pathlib import Path
from typing import Final

import click
import structlog

from proxy import __version__
from proxy.cli.options import (
    EXIT_CANNOT_START,
    c_parser_or_exit,
    config_option,
    run_loop,
    snapshot_or_exit,
)
from proxy.cli.service import Service
from proxy.routing.snapshot import Snapshot
from proxy.telemetry.logs import LEVELS, set_up_logging
from proxy.telemetry.sink import BackgroundSink

_log: Final = structlog.get_logger("proxy")

#: Seconds that the last lines of the access log may take to be written.
_LOG_CLOSE_S: Final = 2.0
#: Allocations between two young collections: a request makes about a hundred objects that are
#: freed by their counts, so the default of 700 collects every few requests and finds nothing.
_GC_THRESHOLD: Final = 20_000


@click.command()
@config_option
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="What the process log on stderr says.",
)
def serve(folder: Path, log_level: str) -> None:
    """Serve the configuration until SIGTERM or SIGINT, then drain.

    One JSON line per request goes to stdout, the process log to stderr. A second signal ends the
    process at once.
    """
    set_up_logging(sys.stderr, level=log_level)
    c_parser_or_exit()
    snapshot = snapshot_or_exit(folder)
    sink = BackgroundSink(_write_stdout)
    try:
        run_loop(_serve(snapshot, folder, sink))
    except OSError as error:
        click.echo(error.strerror or str(error), err=True)
        sys.exit(EXIT_CANNOT_START)
    finally:
        sink.close(_LOG_CLOSE_S)


def _write_stdout(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


async def _serve(snapshot: Snapshot, folder: Path, sink: BackgroundSink) -> None:
    stopped = stop_on_signals()
    async with Service(snapshot, folder, sink.write, lost_lines=lambda: sink.dropped) as service:
        for line in snapshot.report:
            _log.warning("not served as written", detail=line)
        _log.info(
            "serving",
            version=__version__,
            url=service.url,
            admin=service.admin_url,
            routes=len(snapshot.routes),
            digest=snapshot.config.digest,
        )
        freeze_heap()
        await stopped.wait()
        _log.info("draining")
    _log.info("stopped")


def stop_on_signals() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopped


def freeze_heap() -> None:
    """Take what was loaded out of the garbage collector's sight: it stays until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
