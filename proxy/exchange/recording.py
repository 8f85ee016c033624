"""Recording exchanges while they pass, for whoever asks for it at the admin port.

Belongs here: which exchanges are recorded, and their way from a `Capture` to a line of a file.
Does not: what may be kept of them (`recordings.redaction`), who may ask (`admin`).

Nothing is recorded unless a session is open, and never for longer, more or larger than it was
opened for. A line is redacted before anything holds on to it. Whatever goes wrong costs a line: an
exchange is not waited for, nor changed, and is over before its line is made.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.exchange.keeping import keep_body
from proxy.exchange.messages import Outcome, Request
from proxy.gate.evidence import Epoch, Observation
from proxy.recordings.binding_rules import redaction_rules
from proxy.recordings.exchange import Recorded, plain_headers
from proxy.recordings.json_lines import json_line
from proxy.recordings.redaction import RedactionRules, redacted
from proxy.routing.replay_tools import ReplayTools
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found, RouteBinding
from proxy.shadow.budget import Room
from proxy.shadow.capture import Capture
from proxy.shadow.coding import Undecodable, plain_document
from proxy.shadow.ledger import Account, Counts, Ledger
from proxy.shadow.mirror import RouteMirror
from proxy.shadow.sample import NOTHING_YET, Failed, Sample
from proxy.shape.holes import Document

_log: Final = structlog.get_logger("proxy.exchange")

#: Lines that wait for whoever reads them, and bytes of bodies that are held while exchanges pass.
MAX_WAITING: Final = 256
HELD_BYTES: Final = 32 << 20
_ALL_BASIS_POINTS: Final = 10_000


class Busy(Exception):
    """A session is open already: one at a time is looked after."""


class Unfit(ValueError):
    """Terms that nobody may have; the text says which."""


class End(StrEnum):
    """Why a session has ended."""

    COUNT = "count"
    BYTES = "bytes"
    TIME = "time"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session is opened for: its *routes*, by name, and its caps.

    *max_rps* is per route, *max_body_bytes* of a request's body and of an answer's, each.
    """

    routes: frozenset[str]
    max_exchanges: int
    max_bytes: int
    max_duration_s: float
    max_rps: float
    max_body_bytes: int

    def within(self, most: "Terms") -> "Terms":
        """These terms. Raises `Unfit` unless each is positive and none more than *most* allows."""
        for name in ("max_exchanges", "max_bytes", "max_duration_s", "max_rps"):
            value, limit = getattr(self, name), getattr(most, name)
            if not 0 < value <= limit:
                raise Unfit(f"{name} must be more than 0 and at most {limit:.12g}, as configured")
        return self


