"""One mirror from its sample to its observation: call, compare, ask again, judge.

Belongs here: the order of it, and which verdict follows. Does not: the calls (`legs`), the
comparing (`comparison`), when it runs and for how long (`pool`).

A mismatch is not taken for one at once. Where legacy was asked twice, by chance and close to the
first time, and differs from itself at the same paths, it is noise. Else both sides of a safe
request are asked once more after a while: if they agree now it was transient, and if legacy differs
from its own first answer wherever gRPC does, it is noise.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document
from proxy.comparison.requests import Lost
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.errors import StatusError
from proxy.gate.evidence import Epoch, Observation, Verdict
from proxy.gate.redaction import Hasher
from proxy.shadow.answers import NO_MEMORY, Answered
from proxy.shadow.asking import with_asked
from proxy.shadow.coding import Undecodable, plain_document
from proxy.shadow.comparing import INLINE_BODY_BYTES, Comparing, Made
from proxy.shadow.legs import Legs, Prepared
from proxy.shadow.metering import Metered
from proxy.shadow.observing import Examined, Observing
from proxy.shadow.pairs import (
    NOTHING,
    Pair,
    compare_status,
    is_noise,
    obstructed,
    parts_of,
    refused_by_one,
)
from proxy.shadow.sample import Failed, Life, Sample
from proxy.telemetry.metrics import Metrics
from proxy.transcoding.request import with_form

#: Legs of a mirror, as the metrics name them.
LEGACY: Final = "legacy"
GRPC: Final = "grpc"
CONTROL: Final = "control"

#: The field of a request that has it checked and not carried out (AIP-163).
VALIDATE_ONLY: Final = "validate_only"

#: Of the mirrors of a route that may run, the share that may wait to ask again. When everything
#: differs, the others are to go on; what is not asked again stays a mismatch.
_REVERIFYING_SHARE: Final = 2
_ALL_BASIS_POINTS: Final = 10_000

#: A call of a mirror.
_Leg = Coroutine[Any, Any, Answered | Failed]


class PairExaminer:
    """Examines samples of one snapshot; implements `sample.Examiner`.

    *note_version* is told upstream and version when a server calls itself otherwise than the epoch
    has it. *charge* is told the processor seconds of what examinations do in tasks of their own,
    beside the one that runs them. *clock* is monotonic, in seconds; *random* gives numbers from 0
    to 1; *wait* waits for some seconds.
    """

    def __init__(
        self,
        legs: Legs,
        comparing: Comparing,
        hasher: Hasher,
        metrics: Metrics,
        *,
        note_version: Callable[[str, str], None],
        charge: Callable[[float], None],
        clock: Callable[[], float],
        random: Callable[[], float],
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.legs = legs
        self.comparing = comparing
        self.hasher = hasher
        self.metrics = metrics
        self.note_version = note_version
        self.charge = charge
        self.clock = clock
        self.random = random
        self.wait = wait
        #: Mirrors that wait to ask again, by route.
        self.reverifying: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<PairExaminer {self.legs!r} {self.comparing!r}>"

    async def examine(self, sample: Sample, epoch: Epoch) -> Observation | Failed:
        """What came of a mirror. Raises nothing but cancellation for what an upstream does."""
        mirror = sample.binding.route.mirror
        if mirror is None:
            raise LookupError(f"{sample.binding!r} has no mirror")
        return await _Examination(self, sample, epoch, mirror).run()

    async def both(self, one: _Leg, other: _Leg) -> tuple[Answered | Failed, Answered | Failed]:
        """What two legs give that are run at the same time."""
        legs = [asyncio.ensure_future(self._metered(leg)) for leg in (one, other)]
        try:
            first, second = await asyncio.gather(*legs)
        finally:
            # A bug that ends one must not leave the other to itself: nobody would bound it.
            for leg in legs:
                leg.cancel()
        return first, second

    def _metered(self, leg: _Leg) -> _Leg:
        return Metered(leg, self.charge, time.thread_time)


class _Stopped(Exception):
    """An examination cannot go on; *failed* says why."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed)
        self.failed = failed


