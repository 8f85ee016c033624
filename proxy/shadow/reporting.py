"""What is known of the mirrors of each route, put together for whoever asks.

Belongs here: joining the configuration, where routes stand and the evidence that is kept, and
keeping the gates' opinions fresh. Does not: the verdict (`gate.judgement`), the form of a report
(`gate.report`, `report`), who may ask (`admin`), who obeys a gate (`exchange`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from proxy.comparison.kinds import Kind
from proxy.cutover.opinion import NOT_ASKED, Opinion
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.evidence import EvidenceError, EvidenceReader
from proxy.gate.coverage import coverage_of
from proxy.gate.evidence import Example, RouteEvidence
from proxy.gate.judgement import GateVerdict, Judgement, judge
from proxy.gate.report import RouteFacts, route_report
from proxy.gate.suggestions import Suggestion, suggest_rules
from proxy.gate.words import time_text
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route
from proxy.shadow.subjects import Subject, Subjects
from proxy.shadow.uncompared import shallow, why_uncompared
from proxy.telemetry.metrics import Metrics

_log: Final = structlog.get_logger("proxy.shadow")

#: Seconds between two looks at the evidence of all routes.
REFRESH_S: Final = 10.0
#: The part of a core that these looks may take: with many routes they come less often.
REFRESH_SHARE: Final = 1 / 20
#: Seconds that the store may take for one answer: a move must not wait for one that hangs.
READ_TIMEOUT_S: Final = 5.0

_Answer = TypeVar("_Answer")


class UnknownRoute(LookupError):
    """There is no route of that name."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A route with its evidence at one moment. *judgement* is None without a gate."""

    subject: Subject
    evidence: RouteEvidence | None
    judgement: Judgement | None
    at_s: float


