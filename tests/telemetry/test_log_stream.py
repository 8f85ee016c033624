"""A log that nobody reads costs lines and never time."""

import json
import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.telemetry.log_stream import LogStream


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe that blocks."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def fill(stream: LogStream, line: str) -> int:
    """Write until nothing is taken; how many lines were."""
    written = 0
    while not stream.lost:
        stream.write(line)
        written += 1
    return written - 1


def test_lines_are_written_as_they_come(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = LogStream(writing)
    assert stream.write("é\udcff\n") == 3
    assert os.read(reading, 100) == "é\\udcff\n".encode()
    assert not stream.isatty()
    assert os.get_blocking(writing), "who started us may rely on it"


def test_a_reader_that_stands_still_stops_nobody_and_is_told(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = LogStream(writing)
    written = fill(stream, f'{{"event": "{"x" * 100}"}}\n')
    stream.write("lost\n")
    assert repr(stream).endswith("lost=2)")
    assert os.read(reading, 1 << 20).count(b"\n") == written
    stream.write("{}\n")
    assert stream.lost == 0
    missing, _, after = os.read(reading, 1 << 20).partition(b"\n")
    assert json.loads(missing)["lines"] == 2
    assert after == b"{}\n"


def test_a_line_that_is_torn_spoils_no_other(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = LogStream(writing)
    stream.write(f"{'x' * (1 << 20)}\n")
    assert stream.lost == 1
    os.read(reading, 1 << 20)
    stream.write("{}\n")
    torn, missing, after = os.read(reading, 1 << 20).splitlines()
    assert (torn, json.loads(missing)["lines"], after) == (b"", 1, b"{}")


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = LogStream(writing)
    os.close(reading)
    stream.write("nobody\n")
    assert stream.lost == 1


def test_a_socket_that_is_not_read_stops_nobody() -> None:
    """What systemd gives a service for its stderr."""
    one, other = socket.socketpair()
    with one, other:
        stream = LogStream(one.fileno())
        assert fill(stream, "x" * 100 + "\n")
        assert select.select([other], [], [], 0)[0]


def test_a_file_takes_everything_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        stream = LogStream(file.fileno())
        for number in range(1000):
            stream.write(f"{number}\n")
    assert (tmp_path / "log").read_text().split() == [str(number) for number in range(1000)]


def test_a_terminal_is_told_apart() -> None:
    master, terminal = os.openpty()
    assert LogStream(terminal).isatty()
    os.close(master)
    os.close(terminal)


def test_a_device_that_cannot_be_opened_again_is_used_as_it_is() -> None:
    """As the stderr of another user is, after a change of users."""
    descriptor = os.open("/dev/null", os.O_RDONLY)
    stream = LogStream(descriptor)
    stream.write("nowhere\n")
    os.close(descriptor)
