"""The numbers of mirrors: beside those of the requests that they repeat, and added up over all."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.counters import MAX_OUTCOMES
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shadow_numbers import ShadowReading
from proxy.telemetry.shared import SharedTallies


def shown(metrics: Metrics) -> dict[str, float]:
    """The samples about mirrors by name and the values of their labels, as a scrape has them."""
    found = {}
    for family in text_string_to_metric_families(metrics.render()[1].decode()):
        if family.name.startswith(("cutover_shadow", "cutover_evidence", "cutover_mismatch")):
            for sample in family.samples:
                name = sample.name.removeprefix("cutover_")
                found[" ".join([name, *sample.labels.values()])] = sample.value
    return found


def nothing_yet() -> dict[str, float]:
    return {
        "shadow_inflight": 0,
        "shadow_queue_depth": 0,
        "shadow_buffered_bytes": 0,
        "shadow_imbalance": 0,
        "evidence_dropped_total": 0,
        "evidence_problem": 0,
    }


def test_a_process_without_mirrors_has_no_series_of_routes() -> None:
    assert shown(Metrics()) == nothing_yet()


def test_mirrors_never_move_the_series_of_primaries() -> None:
    """An alert on errors must not ring for what no client has seen."""

    def of_primaries() -> list[str]:
        text = metrics.render()[1].decode()
        lines = (line for line in text.splitlines() if line.startswith("cutover_"))
        return [line for line in lines if not line.startswith("cutover_shadow")]

    metrics = Metrics()
    metrics.for_route("a", "a.B.C").observe("legacy", "2xx", "stage", 0.01)
    before = of_primaries()
    metrics.shadow("a", "candidate_error", "unavailable")
    metrics.shadow_compared("a", "mismatch")
    metrics.shadow_difference("a", "value", 3)
    metrics.shadow_rule_hits("a", "$.id ignore", 1)
    metrics.shadow_duration("a", "grpc", 9.0)
    metrics.shadow_compare_seconds("a", 0.1)
    assert of_primaries() == before
    assert metrics.arms("a").keys() == {"legacy"}


def test_lives_are_counted_by_outcome_and_reason() -> None:
    metrics = Metrics()
    metrics.shadow("a", "eligible", count=5)
    metrics.shadow("a", "skipped", "head")
    metrics.shadow("a", "skipped", "head")
    metrics.shadow("a", "dropped", "rate")
    found = shown(metrics)
    assert found["shadow_total a eligible "] == 5
    assert found["shadow_total a skipped head"] == 2
    assert found["shadow_total a dropped rate"] == 1


def test_free_text_as_a_reason_ends_in_other() -> None:
    metrics = Metrics()
    for number in range(MAX_OUTCOMES + 10):
        metrics.shadow("a", "skipped", f"reason {number}")
    lives = {name: count for name, count in shown(metrics).items() if "shadow_total" in name}
    assert len(lives) == MAX_OUTCOMES + 1
    assert lives["shadow_total a skipped other"] == 10


def test_comparisons_are_counted_by_verdict_kind_and_rule() -> None:
    metrics = Metrics()
    metrics.shadow_compared("a", "match")
    metrics.shadow_compared("a", "mismatch")
    metrics.shadow_difference("a", "int64_string", 7)
    metrics.shadow_rule_hits("a", "$.time timestamp", 2)
    found = shown(metrics)
    assert found["shadow_compared_total a match"] == 1
    assert found["shadow_compared_total a mismatch"] == 1
    assert found["shadow_diffs_total a int64_string"] == 7
    assert found["shadow_rule_hits_total a $.time timestamp"] == 2


def test_durations_are_told_by_leg_and_comparisons_by_themselves() -> None:
    metrics = Metrics()
    metrics.shadow_duration("a", "grpc", 0.002)
    metrics.shadow_duration("a", "legacy", 0.2)
    metrics.shadow_compare_seconds("a", 0.00003)
    found = shown(metrics)
    assert found["shadow_duration_seconds_count a grpc"] == 1
    assert found["shadow_duration_seconds_bucket a legacy 0.1"] == 0
    assert found["shadow_duration_seconds_bucket a legacy 0.25"] == 1
    assert found["shadow_compare_seconds_bucket a 2e-05"] == 0
    assert found["shadow_compare_seconds_bucket a 5e-05"] == 1


def test_the_bound_is_shown_while_there_is_evidence() -> None:
    metrics = Metrics()
    metrics.mismatch_bound("a", None)
    assert shown(metrics) == nothing_yet()
    metrics.mismatch_bound("a", 0.25)
    assert shown(metrics)["mismatch_upper_bound_ratio a"] == 0.25
    metrics.mismatch_bound("a", None)
    assert shown(metrics) == nothing_yet()


def test_what_the_pool_keeps_is_read_when_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.shadow_from(lambda: ShadowReading(1, 2, 3, 4, 5, evidence_problem=True))
    assert list(shown(metrics).values()) == [1, 2, 3, 4, 5, 1]


def test_workers_are_told_as_one(tmp_path: Path) -> None:
    one, other = (Metrics(SharedTallies(tmp_path, name)) for name in ("one", "other"))
    for metrics, reading in (
        (one, ShadowReading(1, 10, 100, 0, 5)),
        (other, ShadowReading(2, 20, 200, 3, 7, evidence_problem=True)),
    ):
        metrics.shadow("a", "sent")
        metrics.shadow_from(partial(replace, reading))
        metrics.mismatch_bound("a", 0.1 * reading.inflight)
        metrics.publish()
    found = shown(one)
    assert found["shadow_total a sent "] == 2
    assert found["mismatch_upper_bound_ratio a"] == 0.2
    kept = {name: found[name] for name in nothing_yet()}
    assert list(kept.values()) == [3, 30, 300, 3, 12, 1]
