"""The access log: what a line holds, when lines are written, what happens when they cannot be."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.telemetry.access_log import MAX_PATH_LENGTH, AccessEntry, AccessLog


class Schedule:
    """An event loop's `call_later`, whose time is moved by hand."""

    def __init__(self) -> None:
        self.pending: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> "Pending":
        self.pending.append((delay_s, call))
        return Pending(self, self.pending[-1])

    def run(self) -> None:
        for _, call in self.pending.copy():
            call()


class Pending:
    def __init__(self, schedule: Schedule, call: tuple[float, Callable[[], None]]) -> None:
        self._schedule = schedule
        self._call = call

    def cancel(self) -> None:
        self._schedule.pending.remove(self._call)


class Lines:
    """A sink that keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.refusal: Exception | None = None

    def write(self, batch: bytes) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.batches.append(batch)

    @property
    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for batch in self.batches for line in batch.splitlines()]


def make(lines: Lines, schedule: Schedule, **options: Any) -> AccessLog:
    clock = lambda: 1_700_000_000.25  # noqa: E731
    return AccessLog(lines.write, clock=clock, call_later=schedule.call_later, **options)


def entry(**fields: Any) -> AccessEntry:
    given = {"http_method": "GET", "path": "/a", "http_status": 200, "duration_s": 0.0015}
    return AccessEntry(**{**given, **fields})


def logged(**fields: Any) -> dict[str, Any]:
    lines = Lines()
    log = make(lines, Schedule())
    log.add(entry(**fields))
    log.flush()
    [line] = lines.parsed
    return line


def test_line_says_who_answered_what_and_how_long_it_took() -> None:
    line = logged(
        path="/v4/zones/a%20b",
        route="get-record",
        rpc="dns.v1.RecordService.GetRecord",
        side="grpc",
        reason="stage",
        grpc_code="OK",
        bytes_in=10,
        bytes_out=20,
        upstream_s=0.0011119,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        client="127.0.0.1",
        unknown_fields=("a.b", "c"),
        error="stream ended early",
    )
    assert line == {
        "time": "2023-11-14T22:13:20.250000Z",
        "method": "GET",
        "path": "/v4/zones/a%20b",
        "route": "get-record",
        "rpc": "dns.v1.RecordService.GetRecord",
        "side": "grpc",
        "reason": "stage",
        "status": 200,
        "grpc_code": "OK",
        "bytes_in": 10,
        "bytes_out": 20,
        "duration_ms": 1.5,
        "upstream_ms": 1.112,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "client": "127.0.0.1",
        "unknown_fields": ["a.b", "c"],
        "error": "stream ended early",
    }


def test_what_was_not_said_is_left_out_of_the_line() -> None:
    assert {"unknown_fields", "error"}.isdisjoint(logged())


def test_long_path_is_cut() -> None:
    path = logged(path="/" + "x" * 5000)["path"]
    assert len(path) == MAX_PATH_LENGTH + 1
    assert path.endswith("…")


def test_line_feed_in_a_value_makes_no_second_line() -> None:
    lines = Lines()
    log = make(lines, Schedule())
    log.add(entry(path="/a\r\n{}", error='x"\n\x00\u2028'))
    log.flush()
    [batch] = lines.batches
    assert batch.count(b"\n") == 1
    assert batch.endswith(b"}\n")


def test_header_bytes_that_are_not_utf_8_are_escaped() -> None:
    line = logged(trace_id="\udcff", unknown_fields=("a\udcffb",))
    assert (line["trace_id"], line["unknown_fields"]) == ("\\udcff", ["a\\udcffb"])


def test_lines_are_written_together_after_a_delay() -> None:
    lines, schedule = Lines(), Schedule()
    log = make(lines, schedule, max_delay_s=0.5)
    log.add(entry())
    log.add(entry())
    assert lines.batches == []
    assert [delay_s for delay_s, _ in schedule.pending] == [0.5]
    schedule.run()
    assert len(lines.batches) == 1
    assert len(lines.parsed) == 2
    assert schedule.pending == []


def test_full_batch_is_written_at_once() -> None:
    lines, schedule = Lines(), Schedule()
    log = make(lines, schedule, max_lines=3)
    for _ in range(7):
        log.add(entry())
    assert [batch.count(b"\n") for batch in lines.batches] == [3, 3]
    assert len(schedule.pending) == 1
    log.flush()
    assert (len(lines.parsed), log.written) == (7, 7)


def test_flush_with_nothing_waiting_writes_nothing() -> None:
    lines = Lines()
    make(lines, Schedule()).flush()
    assert lines.batches == []


@pytest.mark.parametrize(
    "refusal", [OSError("disk full"), BlockingIOError(), BrokenPipeError(), ValueError("closed")]
)
def test_sink_that_fails_costs_lines_which_are_counted_and_no_request(refusal: Exception) -> None:
    lines = Lines()
    log = make(lines, Schedule(), max_lines=2)
    lines.refusal = refusal
    for _ in range(4):
        log.add(entry())
    lines.refusal = None
    log.add(entry())
    log.flush()
    assert (log.written, log.dropped, len(lines.parsed)) == (1, 4, 1)


def test_log_shows_its_state() -> None:
    log = make(Lines(), Schedule())
    log.add(entry())
    assert repr(log) == "AccessLog(written=0, waiting=1, dropped=0)"
