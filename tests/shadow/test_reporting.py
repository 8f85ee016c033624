"""What is told of mirrors: from the evidence that is kept, and never more than it bears."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.comparison.kinds import Kind
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.moves import Action, Move
from proxy.cutover.opinion import NOT_ASKED
from proxy.cutover.stages import Stage
from proxy.evidence import Batch, EvidenceError, EvidenceReader, SqliteStore
from proxy.gate.evidence import (
    Control,
    Epoch,
    Finding,
    Observation,
    RouteEvidence,
    StoredValue,
    Verdict,
)
from proxy.gate.judgement import GateVerdict
from proxy.routing.snapshot import Snapshot
from proxy.shadow.reporting import Reporter, UnknownRoute
from proxy.shadow.uncompared import why_uncompared
from proxy.telemetry.metrics import Metrics
from tests.fakes import FakeClock
from tests.live.control import control_of
from tests.live.edge import load
from tests.live.wire import PATIENCE_S
from tests.waiting import until

NOON = datetime(2999, 6, 16, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
MIRRORED = "canary: {percent: 25, group: list, sticky: [{header: x-user}]}"
ROUTES = f"""\
- {{rpc: edge.v1.Items.List, name: list-items, stage: canary, {MIRRORED},
   mirror: {{percent: 10}},
   gate: {{max_mismatch: 5%, min_keys: 5, min_duration: 1m, min_field_coverage: 0,
           max_unseen_mass: 1}},
   compare: {{rules: [{{path: "$[*].id", use: ignore, reason: "a test", expires: 2999-06-30}}]}}}}
