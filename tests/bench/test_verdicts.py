"""The judges of the reliability bench see what is wrong: each is shown a case that fails."""

from pathlib import Path

import pytest

from bench.faults import (
    crashes,
    freezes,
    misbehaviour,
    moving,
    outages,
    overload,
    reloads,
    scaling,
    slow_clients,
)
from bench.faults.crashes import Death
from bench.faults.freezes import Freeze
from bench.faults.ground import Backend
from bench.faults.lines import LINES
from bench.faults.outages import Setting
from bench.faults.scaling import Steps
from bench.faults.verdicts import at_most, named, none, not_run, shown, verdict_table
from bench.stand.ledger import Entry
from bench.stand.traffic import Drip, Record
from tests.bench.rendering import rendered

S = 1_000_000
READ = Record("r-1", "read", 1 * S, 1 * S, 1 * S + 1_000, 200, "grpc", 4000, 7, False, "")
WRITE = READ._replace(id="r-2", kind="write")


def lost(record: Record, status: int = 0) -> Record:
    problem = "" if status else "unexpected EOF"
    return record._replace(status=status, side="", problem=problem)


def misses(figures) -> set[str]:
    return {figure.name for figure in figures if not figure.ok}


def backend(folder: Path, name: str, *entries: tuple[int, str, str]) -> Backend:
    ledger = folder / f"{name}.ledger"
    ledger.write_text("".join(f"{at} {identity} {what}\n" for at, identity, what in entries))
    return Backend(name, (), (), folder, "", "", ledger)


# --- reloads


def judged_reloads(*records: Record, applied: int = 2) -> set[str]:
    known = {(7, "grpc"), (8, "")}
    return misses(reloads.verdicts([READ], list(records), known, applied, 2))


SECOND = READ._replace(digest=8, side="")


def test_an_answer_of_either_version_is_well():
    assert judged_reloads(READ, SECOND) == set()


@pytest.mark.parametrize(
    ("records", "missed"),
    [
        ([READ, SECOND, READ._replace(side="")], "answers of a mixed snapshot"),
        ([READ, SECOND, READ._replace(digest=9)], "answers of a mixed snapshot"),
        ([READ, READ], "versions that answered"),
        ([READ, SECOND, lost(READ)], "failed requests"),
    ],
)
def test_answers_of_two_versions_in_one_are_seen(records, missed):
    assert judged_reloads(*records) == {missed}


def test_reloads_that_did_not_come_are_seen():
    assert judged_reloads(READ, SECOND, applied=1) == {"reloads"}


def test_slow_answers_while_reloading_are_seen():
    slow = SECOND._replace(done_us=SECOND.done_us + 1_000)
    assert judged_reloads(READ, slow) == {"p99 with reloads, times that without"}


# --- crashes

DEATH = Death(2 * S, 2 * S + 1_000, frozenset({4000}), 0.3)
HELD = lost(READ._replace(sent_us=2 * S - 500, done_us=2 * S + 2_000))


def judged_crash(*records: Record, death: Death = DEATH, died: int = 1) -> set[str]:
    return misses(crashes.verdicts(records, [death], died, 1))


def test_what_was_on_its_way_in_a_killed_worker_may_be_lost():
    assert judged_crash(READ, HELD) == set()


@pytest.mark.parametrize(
    "other",
    [
        HELD._replace(id="r-9", port=4001),
        HELD._replace(id="r-9", sent_us=3 * S, done_us=3 * S + 1),
        HELD._replace(id="r-9", sent_us=S, done_us=S + 1),
    ],
    ids=["another worker's", "sent long after", "lost long before"],
)
def test_what_a_killed_worker_cannot_have_taken_with_it_is_seen(other):
    assert judged_crash(HELD, other) == {"failed but not on their way in a killed worker"}