class Reporter:
    """Tells what the mirrors of the service have found, whichever worker saw it.

    *snapshot* gives the configuration in force, *positions* where routes with such plans stand;
    *clock* is of the Unix clock, in seconds. The reader is somebody else's to close. Use it on one
    event loop; the store is never waited for there, nor for longer than *read_timeout_s*.
    """

    def __init__(
        self,
        reader: EvidenceReader,
        snapshot: Callable[[], Snapshot],
        positions: Callable[[Mapping[str, RoutePlan]], Mapping[str, Position]],
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        refresh_s: float = REFRESH_S,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._reader = reader
        self._snapshot = snapshot
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._refresh_s = refresh_s
        self._read_timeout_s = read_timeout_s
        self._of_snapshot: Subjects | None = None
        self._latest: dict[str, Opinion] = {}
        self._is_well = True

    def __repr__(self) -> str:
        return f"<Reporter of {self._snapshot()!r}, {len(self._latest)} gates>"

    # --- reports

    def names(self) -> tuple[str, ...]:
        """The routes that there is something to report of: with a mirror or a gate."""
        return self._subjects.reported()

    async def report(self, route: str) -> dict[str, Any]:
        """The report on *route*, as JSON values. Raises `UnknownRoute` and `EvidenceError`."""
        return self._report(await self._known(route))

    async def judge(self, route: str) -> Judgement | None:
        """The judgement on *route*; None for one without a gate. Raises as `report` does."""
        return (await self._known(route)).judgement

    async def suggestions(self, route: str) -> tuple[Suggestion, ...]:
        """Rules that the noise of *route* speaks for. Raises as `report` does."""
        known = await self._known(route)
        if known.evidence is None:
            return ()
        examples = await self._within(self._reader.examples(route))
        return suggest_rules(known.evidence, examples, known.at_s)

    async def coverage(self) -> dict[str, Any]:
        """What of all answers was ever seen, and which routes were never compared, and why.

        Raises `EvidenceError`.
        """
        known = [await self._known(name) for name in self.names()]
        positions = self._positions(self._subjects.snapshot.plans)
        never = {
            each.subject.route.name: why
            for each in known
            if (why := _why_not(each, positions[each.subject.route.name]))
        }
        covered = [_covered(each) for each in known if each.subject.route.name not in never]
        for route in self._subjects:
            if route.mirror is None:
                never.setdefault(route.name, "no mirror")
        return _coverage(covered, never, self._subjects)

    async def examples(
        self,
        route: str | None,
        path: str | None = None,
        kind: Kind | None = None,
        limit: int = 20,
    ) -> list[dict[str, Any]]:
        """Examples of differences, the newest first; of all routes without *route*.

        Raises as `report` does.
        """
        if route is not None:
            self._subject(route)
        names = self.names() if route is None else (route,)
        found: list[Example] = []
        for name in names:
            if len(found) < limit:
                found += await self._within(self._reader.examples(name, path, kind, limit))
        return [example_json(each) for each in found[:limit]]

    async def example(self, id_: str) -> dict[str, Any] | None:
        """The example of that id; None when there is none, or no more. Raises `EvidenceError`."""
        found = await self._within(self._reader.example(id_))
        return None if found is None else example_json(found)

    async def reset(self, route: str) -> None:
        """Forget the evidence of *route*, so that it begins anew. Raises as `report` does."""
        self._subject(route)
        await self._within(self._reader.reset(route))
        await self._look(route)

    # --- gates

    async def opinion(self, route: str) -> Opinion | None:
        """What the gate of *route* says now; None for a route without one. Raises nothing.

        Without evidence that can be read nothing passes.
        """
        if not self._subjects.has_gate(route):
            return None
        await self._look(route)
        return self.latest(route)

    def latest(self, route: str) -> Opinion | None:
        """What the gate of *route* said when it was last asked; None for one without a gate."""
        if not self._subjects.has_gate(route):
            return None
        return self._latest.get(route, NOT_ASKED)

    async def keep_fresh(self) -> None:
        """Look at the evidence of all gated routes, again and again, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            await self.refresh()
            took_s = loop.time() - began_s
            await asyncio.sleep(max(self._refresh_s, took_s / REFRESH_SHARE))

    async def refresh(self) -> None:
        """Look at the evidence of all gated routes, for the metric, the ramps and the status."""
        gated = self._subjects.gated()
        for gone in self._latest.keys() - set(gated):
            del self._latest[gone]
            self._metrics.mismatch_bound(gone, None)
        for name in gated:
            problem = await self._look(name)
            if problem is not None:
                # What a store that hangs has said of the others before must not stand either.
                self._latest |= dict.fromkeys(gated, problem)
                return

    async def _look(self, route: str) -> Opinion | None:
        """Ask the gate of *route*; gives what stands for all gates when that cannot be done."""
        try:
            self._take(await self._known(route))
        except UnknownRoute:  # a reload came between
            return None
        except EvidenceError as error:
            return self._unread(route, str(error))
        except Exception:  # noqa: BLE001 - a bug here must neither pass a gate nor end the looking
            _log.exception("looking at the evidence failed", route=route)
            return self._unread(route, "see the log")
        self._is_well = True
        return None

    def _take(self, known: _Known) -> None:
        judgement, name = known.judgement, known.subject.route.name
        if judgement is not None:
            self._latest[name] = _opinion(judgement, known.at_s)
            self._metrics.mismatch_bound(name, judgement.upper if judgement.compared else None)

    def _unread(self, route: str, problem: str) -> Opinion:
        """Let nothing pass, and log why: once for all routes and looks."""
        if self._is_well:
            _log.error("the evidence cannot be read: no gate passes", problem=problem)
        self._is_well = False
        because = f"the evidence cannot be read: {problem}"
        self._latest[route] = Opinion(GateVerdict.INCONCLUSIVE, (because,), at_s=self._clock())
        return self._latest[route]

    # --- what is known

    async def _known(self, name: str) -> _Known:
        subject, now_s = self._subject(name), self._clock()
        route = subject.route
        evidence = None
        if route.mirror is not None:
            evidence = await self._within(self._reader.read(name, route.evidence_digest))
        if route.gate is None:
            return _Known(subject, evidence, None, now_s)
        expired = subject.expired(datetime.fromtimestamp(now_s, UTC).date())
        judgement = judge(
            *(evidence, route.gate, subject.fields, now_s, expired),
            ignored_fields=subject.ignored,
            caveat=shallow(route.mirror),
        )
        return _Known(subject, evidence, judgement, now_s)

    async def _within(self, answer: Awaitable[_Answer]) -> _Answer:
        """What the store answers, in time. Raises `EvidenceError`."""
        try:
            # `wait_for` of Python 3.11 forgets a cancellation that meets an answer.
            async with asyncio.timeout(self._read_timeout_s):
                return await answer
        except TimeoutError as error:
            message = f"no answer from the store in {self._read_timeout_s:g} s"
            raise EvidenceError(message) from error

    @property
    def _subjects(self) -> Subjects:
        """The routes of the configuration in force."""
        snapshot = self._snapshot()
        if self._of_snapshot is None or self._of_snapshot.snapshot is not snapshot:
            self._of_snapshot = Subjects(snapshot)
        return self._of_snapshot

    def _subject(self, name: str) -> Subject:
        subject = self._subjects.get(name)
        if subject is None:
            raise UnknownRoute(f"there is no route '{name}'")
        return subject

    def _report(self, known: _Known) -> dict[str, Any]:
        route, mirror = known.subject.route, known.subject.route.mirror
        position = self._positions({route.name: self._subjects.snapshot.plans[route.name]})[
            route.name
        ]
        facts = RouteFacts(
            name=route.name,
            rpc=route.rpc,
            stage=position.stage,
            percent=position.grpc_share * 100,
            depth=None if mirror is None else mirror.depth,
            mirror_percent=None if mirror is None else mirror.basis_points / 100,
            config_digest=route.evidence_digest,
            fields=known.subject.fields,
            rules=known.subject.rules,
            gate=route.gate,
            uncompared=_why_not(known, position),
        )
        return route_report(facts, known.evidence, known.judgement, known.at_s)


def example_json(example: Example) -> dict[str, Any]:
    """An example as JSON values: what may be shown of it, as the store has it."""
    return {
        "id": example.id,
        "route": example.route,
        "at": time_text(example.at_s),
        "about": dict(example.about),
        "findings": [asdict(finding) for finding in example.findings],
    }


def _opinion(judgement: Judgement, at_s: float) -> Opinion:
    return Opinion(
        judgement.verdict,
        judgement.because,
        judgement.compared,
        judgement.mismatches,
        judgement.upper if judgement.compared else None,
        at_s,
    )


def _why_not(known: _Known, position: Position) -> str | None:
    return why_uncompared(known.subject.route.mirror, position.stage, known.evidence)


def _covered(known: _Known) -> dict[str, Any]:
    """A route of whose answers something was compared."""
    covered = coverage_of(known.evidence, known.subject.fields)
    return {
        "route": known.subject.route.name,
        "seen": covered.seen,
        "total": covered.total,
        "share": covered.fields,
        "unseen": list(covered.unseen),
    }


def _coverage(
    covered: list[dict[str, Any]], never: Mapping[str, str], routes: Iterable[Route]
) -> dict[str, Any]:
    seen, total = (sum(row[key] for row in covered) for key in ("seen", "total"))
    return {
        "schema": 1,
        "fields": {"seen": seen, "total": total, "share": seen / total if total else 0.0},
        "routes": covered,
        "never": [
            {"route": route.name, "rpc": route.rpc, "why": never[route.name]}
            for route in routes
            if route.name in never
        ],
    }