- {{rpc: edge.v1.Items.Create, name: create-item, stage: legacy, mirror: {{percent: 100}}}}
- {{rpc: edge.v1.Items.Delete, name: delete-item, stage: legacy}}
"""


def value(text: str) -> StoredValue:
    return StoredValue("string", len(text), None, f"hash of {text}")


FINDING = Finding("$.next", Kind.VALUE, 1, value("a"), value("b"))


class Stand:
    """A reporter over a real store, which tests write as the workers of a service do."""

    def __init__(self, snapshot: Snapshot, reader: EvidenceReader, store: SqliteStore) -> None:
        self.snapshot = snapshot
        self.store = store
        self.clock = FakeClock(NOON)
        self.metrics = Metrics()
        self.positions: Callable[..., Any] = lambda _: {}
        self.reporter = Reporter(
            reader,
            lambda: self.snapshot,
            lambda plans: self.positions(plans),  # noqa: PLW0108 - replaced later
            self.metrics,
            self.clock,
            refresh_s=0.0,
        )

    def epoch(self, route: str = "list-items") -> Epoch:
        found = next(each for each in self.snapshot.routes if each.name == route)
        return Epoch(route, found.evidence_digest)

    def compared(self, count: int, verdict: Verdict = Verdict.MATCH, **facts: Any) -> None:
        """Comparisons of different clients, a minute apart from the first to the last."""
        epoch = facts.pop("epoch", self.epoch())
        observed = (
            Observation(
                epoch,
                NOON - DAY_S + 120 * number / count,
                f"{verdict}{number:7}".encode()[-8:],
                b"the-form",
                verdict,
                **facts,
            )
            for number in range(count)
        )
        ended = {(epoch, (life, "")): count for life in ("eligible", "sent", "compared")}
        self.store.write(Batch(tuple(observed), ended, NOON))

    def bound(self) -> str | None:
        text = self.metrics.render()[1].decode()
        name = 'cutover_mismatch_upper_bound_ratio{route="list-items"} '
        return next((line.removeprefix(name) for line in text.splitlines() if name in line), None)


def load_routes(routes: str = ROUTES) -> Snapshot:
    return asyncio.run(load(more=routes))


@pytest.fixture(scope="module")
def loaded() -> Snapshot:
    return load_routes()


@asynccontextmanager
async def stand_of(snapshot: Snapshot, path: Path, open_store: Any = None) -> AsyncIterator[Stand]:
    store = SqliteStore(path, clock=FakeClock(NOON))
    reader = EvidenceReader(open_store or (lambda: SqliteStore(path, clock=FakeClock(NOON))))
    stand = Stand(snapshot, reader, store)
    with control_of(snapshot, wall_clock=FakeClock(NOON)) as control:
        stand.positions = control.positions
        try:
            yield stand
        finally:
            await reader.close()
            store.close()


@pytest.fixture
async def stand(loaded: Snapshot, tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_of(loaded, tmp_path / "evidence.db") as made:
        yield made


# --- reports


async def test_a_report_joins_what_is_configured_where_it_stands_and_what_was_seen(stand: Stand):
    stand.compared(200)
    stand.compared(3, Verdict.MISMATCH, findings=(FINDING,))
    report = await stand.reporter.report("list-items")
    assert (report["route"], report["rpc"]) == ("list-items", "edge.v1.Items.List")
    assert (report["stage"], report["percent"]) == ("canary", 25)
    assert (report["depth"], report["mirror_percent"]) == ("rpc", 10)
    assert (report["counts"]["compared"], report["counts"]["mismatch"]) == (203, 3)
    (difference,) = report["fields"]
    assert (difference["path"], difference["kind"], difference["count"]) == ("$.next", "value", 3)
    assert report["uncompared"] is None
    assert report["verdict"] in ("pass", "inconclusive", "fail")


async def test_rules_are_told_with_their_hits(stand: Stand):
    stand.compared(5, Verdict.MATCH_WITH_RULES, rule_hits={"$[*].id ignore": 2})
    (rule,) = (await stand.reporter.report("list-items"))["rules"]
    assert (rule["path"], rule["use"], rule["hits"]) == ("$[*].id", "ignore", 10)
    assert (rule["reason"], rule["expires"]) == ("a test", "2999-06-30")


async def test_a_route_that_is_not_there_is_not_reported_as_one_without_evidence(stand: Stand):
    for asked in (stand.reporter.report, stand.reporter.judge, stand.reporter.suggestions):
        with pytest.raises(UnknownRoute, match="there is no route 'gone'"):
            await asked("gone")
    with pytest.raises(UnknownRoute):
        await stand.reporter.examples("gone")
    with pytest.raises(UnknownRoute):
        await stand.reporter.reset("gone")
    assert await stand.reporter.opinion("gone") is None


async def test_only_routes_with_a_mirror_or_a_gate_are_reported(stand: Stand):
    assert set(stand.reporter.names()) == {"list-items", "create-item"}
    assert (await stand.reporter.report("delete-item"))["uncompared"] == "no mirror"
    assert await stand.reporter.judge("delete-item") is None


async def test_examples_are_of_one_route_or_of_all(stand: Stand):
    stand.compared(2, Verdict.MISMATCH, findings=(FINDING,), about={"http_method": "GET"})
    (of_route, *_) = await stand.reporter.examples("list-items", "$.next", Kind.VALUE, 1)
    assert of_route["route"] == "list-items"
    assert of_route["about"] == {"http_method": "GET"}
    assert of_route["findings"][0]["legacy"]["hashed"] == "hash of a"
    assert of_route in await stand.reporter.examples(None)
    assert await stand.reporter.examples("list-items", kind=Kind.TYPE) == []
    assert await stand.reporter.example(of_route["id"]) == of_route
    assert await stand.reporter.example("ex_none") is None


async def test_nothing_is_suggested_without_evidence(stand: Stand):
    assert await stand.reporter.suggestions("list-items") == ()


async def test_noise_of_legacy_itself_suggests_a_rule(stand: Stand):
    control = Control(frozenset(), frozenset({"$.next"}))
    stand.compared(50, Verdict.NOISE, findings=(FINDING,), control=control)
    (suggestion,) = await stand.reporter.suggestions("list-items")
    assert suggestion.path == "$.next"


async def test_coverage_names_what_was_never_compared_and_why(stand: Stand):
    stand.compared(5, fields=frozenset({"$[*].id"}))
    coverage = await stand.reporter.coverage()
    assert [row["route"] for row in coverage["routes"]] == ["list-items"]
    never = {row["route"]: row["why"] for row in coverage["never"]}
    assert never["create-item"] == "stage legacy"
    assert never["delete-item"] == "no mirror"
    assert never.keys() | {"list-items"} == {route.name for route in stand.snapshot.routes}


async def test_coverage_without_any_comparison_divides_by_nothing(stand: Stand):
    coverage = await stand.reporter.coverage()
    assert (coverage["routes"], coverage["fields"]["share"]) == ([], 0.0)


# --- verdicts


async def test_nothing_passes_on_no_data(stand: Stand):
    judgement = await stand.reporter.judge("list-items")
    assert judgement is not None
    assert judgement.verdict is GateVerdict.INCONCLUSIVE
    opinion = await stand.reporter.opinion("list-items")
    assert opinion is not None
    assert not opinion.passes


async def test_enough_evidence_passes(stand: Stand):
    stand.compared(300)
    opinion = await stand.reporter.opinion("list-items")
    assert opinion is not None
    assert (opinion.verdict, opinion.compared) == (GateVerdict.PASS, 300), opinion


async def test_evidence_of_another_configuration_is_none(stand: Stand):
    """The counters restart: what was compared by other rules says nothing of these."""
    stand.compared(300, epoch=Epoch("list-items", "another digest"))
    opinion = await stand.reporter.opinion("list-items")
    assert opinion is not None
    assert (opinion.verdict, opinion.compared) == (GateVerdict.INCONCLUSIVE, 0)
    assert (await stand.reporter.report("list-items"))["uncompared"] == (
        "no traffic yet under this configuration"
    )


async def test_a_rule_that_expires_while_the_process_runs_fails_the_gate(stand: Stand):
    stand.compared(300)
    stand.clock.advance(14 * DAY_S)  # the 30th, its last day
    opinion = await stand.reporter.opinion("list-items")
    assert opinion is not None
    assert opinion.passes
    stand.clock.advance(DAY_S)
    opinion = await stand.reporter.opinion("list-items")
    assert opinion is not None
    assert str(opinion) == "fail: rule $[*].id ignore: expired"


async def test_a_reset_begins_anew(stand: Stand):
    stand.compared(300)
    assert (await stand.reporter.report("list-items"))["counts"]["compared"] == 300
    await stand.reporter.refresh()
    await stand.reporter.reset("list-items")
    assert (await stand.reporter.report("list-items"))["counts"]["compared"] == 0
    latest = stand.reporter.latest("list-items")
    assert latest is not None
    assert not latest.passes
    assert stand.bound() is None


# --- kept fresh


async def test_an_opinion_that_nobody_has_yet_is_none_that_passes(stand: Stand):
    stand.compared(300)
    assert stand.reporter.latest("list-items") == NOT_ASKED
    assert stand.reporter.latest("delete-item") is None
    await stand.reporter.refresh()
    latest = stand.reporter.latest("list-items")
    assert latest is not None
    assert latest.passes


async def test_the_bound_of_every_gate_is_kept_in_the_metrics(stand: Stand):
    refreshing = asyncio.ensure_future(stand.reporter.keep_fresh())
    try:
        await until(lambda: stand.reporter.latest("list-items") != NOT_ASKED)
        assert stand.bound() is None, "without a comparison there is no bound"
        await asyncio.to_thread(stand.compared, 300)
        await until(lambda: stand.bound() is not None)
    finally:
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
    judgement = await stand.reporter.judge("list-items")
    assert judgement is not None
    assert float(stand.bound() or 0) == pytest.approx(judgement.upper)


async def test_a_route_that_a_reload_takes_away_leaves_no_bound_and_no_opinion(stand: Stand):
    stand.compared(300)
    await stand.reporter.refresh()
    stand.snapshot = await load(more="")
    await stand.reporter.refresh()
    assert stand.bound() is None
    assert stand.reporter.latest("list-items") is None


class Answering:
    """A reader that answers when it is told to, and only once."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[None]] = []

    async def read(self, route: str, digest: str | None = None) -> None:
        self.asked.append(asyncio.get_running_loop().create_future())
        await self.asked[-1]