class Session:
    """One recording. Its lines are taken by `next_line`, in the order in which exchanges end."""

    def __init__(self, terms: Terms, clock: Callable[[], float]) -> None:
        self.terms = terms
        self.recorded = 0
        self.bytes = 0
        #: Exchanges that were to be recorded and were not, by why.
        self.dropped: Counter[str] = Counter()
        self.end: End | None = None
        self._clock = clock
        self._ends_s = clock() + terms.max_duration_s
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._room = Room(HELD_BYTES)
        self._mirrors: dict[str, RouteMirror] = {}
        self._rules: dict[RouteBinding, RedactionRules] = {}
        self._tools: tuple[Snapshot, ReplayTools] | None = None

    def __repr__(self) -> str:
        return f"<Session {self.recorded} recorded, {self.end or 'open'}>"

    @property
    def is_open(self) -> bool:
        """Whether more is recorded."""
        if self.end is None and self._clock() >= self._ends_s:
            self.close(End.TIME)
        return self.end is None

    def close(self, end: End = End.CLOSED) -> None:
        """Record no more. What waits can still be taken."""
        self.end = self.end or end

    async def next_line(self, within_s: float) -> bytes | None:
        """The next line; None where none comes *within_s* seconds or before the end."""
        if self._lines.empty() and not self.is_open:
            return None
        try:
            async with asyncio.timeout(min(within_s, max(0.0, self._ends_s - self._clock()))):
                return await self._lines.get()
        except TimeoutError:
            return None

    @property
    def is_drained(self) -> bool:
        """Whether it has ended and all its lines were taken."""
        return not self.is_open and self._lines.empty()

    def capture(
        self, binding: RouteBinding, found: Found, request: Request, side: Side
    ) -> Capture | None:
        """What keeps an exchange while it passes; None when it is not to be recorded."""
        mirror = self._mirror_of(binding)
        if mirror.rate is not None and not mirror.rate.take():
            self.dropped["rate"] += 1
            return None
        sample = Sample(
            binding=binding,
            captures=found.captures,
            http_method=request.http_method,
            target=request.target,
            query=request.query,
            headers=request.headers,
            body=b"",
            peer=request.client,
            client="",
            scheme=request.scheme,
            key="",
            primary=side,
            primary_s=0.0,
            answer=NOTHING_YET,
            at_s=0.0,
        )
        return Capture(mirror, self._room, sample)

    def _mirror_of(self, binding: RouteBinding) -> RouteMirror:
        """The caps of a route's captures. Nothing is mirrored by it."""
        name, terms = binding.route.name, self.terms
        found = self._mirrors.get(name)
        if found is None:
            most = terms.max_body_bytes
            options = MirrorOptions(
                Depth.TRANSLATE,
                _ALL_BASIS_POINTS,
                max_request_bytes=most,
                max_response_bytes=most,
                max_rps=terms.max_rps,
            )
            found = self._mirrors[name] = RouteMirror(
                binding.route,
                options,
                _NOBODY,
                Counts(_UNTOLD, Account(name), Epoch(name, "")),
                self,
                has_sink=False,
                random=lambda: 0.0,
                clock=self._clock,
            )
        return found

    def add(self, recorded: Recorded, binding: RouteBinding, snapshot: Snapshot) -> None:
        """Keep what may be kept of an exchange, if the caps allow one more."""
        if not self.is_open:
            self.dropped["ended"] += 1
            return
        line = json_line(redacted(recorded, self._rules_of(binding, snapshot)))
        if self.bytes + len(line) > self.terms.max_bytes:
            self.close(End.BYTES)
            self.dropped["bytes"] += 1
            return
        try:
            self._lines.put_nowait(line)
        except asyncio.QueueFull:
            self.dropped["slow_reader"] += 1
            return
        self.recorded += 1
        self.bytes += len(line)
        if self.recorded >= self.terms.max_exchanges:
            self.close(End.COUNT)

    def _rules_of(self, binding: RouteBinding, snapshot: Snapshot) -> RedactionRules:
        found = self._rules.get(binding)
        if found is None:
            if self._tools is None or self._tools[0] is not snapshot:
                # Rules of replaced snapshots go with their bindings.
                self._tools, self._rules = (snapshot, ReplayTools(snapshot)), {}
            revealed = self._tools[1].of(binding, self._mirror_of(binding).options).inputs.reveal
            options = snapshot.config.options_for(binding.route.rpc)
            errors = None if options.shape is None else options.shape.errors
            body = None if errors is None or errors.body is None else _document(errors.body)
            found = self._rules[binding] = redaction_rules(binding, revealed, body)
        return found


def _document(body: object) -> Document:
    return body if isinstance(body, Document) else Document.parse(body)