class _Examination:
    """The examination of one sample. *refusal* is what gRPC's clients get for it, if it is one."""

    def __init__(
        self, examiner: PairExaminer, sample: Sample, epoch: Epoch, mirror: MirrorOptions
    ) -> None:
        self._examiner = examiner
        self._sample = sample
        self._epoch = epoch
        self._mirror = mirror
        self._parts = parts_of(sample.binding)
        self._route = sample.binding.route
        self._is_safe = self._route.safety is Safety.SAFE
        self._depth = mirror.depth
        if sample.primary is Side.GRPC and not self._is_safe:
            self._depth = Depth.TRANSLATE
        self._prepared: Prepared | None = None
        self._refusal: Document | None = None
        self._seconds: dict[Side, float] = {sample.primary: sample.primary_s}

    async def run(self) -> Observation | Failed:
        try:
            await self._prepare()
            lost = await self._lost()
            if self._depth is Depth.TRANSLATE:
                return self._translated(lost)
            return await self._called(lost)
        except _Stopped as stopped:
            return stopped.failed

    # --- the request

    async def _prepare(self) -> None:
        legs = self._examiner.legs
        try:
            self._sample = with_asked(self._sample)
            prepared = await legs.prepare(self._sample, self._mirror, self._build)
        except StatusError as error:
            self._refusal = legs.refusal(error, self._sample)
            return
        if isinstance(prepared, Failed):
            raise _Stopped(prepared)
        self._prepared = prepared

    async def _build(self, sample: Sample) -> Made | None:
        return await self._examiner.comparing.build(sample, self._parts.requests)

    async def _lost(self) -> Lost:
        """What of the request is not in its message."""
        if self._prepared is None:
            return Lost()
        sample, requests = self._sample, self._parts.requests
        message, content_type = self._prepared.message, sample.headers.get("content-type")
        by_form = sample.binding.request.options.reads_form
        query = with_form(sample.query, sample.body) if by_form else sample.query
        found = requests.of_texts(sample.captures, query, message)
        if len(sample.body) <= INLINE_BODY_BYTES:  # the helper looks at JSON alone
            found = found.and_also(requests.of_form(sample.body, content_type, message))
        documents = self._prepared.documents
        if requests.body is None or documents is None:
            return found
        comparison = await self._compared(requests.body, *documents)
        return found.and_also(requests.of_body(comparison))

    def _translated(self, lost: Lost) -> Observation:
        """The observation of a request that is not sent."""
        answer = self._sample.answer
        if self._refusal is not None:
            lost = Lost(refused_by_one(answer, self._refusal))
        pair = Pair(answer, self._refusal or answer, NOTHING)
        verdict = Verdict.MISMATCH if lost.differences else _matched(lost, pair)
        return self._observed(verdict, pair, lost, None)

    # --- the answers

    async def _called(self, lost: Lost) -> Observation:
        if self._depth is Depth.VALIDATE_ONLY and self._prepared is not None:
            # What is said of an order that is not to be carried out.
            setattr(self._prepared.message, VALIDATE_ONLY, True)
        pair, asked_twice = await self._first_round()
        control = None if asked_twice is None else await self._control(pair, asked_twice)
        verdict = await self._verdict(lost, pair, control)
        return self._observed(verdict, pair, lost, control)

    def _observed(
        self, verdict: Verdict, pair: Pair, lost: Lost, control: Comparison | None
    ) -> Observation:
        message = None if self._prepared is None else self._prepared.message
        called = self._depth is not Depth.TRANSLATE or self._refusal is not None
        examined = Examined(self._epoch, self._sample, message, called, self._seconds)
        observing = Observing(self._parts, self._examiner.hasher, self._examiner.metrics)
        return observing.observation(examined, verdict, pair, lost, control)

    async def _first_round(self) -> tuple[Pair, Document | None]:
        """Ask the side that has not answered; now and then legacy too, a second time."""
        primary, theirs = self._sample.primary, self._plain(self._sample.answer)
        other = Side.GRPC if primary is Side.LEGACY else Side.LEGACY
        first, again = await self._asked(other)
        ours = self._document(first)
        if isinstance(first, Answered) and self._refusal is None:
            self._seconds[other] = first.seconds
        legacy, grpc = (theirs, ours) if primary is Side.LEGACY else (ours, theirs)
        return (
            Pair(legacy, grpc, await self._compare(legacy, grpc)),
            again.document if isinstance(again, Answered) else None,
        )

    async def _asked(self, side: Side) -> tuple[Answered | Failed, Answered | Failed | None]:
        """What *side* answers, and legacy when it is asked twice: at the same time then."""
        if not self._asks_twice():
            return await self._leg(side), None
        return await self._examiner.both(self._leg(side), self._leg(Side.LEGACY, CONTROL))

    def _asks_twice(self) -> bool:
        share = self._mirror.control_basis_points
        if not share or not self._is_safe or self._depth is not Depth.RPC:
            return False
        return self._examiner.random() * _ALL_BASIS_POINTS < share

    async def _leg(self, side: Side, name: str = "") -> Answered | Failed:
        """Ask one side; what cannot be translated is answered here."""
        legs, sample, mirror = self._examiner.legs, self._sample, self._mirror
        if side is Side.LEGACY:
            answered = await legs.legacy(sample, mirror)
        elif self._prepared is None:
            return Answered(self._refusal or Document(0), 0.0)
        else:
            render = self._examiner.comparing.answer
            answered = await legs.grpc(sample, self._prepared, mirror, render)
        if isinstance(answered, Answered):
            if not sample.hold(len(answered.document.body)):
                return NO_MEMORY
            leg = name or (LEGACY if side is Side.LEGACY else GRPC)
            self._examiner.metrics.shadow_duration(self._route.name, leg, answered.seconds)
            self._note(answered.version)
        return answered

    def _note(self, version: str) -> None:
        if version and version != self._epoch.version:
            self._epoch = replace(self._epoch, version=version)
            self._examiner.note_version(self._route.upstream or "", version)

    def _document(self, answered: Answered | Failed) -> Document:
        if isinstance(answered, Failed):
            raise _Stopped(answered)
        return self._plain(answered.document)

    def _plain(self, document: Document) -> Document:
        try:
            return plain_document(document, self._mirror.max_response_bytes)
        except Undecodable as error:
            raise _Stopped(Failed(Life.NOT_COMPARABLE, error.reason)) from error

    # --- comparing

    async def _compare(self, legacy: Document, grpc: Document) -> Comparison:
        comparator = self._parts.comparator
        if self._depth is Depth.VALIDATE_ONLY:
            return compare_status(legacy, grpc, comparator.options)
        return await self._compared(comparator, legacy, grpc)

    async def _compared(
        self, comparator: Comparator, legacy: Document, grpc: Document
    ) -> Comparison:
        examiner = self._examiner
        began_s = examiner.clock()
        comparison = await examiner.comparing.compare(comparator, legacy, grpc)
        examiner.metrics.shadow_compare_seconds(self._route.name, examiner.clock() - began_s)
        if comparison.obstacle is not None:
            raise _Stopped(obstructed(comparison.obstacle))
        return comparison

    async def _control(self, pair: Pair, again: Document) -> Comparison | None:
        """What legacy shows against itself; None when that cannot be compared."""
        try:
            return await self._compare(pair.legacy, self._plain(again))
        except _Stopped:
            return None

    # --- the verdict

    async def _verdict(self, lost: Lost, pair: Pair, control: Comparison | None) -> Verdict:
        if lost.differences:
            return Verdict.MISMATCH  # what is lost is lost at any time
        if not pair.comparison.differences:
            return _matched(lost, pair)
        if control is not None and is_noise(pair, control):
            return Verdict.NOISE
        again = await self._again()
        if again is None:
            return Verdict.MISMATCH
        if not again.comparison.differences:
            return Verdict.TRANSIENT
        between = await self._control(pair, again.legacy)
        is_noisy = between is not None and is_noise(again, between)
        return Verdict.NOISE if is_noisy else Verdict.MISMATCH

    async def _again(self) -> Pair | None:
        """Both sides asked once more, after a while; None where they are not, or do not answer."""
        after_s, reverifying = self._mirror.reverify_after_s, self._examiner.reverifying
        name = self._route.name
        most = max(1, self._mirror.max_concurrency // _REVERIFYING_SHARE)
        if after_s is None or not self._is_safe or self._prepared is None:
            return None
        if reverifying[name] >= most:
            return None
        reverifying[name] += 1
        try:
            await self._examiner.wait(after_s)
            return await self._second_round()
        except _Stopped:
            return None
        finally:
            reverifying[name] -= 1

    async def _second_round(self) -> Pair:
        answers = await self._examiner.both(self._leg(Side.LEGACY), self._leg(Side.GRPC))
        legacy, grpc = (self._document(each) for each in answers)
        return Pair(legacy, grpc, await self._compare(legacy, grpc))


def _matched(lost: Lost, pair: Pair) -> Verdict:
    """Which kind of match it is when nothing differs."""
    by_rules = lost.rule_hits or pair.comparison.rule_hits
    return Verdict.MATCH_WITH_RULES if by_rules else Verdict.MATCH