def test_a_worker_that_is_missing_for_long_or_for_good_is_seen():
    slow = Death(DEATH.stopped_us, DEATH.at_us, DEATH.ports, 1.2)
    assert judged_crash(HELD, death=slow) == {"replaced after, slowest"}
    assert judged_crash(HELD, died=0) == {"workers killed and replaced"}


# --- outages


def judged_outage(folder: Path, in_grpc, in_legacy, *records: Record) -> set[str]:
    setting = Setting(backend(folder, "grpc", *in_grpc), backend(folder, "legacy", *in_legacy))
    return misses(outages.verdicts(setting, records, [S]))


FELL_BACK = READ._replace(id="r-3", side="legacy")
DONE = (S + 10, "r-2", "CreateRecord")


def test_a_write_that_failed_unseen_by_both_is_well(tmp_path):
    assert judged_outage(tmp_path, [DONE], [], FELL_BACK, WRITE, lost(WRITE, 503)) == set()


def test_a_write_in_both_ledgers_is_seen(tmp_path):
    both = judged_outage(tmp_path, [DONE], [(S + 20, "r-2", "POST")], FELL_BACK, WRITE)
    assert both == {"writes done twice"}


def test_a_read_may_be_done_twice_but_not_fail(tmp_path):
    reads = [(S + 10, "r-3", "GetRecord")], [(S + 20, "r-3", "GET")]
    assert judged_outage(tmp_path, *reads, FELL_BACK) == set()
    assert judged_outage(tmp_path, *reads, FELL_BACK, lost(READ, 503)) == {"failed reads"}


def test_a_write_that_nobody_did_is_seen(tmp_path):
    nobody = judged_outage(tmp_path, [(S + 10, "r-9", "GetRecord")], [], FELL_BACK, WRITE)
    assert nobody == {"writes answered but not done"}


@pytest.mark.parametrize("first", [(), ((3 * S, "r-3", "GetRecord"),)], ids=["never", "late"])
def test_a_server_that_is_not_used_again_is_seen(tmp_path, first):
    assert "gRPC again after, slowest" in judged_outage(tmp_path, first, [], FELL_BACK)


# --- freezes

FREEZE = Freeze(2 * S, 20 * S, 2.0)
OTHER = READ._replace(kind="other")
TIMED_OUT = WRITE._replace(due_us=3 * S, sent_us=3 * S, done_us=5 * S + 1, status=504)
DURING = [each._replace(due_us=3 * S, sent_us=3 * S, done_us=3 * S + 1_000) for each in
          (READ, OTHER)]  # fmt: skip


def judged_freeze(*records: Record) -> set[str]:
    return misses(freezes.verdicts([READ, OTHER, *DURING, *records], FREEZE))


def test_a_deadline_that_is_kept_and_a_refusal_are_well():
    assert judged_freeze(TIMED_OUT, TIMED_OUT._replace(status=503)) == set()


@pytest.mark.parametrize(
    ("record", "missed"),
    [
        (TIMED_OUT._replace(status=500), "that ended otherwise"),
        (TIMED_OUT._replace(done_us=6 * S), "slowest end"),
        (lost(DURING[0]), "failed requests of other routes"),
        (DURING[1]._replace(done_us=4 * S), "p99 of other routes, times that before"),
        (lost(WRITE._replace(due_us=22 * S), 503), "failed a second after it went on"),
    ],
)
def test_what_a_frozen_server_may_not_do_is_seen(record, missed):
    assert judged_freeze(TIMED_OUT, record) == {missed}


def test_more_calls_than_are_allowed_on_their_way_are_seen():
    crowd = [TIMED_OUT] * (freezes.MAX_INFLIGHT + 1)
    assert judged_freeze(*crowd) == {"on their way to it at once"}


# --- misbehaviour


def judged_misbehaviour(in_grpc, in_legacy, *records: Record) -> set[str]:
    return misses(misbehaviour.verdicts([READ, *records], in_grpc, in_legacy))


CREATED = Entry(S, "r-2", "CreateRecord")
RESET = Entry(S, "r-2", misbehaviour.RESET)