async def test_looking_ends_when_it_is_told_to_though_an_answer_comes_at_that_moment(stand: Stand):
    """Else a service that drains would wait for it, for ever."""
    reader: Any = Answering()
    stand.reporter = Reporter(
        reader, lambda: stand.snapshot, dict, stand.metrics, stand.clock, refresh_s=0.0
    )
    refreshing = asyncio.ensure_future(stand.reporter.keep_fresh())
    await until(lambda: bool(reader.asked))
    reader.asked[0].set_result(None)
    asyncio.get_running_loop().call_soon(refreshing.cancel)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.wait({refreshing})
    assert refreshing.cancelled()


# --- stores that fail


class Broken:
    """A store that fails, or hangs until *go*, when it is read."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error: Exception | None = error
        self.go = Event()

    def read(self, route: str, digest: str | None = None) -> RouteEvidence | None:
        if self.error is None:
            self.go.wait(60)
            return None
        raise self.error

    def close(self) -> None:
        return


@contextmanager
def broken(error: Exception | None = None) -> Iterator[Broken]:
    store = Broken(error)
    try:
        yield store
    finally:
        store.go.set()


async def test_a_store_that_fails_passes_nothing_and_is_logged_once(
    loaded: Snapshot, tmp_path: Path
):
    with broken(EvidenceError("the disk is gone")) as store, capture_logs() as logs:
        async with stand_of(loaded, tmp_path / "e.db", lambda: store) as stand:
            for _ in range(3):
                opinion = await stand.reporter.opinion("list-items")
                assert opinion is not None
                assert str(opinion) == (
                    "inconclusive: the evidence cannot be read: the disk is gone"
                )
            await stand.reporter.refresh()
    said = [line for line in logs if "no gate passes" in line["event"]]
    assert len(said) == 1


async def test_a_bug_passes_nothing_and_does_not_end_the_looking(stand: Stand):
    def broken_clock() -> float:
        stand.clock.advance(1.0)
        if stand.clock() == NOON + 1:
            raise ZeroDivisionError("a bug")
        return stand.clock()

    stand.compared(300)
    stand.reporter = Reporter(
        stand.reporter._reader, lambda: stand.snapshot, dict, stand.metrics, broken_clock
    )
    with capture_logs() as logs:
        await stand.reporter.refresh()
        latest = stand.reporter.latest("list-items")
        await stand.reporter.refresh()
    assert str(latest) == "inconclusive: the evidence cannot be read: see the log"
    assert any("exc_info" in line or "exception" in line for line in logs)
    latest = stand.reporter.latest("list-items")
    assert latest is not None
    assert latest.passes


async def test_a_store_that_fails_takes_back_what_it_has_said_of_other_routes(
    loaded: Snapshot, tmp_path: Path
):
    with broken(EvidenceError("gone")) as store:
        async with stand_of(loaded, tmp_path / "e.db", lambda: store) as stand:
            await stand.reporter.refresh()
            for name in ("list-items", "create-item"):
                latest = stand.reporter.latest(name)
                assert latest is not None
                assert latest.because == ("the evidence cannot be read: gone",)


async def test_a_store_that_hangs_holds_no_move_for_long(loaded: Snapshot, tmp_path: Path):
    with broken() as store:
        async with stand_of(loaded, tmp_path / "e.db", lambda: store) as stand:
            stand.reporter = Reporter(
                stand.reporter._reader,
                lambda: loaded,
                stand.positions,
                stand.metrics,
                stand.clock,
                read_timeout_s=0.01,
            )
            opinion = await stand.reporter.opinion("list-items")
            store.go.set()
    assert opinion is not None
    assert opinion.because == ("the evidence cannot be read: no answer from the store in 0.01 s",)


# --- why nothing was compared

MIRROR = MirrorOptions(Depth.RPC, 1000)


def seen(outcomes: Mapping[tuple[str, str], int], **verdicts: int) -> RouteEvidence:
    counted = {Verdict(name): count for name, count in verdicts.items()}
    return RouteEvidence(Epoch("r", "d"), 0.0, 1.0, outcomes=outcomes, verdicts=counted)


ELIGIBLE = {("eligible", ""): 10}


@pytest.mark.parametrize(
    ("mirror", "stage", "evidence", "why"),
    [
        (None, Stage.GRPC, None, "no mirror"),
        (replace(MIRROR, basis_points=0), Stage.SHADOW, None, "mirror at 0 %"),
        (MIRROR, Stage.LEGACY, None, "stage legacy"),
        (MIRROR, Stage.SHADOW, None, "no traffic yet under this configuration"),
        (MIRROR, Stage.SHADOW, seen({}), "no traffic yet under this configuration"),
        (MIRROR, Stage.SHADOW, seen(ELIGIBLE), "mirrors are under way"),
        (
            MIRROR,
            Stage.SHADOW,
            seen({**ELIGIBLE, ("not_sampled", ""): 10}),
            "none of 10 requests sampled yet",
        ),
        (
            MIRROR,
            Stage.SHADOW,
            seen({**ELIGIBLE, ("skipped", "response_too_large"): 10}),
            "all skipped: response_too_large",
        ),
        (
            MIRROR,
            Stage.SHADOW,
            seen({**ELIGIBLE, ("candidate_timeout", ""): 10, ("sent", ""): 10}),
            "all candidate_timeout",
        ),
        (
            MIRROR,
            Stage.SHADOW,
            seen({**ELIGIBLE, ("dropped", "rate"): 3, ("not_comparable", "coding"): 7}),
            "mostly not_comparable: coding",
        ),
        (MIRROR, Stage.SHADOW, seen(ELIGIBLE, match=3), None),
        (MIRROR, Stage.LEGACY, seen(ELIGIBLE, match=3), None),
        (
            replace(MIRROR, depth=Depth.TRANSLATE),
            Stage.SHADOW,
            seen(ELIGIBLE, match=3),
            "depth translate only: no answers are compared",
        ),
    ],
)
def test_silence_has_a_reason(
    mirror: MirrorOptions | None, stage: Stage, evidence: RouteEvidence | None, why: str | None
):
    assert why_uncompared(mirror, stage, evidence) == why


async def test_where_a_route_stands_is_asked_of_those_who_move_it(loaded: Snapshot, tmp_path: Path):
    async with stand_of(loaded, tmp_path / "evidence.db") as stand:
        with control_of(loaded) as control:
            stand.positions = control.positions
            await control.move(
                Move(Action.STAGE, "list-items", stage=Stage.LEGACY, reason="r", who="ann")
            )
            report = await stand.reporter.report("list-items")
    assert (report["stage"], report["uncompared"]) == ("legacy", "stage legacy")
    assert "list-items" not in repr(stand.reporter)