class Recorder:
    """Records the exchanges of a process while a session is open.

    *clock* is monotonic, *wall_clock* the Unix clock.
    """

    def __init__(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        #: The session that is open; None costs a request one look.
        self.session: Session | None = None
        #: Exchanges recorded and not recorded by all sessions that have ended.
        self._recorded = 0
        self._dropped = 0
        self._clock = clock
        self._wall_clock = wall_clock

    def __repr__(self) -> str:
        return f"<Recorder {self.session!r}>"

    @property
    def recorded(self) -> int:
        """Exchanges that were recorded, by all sessions."""
        return self._recorded + (0 if self.session is None else self.session.recorded)

    @property
    def dropped(self) -> int:
        """Exchanges that were to be recorded and were not."""
        return self._dropped + (0 if self.session is None else self.session.dropped.total())

    def open(self, terms: Terms) -> Session:
        """Open a session. Raises `Busy` while another one is open."""
        if self.session is not None:
            raise Busy
        self.session = Session(terms, self._clock)
        return self.session

    def close(self, session: Session) -> None:
        """End *session*, whoever has ended it before."""
        session.close()
        if self.session is session:
            self._recorded += session.recorded
            self._dropped += session.dropped.total()
            self.session = None

    # --- the way of a request

    def begin(self, found: Found, request: Request, outcome: Outcome, side: Side) -> None:
        """Keep *request* while it passes, if the session is for it; in *outcome*, until its end."""
        session, binding = self.session, found.binding
        if session is None or binding is None or binding.route.name not in session.terms.routes:
            return
        try:
            if not session.is_open:
                return
            outcome.recording = session.capture(binding, found, request, side)
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("recording failed", route=binding.route.name)
        if outcome.recording is not None:
            keep_body(outcome.recording, request)

    def ended(self, capture: Capture, outcome: Outcome, snapshot: Snapshot, seconds: float) -> None:
        """Record an exchange that has ended, unless it ended early or was too large."""
        session = self.session
        try:
            if session is None or capture.mirror.generation is not session:
                return
            recorded = _recorded(capture, outcome, self._wall_clock(), seconds)
            if isinstance(recorded, str):
                session.dropped[recorded] += 1
            else:
                session.add(recorded, capture.sample.binding, snapshot)
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            _log.exception("recording failed", route=capture.mirror.route.name)
        finally:
            capture.release()


def _recorded(capture: Capture, outcome: Outcome, at_s: float, seconds: float) -> Recorded | str:
    """The exchange, or a word for why there is none."""
    if capture.stopped is not None:
        return str(capture.stopped[1])
    if not outcome.is_delivered:
        return "client_gone"
    if not (capture.answer_is_whole and capture.body_is_whole):
        return "incomplete"
    sample = capture.whole()
    if isinstance(sample, Failed):
        return sample.reason
    try:
        answer = plain_document(sample.answer, capture.mirror.options.max_response_bytes)
    except Undecodable as error:
        return error.reason
    route = sample.binding.route
    return Recorded(
        sample.http_method,
        sample.target,
        plain_headers(tuple(sample.headers.items())),
        sample.body,
        answer.http_status,
        plain_headers(answer.headers),
        answer.body,
        at_s - seconds,
        seconds,
        route.name,
        route.rpc,
        outcome.decision.side.value,
    )


class _Nobody:
    """Stands for what examines mirrors where nothing is mirrored."""

    async def examine(self, sample: Sample, epoch: Epoch) -> Observation | Failed:  # noqa: ARG002
        raise LookupError(f"{sample.binding!r} is recorded, not mirrored")


class _Untold:
    """Stands for whoever is told of mirrors where there are none."""

    def shadow(self, route: str, life: str, reason: str = "", count: int = 1) -> None:
        """Tell nobody."""

    def put(self, observation: Observation) -> bool:  # noqa: ARG002 - as the protocol has it
        """Keep nothing."""
        return False

    def count(self, epoch: Epoch, outcome: tuple[str, str], n: int = 1) -> None:
        """Count nothing."""


def _never(_delay_s: float, _call: Callable[[], None]) -> asyncio.TimerHandle:
    raise LookupError("nothing is counted of recordings")


_NOBODY: Final = _Nobody()
_UNTOLD: Final = Ledger(_Untold(), _Untold(), _never)
