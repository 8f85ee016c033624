"""What every evidence store does: one suite for both databases."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from proxy.comparison.kinds import Kind
from proxy.evidence import (
    Batch,
    EvidenceError,
    EvidenceLimits,
    EvidenceRefused,
    EvidenceStore,
    NewerSchema,
)
from proxy.evidence.limits import EXAMPLE_BYTES
from proxy.evidence.schema import STEPS
from proxy.gate.evidence import (
    Control,
    Epoch,
    FieldEvidence,
    Finding,
    RouteEvidence,
    StoredValue,
    Verdict,
)
from proxy.gate.latency import bin_of
from tests.evidence.conftest import Open
from tests.evidence.observations import EPOCH, HIDDEN, NOON_S, count, found, seen, write
from tests.fakes import FakeClock

HOUR_S = 3600.0
MISMATCH, MATCH, NOISE = Verdict.MISMATCH, Verdict.MATCH, Verdict.NOISE


def evidence(store: EvidenceStore, route: str = EPOCH.route) -> RouteEvidence:
    read = store.read(route)
    assert read is not None
    return read


def test_a_client_counts_twenty_times_per_hour_and_no_more_however_many_processes_write(
    open_store: Open,
):
    first, second = open_store(), open_store()
    for store in (first, second, first):
        write(store, *(seen(at_s=NOON_S + index) for index in range(15)))
    assert evidence(second).compared == 20
    assert evidence(second).verdicts == {MATCH: 45}
    write(second, *(seen(at_s=NOON_S + HOUR_S) for _ in range(3)))
    write(second, *(seen(client="sam") for _ in range(3)))
    assert evidence(first).compared == 26
    assert evidence(first).keys == 2


def test_only_what_is_counted_of_a_client_can_be_a_mismatch_for_the_gate(store: EvidenceStore):
    write(store, *[seen()] * 20, *[seen(MISMATCH)] * 5, seen(MISMATCH, client="sam"))
    assert (evidence(store).compared, evidence(store).mismatches) == (21, 1)
    assert evidence(store).verdicts[MISMATCH] == 6


def test_noise_and_what_was_gone_again_use_up_nothing_of_a_client(store: EvidenceStore):
    write(store, *[seen(NOISE), seen(Verdict.TRANSIENT)] * 30, seen(Verdict.MATCH_WITH_RULES))
    assert evidence(store).compared == 1
    assert evidence(store).requests == 61


def test_what_comes_late_for_its_hour_is_not_counted_again(store: EvidenceStore):
    write(store, *[seen(at_s=NOON_S)] * 20, *[seen(at_s=NOON_S + HOUR_S)] * 2)
    write(store, *[seen(at_s=NOON_S + 1)] * 5)
    assert evidence(store).compared == 22


def test_a_clock_that_was_far_ahead_does_not_silence_a_client_for_good(store: EvidenceStore):
    write(store, seen(at_s=NOON_S + 10_000 * HOUR_S))
    write(store, seen(at_s=NOON_S))
    assert evidence(store).compared == 2


def test_everything_that_is_observed_is_read(store: EvidenceStore):
    control = Control(frozenset({"$.a"}), frozenset({"$.c"}))
    write(
        store,
        seen(MISMATCH, found("$.a"), fields=["$.a", "$.b"], legacy_s=0.002, grpc_s=0.5),
        seen(NOISE, found("$.a"), found("$.b"), control=control, at_s=NOON_S + 2),
        seen(NOISE, found("$.c"), rules=["$.r exact"], at_s=NOON_S + 1, shape="other"),
        seen(MATCH, control=control, fields=["$.b"], rules=["$.r exact"], client="sam"),
    )
    count(store, "sent", times=4)
    count(store, "sent", times=3)
    read = evidence(store)
    assert read.epoch == EPOCH
    assert (read.from_s, read.until_s) == (NOON_S, NOON_S + 2)
    assert read.outcomes == {("sent", ""): 7}
    assert read.verdicts == {MISMATCH: 1, NOISE: 2, MATCH: 1}
    assert (read.compared, read.mismatches, read.keys, read.requests) == (2, 1, 2, 4)
    assert read.shapes_once == 1
    assert read.seen_fields == {"$.a", "$.b"}
    assert read.rule_hits == {"$.r exact": 2}
    assert read.controls == 2
    assert read.durations == {"legacy": {bin_of(0.002): 1}, "grpc": {bin_of(0.5): 1}}
    assert read.overflow == {}
    assert [_without_examples(each) for each in read.differences] == [
        FieldEvidence("$.a", Kind.VALUE, 2, NOON_S, NOON_S + 2, b=1, mismatches=1),
        FieldEvidence("$.b", Kind.VALUE, 1, NOON_S + 2, NOON_S + 2, both=1),
        FieldEvidence("$.c", Kind.VALUE, 1, NOON_S + 1, NOON_S + 1, c=2),
    ]


def _without_examples(field: FieldEvidence) -> FieldEvidence:
    assert field.examples
    values = (field.path, field.kind, field.count, field.first_s, field.last_s, field.b, field.c)
    return FieldEvidence(*values, (), field.mismatches, field.both)


def test_nothing_is_known_of_a_route_that_nobody_has_seen(store: EvidenceStore):
    assert store.read("unknown") is None
    assert store.totals() == {}
    assert store.examples("unknown") == ()
    assert store.example("ex_00") is None
    store.reset("unknown")
    store.prune()


def test_many_that_write_at_once_lose_nothing(open_store: Open):
    def work(worker: int) -> None:
        store = open_store()
        for turn in range(10):
            batch = (
                seen(MISMATCH, found(f"$.{name}"), client=f"{worker} {turn} {name}", fields=["$.f"])
                for name in "abc"
            )
            store.write(Batch(tuple(batch), {(EPOCH, ("sent", "")): 3}, NOON_S))
        store.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    read = evidence(open_store())
    assert (read.compared, read.mismatches, read.keys, read.requests) == (120, 120, 120, 120)
    assert read.outcomes == {("sent", ""): 120}
    assert {each.path: each.count for each in read.differences} == dict.fromkeys(
        ("$.a", "$.b", "$.c"), 40
    )


def test_a_batch_whose_answer_was_lost_is_not_counted_twice(open_store: Open):
    batch = Batch((seen(),), {(EPOCH, ("sent", "")): 1}, NOON_S, "writer", 1)
    open_store().write(batch)
    open_store().write(batch)
    open_store().write(Batch((seen(),), {}, NOON_S, "another", 1))
    assert evidence(open_store()).requests == 2
    open_store().write(Batch((seen(),), {}, NOON_S, "writer", 2))
    assert evidence(open_store()).requests == 3


def test_the_counts_are_those_of_a_ledger_however_batches_are_cut(open_store: Open):
    random = Random(11)
    stores = [open_store() for _ in range(3)]
    given: Counter[tuple[str, str, int]] = Counter()
    mismatched: Counter[str] = Counter()
    for hour in range(4):
        for _ in range(12):
            batch = []
            for _ in range(random.randrange(60)):
                route, client = random.choice("ab"), random.choice("klmnopqr")
                verdict = MISMATCH if random.random() < 0.1 else MATCH
                given[route, client, hour] += 1
                mismatched[route] += verdict is MISMATCH
                at_s = NOON_S + (hour + random.random()) * HOUR_S
                batch.append(seen(verdict, at_s=at_s, epoch=Epoch(route, "d"), client=client))
            write(random.choice(stores), *batch)
    for route in "ab":
        read = evidence(random.choice(stores), route)
        ours = {each: times for each, times in given.items() if each[0] == route}
        assert read.requests == sum(ours.values())
        assert read.compared == sum(min(times, 20) for times in ours.values())
        assert read.compared < read.requests
        assert read.keys == 8
        assert read.verdicts[MISMATCH] == mismatched[route]
        assert read.mismatches <= mismatched[route]


# Epochs


def test_another_configuration_begins_anew_and_the_old_one_can_still_be_asked(
    store: EvidenceStore,
):
    write(store, seen(MISMATCH))
    other = Epoch(EPOCH.route, "another", "v1")
    write(store, seen(epoch=other, at_s=NOON_S + 1))
    assert evidence(store).epoch == other
    assert evidence(store).mismatches == 0
    old = store.read(EPOCH.route, EPOCH.digest)
    assert old is not None
    assert old.mismatches == 1
    assert store.read(EPOCH.route, "unheard of") is None
    assert store.totals()[EPOCH.route].epoch == other


def test_a_worker_that_is_behind_does_not_make_its_epoch_the_newest(store: EvidenceStore):
    other = Epoch(EPOCH.route, "digest", "v2")
    write(store, seen())
    write(store, seen(epoch=other, at_s=NOON_S + 10))
    write(store, seen(at_s=NOON_S + 20))
    assert evidence(store).epoch == other
    old = store.read(EPOCH.route)
    assert old is not None
    assert old.requests == 1


def test_to_come_back_to_what_was_left_begins_anew(store: EvidenceStore):
    other = Epoch(EPOCH.route, "another", "v1")
    write(store, seen(MISMATCH, found()))
    write(store, seen(epoch=other, at_s=NOON_S + 60))
    write(store, seen(at_s=NOON_S + 3_000))
    read = evidence(store)
    assert read.epoch == EPOCH
    assert (read.requests, read.mismatches, read.differences) == (1, 0, ())
    assert read.from_s == NOON_S + 3_000
    assert store.examples(EPOCH.route) == ()


def test_silence_alone_is_no_reason_to_begin_anew(store: EvidenceStore):
    write(store, seen())
    write(store, seen(at_s=NOON_S + 8 * HOUR_S))
    assert evidence(store).requests == 2


def test_lives_without_a_version_are_booked_on_the_version_they_had(store: EvidenceStore):
    unknown = Epoch(EPOCH.route, EPOCH.digest)
    count(store, "sent", epoch=unknown)
    assert evidence(store).outcomes == {("sent", ""): 1}
    write(store, seen())
    assert evidence(store).epoch == EPOCH
    assert evidence(store).outcomes == {("sent", ""): 1}
    count(store, "sent", epoch=unknown, at_s=NOON_S + 8 * HOUR_S)
    assert evidence(store).epoch == EPOCH
    assert evidence(store).outcomes == {("sent", ""): 2}
    later = Epoch(EPOCH.route, EPOCH.digest, "v2")
    store.write(Batch((seen(epoch=later, at_s=NOON_S + 9 * HOUR_S),), {(unknown, ("sent", "")): 1}))
    assert evidence(store).epoch == later
    assert evidence(store).outcomes == {("sent", ""): 1}


def test_a_server_that_says_no_version_is_one_like_another(store: EvidenceStore):
    silent = Epoch(EPOCH.route, EPOCH.digest)
    write(store, seen(epoch=silent))
    write(store, seen(at_s=NOON_S + 1))
    assert evidence(store).epoch == EPOCH
    assert evidence(store).requests == 1


# Caps


def test_what_comes_beyond_the_caps_is_counted_and_not_kept(open_store: Open):
    store = open_store(EvidenceLimits(clients=2, shapes=2, fields=2, differences=2, rules=2))
    for name in "abcab":
        write(
            store,
            seen(
                NOISE,
                found(f"$.{name}"),
                client=name,
                shape=name,
                fields=[f"$.{name}"],
                rules=[f"$.{name} exact"],
                control=Control(frozenset(), frozenset({f"$.{name}"})),
            ),
            seen(client=name, shape=name),
        )
    read = evidence(store)
    assert read.seen_fields == {"$.a", "$.b"}
    assert read.rule_hits == {"$.a exact": 2, "$.b exact": 2}
    assert {each.path: (each.count, each.c) for each in read.differences} == {
        "$.a": (2, 2),
        "$.b": (2, 2),
    }
    assert (read.keys, read.compared) == (2, 4)
    # A shape for which there is no room counts as one that was seen once.
    assert read.shapes_once == 2
    assert read.overflow == {
        "fields": 1,
        "rules": 1,
        "differences": 1,
        "only_controls": 1,
        "shapes": 2,
        "clients": 1,
    }


def test_names_that_clients_make_up_take_no_room_from_differences_of_answers(open_store: Open):
    store = open_store(EvidenceLimits(differences=1, request_differences=2))
    made_up = [found(f"request:?{name}") for name in "abcd"]
    write(store, *(seen(Verdict.MISMATCH, each) for each in made_up))
    write(store, seen(Verdict.MISMATCH, found("$.id")))
    read = evidence(store)
    assert {each.path for each in read.differences} == {"request:?a", "request:?b", "$.id"}
    assert read.overflow == {"requests": 2}


def test_clients_of_the_day_find_room_when_those_of_yesterday_are_gone(open_store: Open):
    store = open_store(EvidenceLimits(clients=2))
    for hour in range(0, 9, 3):
        names = [f"{hour} {index}" for index in range(3)]
        write(store, *(seen(client=name, at_s=NOON_S + hour * HOUR_S) for name in names))
    read = evidence(store)
    # Two each time; that they are more than two in all is not known any more, and not said.
    assert read.compared == 6
    assert read.keys == 2
    assert read.overflow == {"clients": 3}


# Examples


def test_examples_are_a_sample_of_all_and_the_newest(store: EvidenceStore):
    for index in range(100):
        write(store, seen(MISMATCH, found(), at_s=NOON_S + index, number=str(index)))
    examples = store.examples(EPOCH.route)
    assert 5 <= len(examples) <= 6
    assert [each.at_s for each in examples] == sorted(
        (each.at_s for each in examples), reverse=True
    )
    assert examples[0].about == {"number": "99"}
    # Not the first five: one of these is in the sample with a probability of 1 to 20 only.
    assert sum(int(each.about["number"]) < 5 for each in examples) < 3
    (difference,) = evidence(store).differences
    assert difference.examples == tuple(each.id for each in examples)


def test_each_occurrence_is_in_the_sample_with_the_same_probability(open_store: Open):
    store = open_store()
    chosen: Counter[int] = Counter()
    for turn in range(120):
        epoch = Epoch(f"route {turn}", "digest")
        batch = [seen(MISMATCH, found(), at_s=NOON_S + at, epoch=epoch) for at in range(20)]
        write(store, *batch[:7])
        write(store, *batch[7:])
        # Without the newest: the last that is not in the sample.
        chosen.update(int(each.at_s - NOON_S) // 5 for each in store.examples(epoch.route)[-5:])
    # 150 of each quarter are expected, with a deviation of 10.6; the newest moves some.
    assert all(100 < chosen[quarter] < 200 for quarter in range(4)), chosen


def test_an_example_shows_all_that_differs_as_far_as_there_is_room(store: EvidenceStore):
    shown = StoredValue("string", 300, "x" * 250, "00112233445566aa")
    findings = tuple(found(f"$.field_{index:02}", value=shown) for index in range(40))
    write(store, seen(MISMATCH, *findings, **{f"query {index}": "y" * 200 for index in range(40)}))
    for finding in findings:
        (example,) = store.examples(EPOCH.route, finding.path)
        assert example.findings[0] == finding
        assert 2 < len(example.findings) < 20
        assert 2 < len(example.about) < 20
        assert len(repr(example)) < 2 * EXAMPLE_BYTES
    assert store.examples(EPOCH.route, "$.field_00", Kind.TYPE) == ()
    assert len(store.examples(EPOCH.route, kind=Kind.VALUE, limit=3)) == 3


def test_an_example_is_found_by_its_id(store: EvidenceStore):
    finding = Finding("$.a", Kind.INT64_STRING, 3, HIDDEN, StoredValue("number", 1, "7", "11"))
    write(store, seen(MISMATCH, finding, http_method="GET"))
    (example,) = store.examples(EPOCH.route)
    assert example == store.example(example.id)
    assert example.id.startswith("ex_")
    assert (example.route, example.at_s) == (EPOCH.route, NOON_S)
    assert (example.about, example.findings) == ({"http_method": "GET"}, (finding,))


def test_of_all_examples_the_newest_stay(open_store: Open):
    store = open_store(EvidenceLimits(examples=10))
    for index in range(30):
        write(store, seen(MISMATCH, found(f"$.f{index}"), at_s=NOON_S + index))
    assert [each.at_s - NOON_S for each in store.examples(EPOCH.route)] == [29, 28, 27, 26, 25]


# Age


def test_examples_go_when_they_are_old_and_what_was_counted_stays(
    store: EvidenceStore, clock: FakeClock
):
    write(store, seen(MISMATCH, found()))
    clock.advance(7 * 24 * HOUR_S - 1)
    store.prune()
    assert len(store.examples(EPOCH.route)) == 1
    clock.advance(2)
    store.prune()
    assert store.examples(EPOCH.route) == ()
    assert evidence(store).mismatches == 1


def test_evidence_goes_when_nothing_was_added_to_it_for_long(
    store: EvidenceStore, clock: FakeClock
):
    write(store, seen(), seen(epoch=Epoch("other", "digest"), at_s=NOON_S + 10))
    clock.advance(30 * 24 * HOUR_S + 5)
    store.prune()
    assert store.read(EPOCH.route) is None
    assert store.read("other") is not None


def test_of_the_past_of_a_route_some_epochs_stay(open_store: Open):
    store = open_store(EvidenceLimits(epochs=2))
    for index in range(4):
        write(store, seen(epoch=Epoch(EPOCH.route, str(index)), at_s=NOON_S + index))
    store.prune()
    assert [store.read(EPOCH.route, str(index)) is not None for index in range(4)] == [
        *(False, False),
        *(True, True),
    ]


def test_to_reset_a_route_forgets_it_and_no_other(store: EvidenceStore):
    write(store, seen(MISMATCH, found()), seen(epoch=Epoch("other", "digest")))
    store.reset(EPOCH.route)
    assert store.read(EPOCH.route) is None
    assert sorted(store.totals()) == ["other"]
    write(store, seen())
    assert evidence(store).compared == 1


# Schema


def test_evidence_of_an_earlier_version_is_brought_up_to_this_one(open_store: Open):
    earlier = open_store()
    write(earlier, seen(MISMATCH, found()))
    earlier.close()
    later = (
        *STEPS,
        ("ALTER TABLE cutover_epoch ADD COLUMN note TEXT", "CREATE TABLE more (a INT)"),
    )
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: _used_and_closed(open_store(steps=later)), range(3)))
    read = evidence(open_store(steps=later))
    assert (read.requests, read.mismatches) == (4, 1)


def _used_and_closed(store: EvidenceStore) -> None:
    write(store, seen())
    store.close()


def test_evidence_of_a_later_version_is_refused_and_not_touched(open_store: Open):
    later = (*STEPS, ("CREATE TABLE cutover_more (a INT)",))
    newer = open_store(steps=later)
    write(newer, seen())
    newer.close()
    older = open_store()
    for use in (lambda: write(older, seen()), lambda: older.read(EPOCH.route), older.prune):
        with pytest.raises(NewerSchema, match="has schema 2, and this version knows 1"):
            use()
    assert evidence(open_store(steps=later)).requests == 1


def test_a_step_that_fails_leaves_the_evidence_as_it_was(open_store: Open):
    write(open_store(), seen())
    broken = (*STEPS, ("CREATE TABLE cutover_more (a INT)", "ALTER TABLE nowhere ADD COLUMN b INT"))
    with pytest.raises(EvidenceError):
        open_store(steps=broken).read(EPOCH.route)
    assert evidence(open_store()).requests == 1


def test_a_batch_that_cannot_be_stored_is_refused_whole_and_others_are_not(store: EvidenceStore):
    with pytest.raises(EvidenceRefused) as refused:
        write(store, seen(), seen(fields=["$.\ud800secret"]))
    assert "secret" not in str(refused.value)
    assert store.read(EPOCH.route) is None
    write(store, seen())
    assert evidence(store).requests == 1
