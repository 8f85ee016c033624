"""What is counted from the records of a load."""

import pytest

from bench.stand.ledger import Entry, done_twice, first_after, read_ledger
from bench.stand.traffic import (
    Drip,
    Record,
    between,
    failed,
    latency_ms,
    most_at_once,
    of_kind,
    read_lines,
    said,
)

ANSWERED = Record("r-1", "read", 1_000, 1_100, 3_000, 200, "grpc", 4000, 7, False, "")


def test_a_record_is_read_as_it_was_written():
    refused = ANSWERED._replace(status=503, retry_after=True)
    lost = ANSWERED._replace(status=0, side="", problem="connection reset, by peer")
    for record in (ANSWERED, refused, lost):
        assert Record.parse(record.as_line()) == record


def test_a_slow_connection_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "drips.csv"
    path.write_text("header,1000000,3500000,408,cut\n")
    assert [drip.lasted_s for drip in read_lines(path, Drip.parse)] == [2.5]


@pytest.mark.parametrize(
    ("change", "ok"),
    [
        ({}, True),
        ({"status": 304}, True),
        ({"status": 404}, False),
        ({"status": 503}, False),
        ({"status": 0}, False),
        ({"problem": "unexpected EOF"}, False),
    ],
)
def test_only_a_whole_good_answer_is_none_that_failed(change, ok):
    record = ANSWERED._replace(**change)
    assert failed([record]) == ([] if ok else [record])


def test_latencies_count_from_when_a_request_was_due():
    late = ANSWERED._replace(due_us=0, sent_us=900, done_us=1_000)
    assert latency_ms([late], 0.5) == 1.0


def test_what_was_never_sent_was_never_on_its_way():
    assert most_at_once([ANSWERED._replace(sent_us=0), ANSWERED]) == 1


def test_records_are_told_apart_by_kind_and_by_time():
    other = ANSWERED._replace(kind="write", due_us=2_000)
    assert of_kind([ANSWERED, other], "write") == [other]
    assert between([ANSWERED, other], 1_000, 2_000) == [ANSWERED]


def test_failures_are_told_by_what_was_seen_commonest_first():
    lost = ANSWERED._replace(problem="unexpected EOF")
    refused = ANSWERED._replace(status=503)
    assert said([lost, refused, refused]) == "2 x read: status 503; 1 x read: unexpected EOF"


def test_a_ledger_tells_what_was_done_twice_and_when_work_began_again(tmp_path):
    path = tmp_path / "ledger"
    assert read_ledger(path) == []
    path.write_text("10 a GET\n20 b POST\n30 a GetRecord\n")
    entries = read_ledger(path)
    assert entries[0] == Entry(10, "a", "GET")
    assert done_twice(entries, {"a", "b"}) == ["a"]
    assert done_twice(entries, {"b"}) == []
    assert first_after(entries, 11) == 20
    assert first_after(entries, 31) is None
