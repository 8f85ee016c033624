"""Metrics of several processes as one, and never less than before."""

import os
import signal
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shared import SharedTallies, retire
from tests.alone import alone
from tests.telemetry.test_metrics import value

RPC = "a.B.C"
NAME = "cutover_requests_total"
LABELS = {"route": "a", "rpc": RPC, "side": "grpc", "code_class": "2xx", "reason": "stage"}


def worker(directory: Path, name: str) -> Metrics:
    metrics = Metrics(SharedTallies(directory, name))
    metrics.for_route("a", RPC)
    return metrics


def count(metrics: Metrics, requests: int) -> None:
    for _ in range(requests):
        metrics.for_route("a", RPC).observe("grpc", "2xx", "stage", 0.01)


def requests_in(metrics: Metrics) -> float | None:
    return value(metrics, NAME, **LABELS)


def test_any_of_them_tells_of_all(tmp_path: Path) -> None:
    first, second = worker(tmp_path, "1"), worker(tmp_path, "2")
    count(first, 2)
    count(second, 3)
    first.inflight, second.inflight = 1, 4
    second.publish()
    assert requests_in(first) == 5
    assert value(first, "cutover_inflight_requests") == 5
    assert requests_in(second) == 5
    assert first.arms("a")["grpc"].requests == 5


def test_what_was_shown_stays_when_its_process_is_killed(tmp_path: Path) -> None:
    first, second = worker(tmp_path, "1"), worker(tmp_path, "2")
    count(first, 2)
    first.publish()
    count(first, 5)
    assert requests_in(first) == 7
    # Killed now, without another word: its last tally is what it has shown.
    assert requests_in(second) == 7


def test_the_retired_count_on_without_their_gauges(tmp_path: Path) -> None:
    first, second = worker(tmp_path, "1"), worker(tmp_path, "2")
    count(first, 2)
    first.inflight = 9
    first.moved("b", 3)
    first.publish()
    retire(tmp_path, "1")
    assert requests_in(second) == 2
    assert value(second, "cutover_inflight_requests") == 0
    third = worker(tmp_path, "3")
    count(third, 1)
    third.publish()
    retire(tmp_path, "3")
    assert requests_in(second) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.tally", "retired"]


def test_one_that_is_retired_while_it_is_read_counts_once(tmp_path: Path) -> None:
    first = worker(tmp_path, "1")
    count(first, 2)
    first.publish()
    kept = (tmp_path / "1.tally").read_bytes()
    retire(tmp_path, "1")
    # A reader that has read its file before sees both.
    (tmp_path / "1.tally").write_bytes(kept)
    assert requests_in(worker(tmp_path, "2")) == 2


def test_one_that_never_wrote_can_be_retired(tmp_path: Path) -> None:
    retire(tmp_path, "1")
    assert list(tmp_path.iterdir()) == []


@alone
def test_a_writer_killed_at_any_moment_leaves_a_whole_tally(tmp_path: Path) -> None:
    for _ in range(5):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            metrics = worker(tmp_path, "child")
            while True:
                count(metrics, 1)
                metrics.publish()
                os.write(writing, b".")
        os.close(writing)
        os.read(reading, 1)
        os.read(reading, 4096)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        with capture_logs() as told:
            assert (requests_in(worker(tmp_path, "reader")) or 0) >= 1
        assert told == []


def test_what_another_version_wrote_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "1.tally").write_bytes(b'{"form": 99}')
    (tmp_path / "retired").write_bytes(b"[]\n{}")
    metrics = worker(tmp_path, "2")
    count(metrics, 1)
    with capture_logs() as told:
        assert requests_in(metrics) == 1
    assert [line["log_level"] for line in told] == ["warning"] * 2


def test_a_directory_that_takes_nothing_costs_one_line(tmp_path: Path) -> None:
    metrics = worker(tmp_path / "gone", "1")
    count(metrics, 1)
    with capture_logs() as told:
        metrics.publish()
        metrics.publish()
        assert requests_in(metrics) == 1
    assert [line["event"] for line in told] == ["metrics cannot be shared among workers"]
    (tmp_path / "gone").mkdir()
    metrics.publish()
    assert (tmp_path / "gone" / "1.tally").exists()


@pytest.fixture(autouse=True)
def _plain_logging() -> None:
    structlog.reset_defaults()
