"""One log of several processes."""

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path

import pytest

from proxy.telemetry.shared_log import SharedLog
from tests.alone import alone


@alone
def test_processes_that_write_at_once_write_whole_lines(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    children = []
    for name in b"abcd":
        child = os.fork()
        if not child:
            log = SharedLog(writing, tmp_path / "lock")
            for _ in range(30):
                log.write((bytes([name]) * 20_000 + b"\n") * 3)
            os._exit(0)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        lines = output.read().splitlines()
    for child in children:
        os.waitpid(child, 0)
    assert len(lines) == 4 * 90
    assert set(lines) == {bytes([name]) * 20_000 for name in b"abcd"}


@alone
def test_one_that_is_killed_within_a_line_spoils_that_line_only(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # More than the pipe takes: it waits within the line.
        SharedLog(writing, tmp_path / "lock").write(b"x" * (1 << 20) + b"\n")
    assert os.read(reading, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    log = SharedLog(writing, tmp_path / "lock")

    def write() -> None:
        log.write(b"whole\n")
        log.write(b"whole too\n")
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as output:
        first, *others = output.read().splitlines()
    thread.join()
    assert set(first) == set(b"x")
    assert others == [b"whole", b"whole too"]


def test_a_log_that_cannot_be_written_lets_others_have_their_turn(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = SharedLog(writing, tmp_path / "lock")
    with pytest.raises(OSError, match=r".") as caught:
        log.write(b"line\n")
    assert caught.value.errno == errno.EPIPE
    with (tmp_path / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log.close()
    os.close(writing)
