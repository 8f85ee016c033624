"""The sink: order, a reader that stands still, a disk that fails."""

import threading

import pytest

from proxy.telemetry.sink import BackgroundSink

#: Ends a test that hangs; nothing is measured by it.
PATIENCE_S = 30.0


class Gate:
    """A file that blocks until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.batches: list[bytes] = []

    def write(self, batch: bytes) -> None:
        self.entered.set()
        self.opened.wait(PATIENCE_S)
        self.batches.append(batch)


def test_batches_are_written_in_order() -> None:
    batches: list[bytes] = []
    sink = BackgroundSink(batches.append)
    for number in range(50):
        sink.write(b"%d\n" % number)
    assert sink.close(PATIENCE_S)
    assert batches == [b"%d\n" % number for number in range(50)]


def test_reader_that_stands_still_blocks_nobody() -> None:
    gate = Gate()
    sink = BackgroundSink(gate.write, max_batches=2)
    sink.write(b"first\n")
    assert gate.entered.wait(PATIENCE_S)
    sink.write(b"second\n")
    sink.write(b"third\n")
    with pytest.raises(BlockingIOError, match="does not keep up"):
        sink.write(b"fourth\n")
    gate.opened.set()
    assert sink.close(PATIENCE_S)
    assert gate.batches == [b"first\n", b"second\n", b"third\n"]


@pytest.mark.parametrize("max_batches", [1, 2])
def test_closing_does_not_wait_for_a_reader_that_stands_still(max_batches: int) -> None:
    gate = Gate()
    sink = BackgroundSink(gate.write, max_batches=max_batches)
    sink.write(b"first\n")
    assert gate.entered.wait(PATIENCE_S)
    sink.write(b"second\n")
    assert not sink.close(0.01)
    gate.opened.set()
    assert sink.close(PATIENCE_S)


def test_lines_that_cannot_be_written_are_counted() -> None:
    refusals: list[Exception] = [OSError("disk full"), ValueError("closed")]
    batches: list[bytes] = []

    def write(batch: bytes) -> None:
        if refusals:
            raise refusals.pop()
        batches.append(batch)

    sink = BackgroundSink(write)
    for batch in (b"a\nb\n", b"c\n", b"d\n"):
        sink.write(batch)
    assert sink.close(PATIENCE_S)
    assert (sink.dropped, batches) == (3, [b"d\n"])
    assert repr(sink) == "BackgroundSink(waiting=0, dropped=3)"
