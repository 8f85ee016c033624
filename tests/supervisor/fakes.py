"""Workers that are no processes."""

import errno
import signal
from typing import Any

from proxy.supervisor.channel import Channel
from proxy.supervisor.worker import Worker
from tests.fakes import FakeClock


class FakeWorker(Worker):
    """A worker whose process is a list of the signals that it got. *far* is its end of the talk."""

    def __init__(self, slot: int, serial: int, now_s: float) -> None:
        ours, self.far = Channel.pair()
        super().__init__(slot, serial, 1000 + serial, ours, now_s)
        self.signals: list[signal.Signals] = []

    def signal(self, number: signal.Signals) -> None:
        self.signals.append(number)

    def heard(self) -> list[dict[str, Any]]:
        """What it was told."""
        return list(self.far.receive())


class FakeForks:
    """Starts workers for a pool; *started* has all of them, in order.

    While it is *refusing* it does as a system without memory does.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.started: list[FakeWorker] = []
        self.refusing = False

    def __call__(self, slot: int) -> FakeWorker:
        if self.refusing:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.started.append(FakeWorker(slot, len(self.started) + 1, self._clock()))
        return self.started[-1]

    def close(self) -> None:
        for worker in self.started:
            worker.channel.close()
            worker.far.close()