def test_a_write_that_was_reset_or_never_done_may_fail():
    assert judged_misbehaviour([CREATED, RESET], [], lost(WRITE, 503)) == set()
    assert judged_misbehaviour([], [], lost(WRITE, 503)) == set()


@pytest.mark.parametrize(
    ("in_grpc", "in_legacy", "record", "missed"),
    [
        ([CREATED, CREATED], [], WRITE, "writes done twice"),
        ([CREATED], [Entry(S, "r-2", "POST")], WRITE, "writes done twice"),
        ([CREATED], [], lost(WRITE, 503), "failed writes that were done, but for those reset"),
        ([], [], lost(READ, 503), "failed reads, but for those reset"),
        ([], [], READ._replace(done_us=READ.due_us + 4 * S), "slowest answer"),
    ],
)
def test_what_a_misbehaving_server_may_not_bring_about_is_seen(in_grpc, in_legacy, record, missed):
    assert judged_misbehaviour(in_grpc, in_legacy, record) == {missed}


# --- scaling


def judged_scaling(folder: Path, third, fourth, *records: Record) -> set[str]:
    backends = [
        backend(folder, str(number), *((at * S, "r-1", "GetRecord") for at in times))
        for number, times in enumerate([(1,), (1,), third, fourth])
    ]
    return misses(scaling.verdicts([READ, *records], backends, Steps(2 * S, 10 * S)))


def test_servers_that_are_used_soon_and_left_soon_are_well(tmp_path):
    assert judged_scaling(tmp_path, (3, 11), (4, 9)) == set()


@pytest.mark.parametrize(
    ("third", "fourth", "missed"),
    [
        ((3, 11), (8, 9), {"added servers used after, slowest"}),
        ((3, 11), (), {"added servers never used", "added servers used after, slowest"}),
        ((3, 16), (4,), {"removed servers left after, slowest"}),
    ],
)
def test_servers_that_are_used_late_or_left_late_are_seen(tmp_path, third, fourth, missed):
    assert judged_scaling(tmp_path, third, fourth) == missed


# --- overload

REFUSED = READ._replace(status=503, retry_after=True)


def test_what_is_not_refused_as_it_has_to_be_is_seen():
    served = [READ] * 100
    well = [*served, *[REFUSED] * 200]
    took_s = (READ.done_us - READ.due_us) / S
    maximum = len(served) / took_s

    def judged(flood: list[Record], of: float = maximum) -> set[str]:
        return misses(overload.verdicts(flood, of, took_s))

    assert judged(well) == set()
    assert judged([*well, REFUSED._replace(retry_after=False)]) == {"refused without Retry-After"}
    assert judged([*well, lost(READ)]) == {"failed otherwise"}
    assert judged([*well, *[lost(READ, 500)] * 3]) == {"failed otherwise"}
    assert judged(well[50:] + [REFUSED] * 50) == {"served, of the maximum"}
    assert judged(served * 3) == {"refused with 503"}
    assert judged(well[:-90]) == {"offered, times the maximum"}


