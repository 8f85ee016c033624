"""Writing without waiting: a bounded queue before a thread that may block.

A pipe whose reader stands still, or a disk that is slow, must cost log lines and never a request.
"""

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

#: Batches that may wait; at about 100 KiB a batch this is at most 6 MiB.
MAX_BATCHES: Final = 64


def write_whole(descriptor: int, lines: bytes) -> None:
    """Write all of *lines*, however long that takes. Raises OSError when it cannot be."""
    left = memoryview(lines)
    while left:
        left = left[os.write(descriptor, left) :]


class BackgroundSink:
    """Passes batches of lines to *write* on a thread of its own, in order.

    `dropped` counts the lines that *write* refused with OSError or ValueError; those that found
    the queue full are refused to the caller, who counts them.
    """

    def __init__(self, write: Callable[[bytes], object], *, max_batches: int = MAX_BATCHES) -> None:
        self._write = write
        self._batches: queue.Queue[bytes | None] = queue.Queue(max_batches)
        self._thread = threading.Thread(target=self._run, name="log-sink", daemon=True)
        self.dropped = 0
        self._thread.start()

    def __repr__(self) -> str:
        return f"BackgroundSink(waiting={self._batches.qsize()}, dropped={self.dropped})"

    def write(self, batch: bytes) -> None:
        """Queue whole lines. Raises BlockingIOError when the queue is full."""
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            raise BlockingIOError("the log's reader does not keep up") from None

    def close(self, timeout_s: float) -> bool:
        """Write what is queued, for at most *timeout_s* seconds; whether all of it was written.

        A thread that is stuck is left behind: it is a daemon and does not keep the process.
        """
        deadline_s = time.monotonic() + timeout_s
        try:
            self._batches.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(max(0.0, deadline_s - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._write(batch)
            except (OSError, ValueError):
                self.dropped += batch.count(b"\n")
