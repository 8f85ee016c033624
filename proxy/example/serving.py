"""Running one of the example's servers as a process of its own, until a signal ends it."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

LOOPBACK: Final = "127.0.0.1"


class Listening(Protocol):
    """A started server."""

    @property
    def address(self) -> str:
        """Where it listens, `127.0.0.1:8081`."""
        ...


Start = Callable[[int], AbstractAsyncContextManager[Listening]]


def main(description: str, start: Start, arguments: Sequence[str] | None = None) -> None:
    """Serve what `start(port)` makes; say `listening on ADDRESS` on standard output once it does.

    SIGTERM and SIGINT end it in order. *arguments* are those of the command line by default.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0 (the default) for any free port")
    port = parser.parse_args(arguments).port
    asyncio.run(_serve(start(port)))


async def _serve(starting: AbstractAsyncContextManager[Listening]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with starting as server:
        sys.stdout.write(f"listening on {server.address}\n")
        sys.stdout.flush()
        await stopped.wait()