def test_the_time_until_nothing_fails_any_more_is_measured():
    at = [READ._replace(due_us=half * S // 2) for half in range(20)]
    assert overload.recovered_s(at) == 0.0
    assert overload.recovered_s([lost(at[0]), *at[1:]]) == overload.WINDOW_S
    assert overload.recovered_s([*at[:12], lost(at[12], 503), *at[13:]]) == 6.5


# --- slow clients


def judged_drips(*drips: Drip, records=(READ,)) -> set[str]:
    deadlines = slow_clients.Deadlines(10.0, 20.0)
    return misses(slow_clients.verdicts([READ], records, drips, deadlines, 2))


HEADER = Drip("header", 0, 10 * S, 408, "cut")
BODY = Drip("body", 0, 21 * S, 408, "cut")


@pytest.mark.parametrize(
    ("drips", "missed"),
    [
        ((HEADER, BODY), set()),
        ((HEADER, BODY._replace(how="kept")), {"not cut"}),
        ((HEADER._replace(ended_us=13 * S), BODY), {"cut in its header, slowest"}),
        ((HEADER, BODY._replace(ended_us=30 * S)), {"cut in its body, slowest"}),
        ((HEADER,), {"slow connections"}),
    ],
)
def test_slow_connections_that_are_held_for_long_are_seen(drips, missed):
    assert judged_drips(*drips) == missed


def test_what_others_feel_of_slow_connections_is_seen():
    assert judged_drips(HEADER, BODY, records=(READ, lost(READ))) == {"failed requests of others"}
    slow = READ._replace(done_us=READ.due_us + 3_000)
    assert judged_drips(HEADER, BODY, records=(slow,)) == {"p99 of others, times that without"}


# --- moves


def judged_moves(folder: Path, in_grpc, in_legacy, logged, *records: Record) -> set[str]:
    backends = [
        backend(folder, side, *((S, identity, "GET") for identity in ids))
        for side, ids in (("grpc", in_grpc), ("legacy", in_legacy))
    ]
    return misses(moving.verdicts([READ, LEGACY, *records], logged, backends))


LEGACY = READ._replace(id="r-8", side="legacy")
LOGGED = {"r-1": ["grpc"], "r-8": ["legacy"]}
OTHER_DONE = "logged with another side than did it"
OTHER_ANSWERED = "answered with another side than logged"


@pytest.mark.parametrize(
    ("in_grpc", "in_legacy", "logged", "missed"),
    [
        (["r-1"], ["r-8"], LOGGED, set()),
        (["r-1"], ["r-8", "r-1"], LOGGED, {"not done exactly once"}),
        (["r-1"], [], LOGGED, {"not done exactly once", OTHER_DONE}),
        (["r-1"], ["r-8"], LOGGED | {"r-1": ["grpc"] * 2},
         {"not logged exactly once", OTHER_ANSWERED}),
        (["r-1"], ["r-8"], {"r-1": ["grpc"]}, {"not logged exactly once", OTHER_ANSWERED}),
        (["r-1"], ["r-8"], LOGGED | {"r-1": ["legacy"]}, {OTHER_DONE, OTHER_ANSWERED}),
        (["r-8"], ["r-1"], LOGGED, {OTHER_DONE}),
    ],
)  # fmt: skip
def test_ledgers_log_and_answers_that_differ_are_seen(tmp_path, in_grpc, in_legacy, logged, missed):
    assert judged_moves(tmp_path, in_grpc, in_legacy, logged) == missed


def test_a_side_that_never_answered_is_seen(tmp_path):
    logged = {"r-1": ["grpc"]}
    backends = [backend(tmp_path, "grpc", (S, "r-1", "GET")), backend(tmp_path, "legacy")]
    assert misses(moving.verdicts([READ], logged, backends)) == {"answered by legacy"}


# --- the table


def test_the_table_has_a_row_for_each_figure_and_a_verdict_for_each_that_is_judged():
    figures = [
        *named("R1", [shown("requests", 1234), none("failed requests", 0)]),
        *named("R2", [at_most("replaced after", 1.5, 1.0, "s")]),
        *not_run("R3"),
    ]
    faults = {"R1": "reloads", "R2": "restarts", "R3": "crashes"}
    lines = rendered(verdict_table(faults, figures)).splitlines()
    rows = {line.split("│")[3].strip(): line for line in lines if line.count("│") == 7}
    assert "1,234" in rows["requests"]
    assert "ok" not in rows["requests"]
    assert "ok" in rows["failed requests"]
    assert "reloads" not in rows["failed requests"]
    assert "1.5 s" in rows["replaced after"]
    assert "MISSED" in rows["replaced after"]
    assert "MISSED" in rows["could be run"]


def test_the_lines_are_numbered_without_gaps():
    assert [line.name for line in LINES] == [f"R{number}" for number in range(1, 11)]
