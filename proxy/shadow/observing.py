"""What is kept of an examination that came to a verdict: an observation, and counts.

Belongs here: what of a request and of its pair goes into the evidence, redacted. Does not: the
verdict (`examiner`), what may be shown (`gate.redaction`), where it is kept (`evidence`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from proxy.comparison.documents import Comparison, Difference
from proxy.comparison.requests import Lost, merged
from proxy.cutover.stages import Side
from proxy.gate.evidence import Control, Epoch, Observation, Verdict
from proxy.gate.redaction import Hasher
from proxy.shadow.pairs import Pair, Parts, control_of
from proxy.shadow.sample import Sample
from proxy.telemetry.metrics import Metrics

#: The shape of a request that has no message.
_NO_SHAPE: Final = "untranslatable"


@dataclass(frozen=True, slots=True)
class Examined:
    """A sample as it was examined: as which *message*, None where it has none; in what *epoch*.

    *called* says that both sides have answered, or would have in one way only; *seconds* is how
    long each took.
    """

    epoch: Epoch
    sample: Sample
    message: Message | None
    called: bool
    seconds: Mapping[Side, float]


class Observing:
    """Makes observations of samples that were compared by *parts*; counts them in *metrics*."""

    def __init__(self, parts: Parts, hasher: Hasher, metrics: Metrics) -> None:
        self._parts = parts
        self._hasher = hasher
        self._metrics = metrics

    def __repr__(self) -> str:
        return f"<Observing by {self._parts.comparator!r}>"

    def observation(
        self,
        examined: Examined,
        verdict: Verdict,
        pair: Pair,
        lost: Lost,
        control: Comparison | None,
    ) -> Observation:
        """What is kept of *pair*, of what was *lost* of its request, and of its *control*."""
        differences = merged((*lost.differences, *pair.comparison.differences))
        rule_hits = self._rule_hits(lost, pair)
        sample, hasher, parts = examined.sample, self._hasher, self._parts
        self._count(sample.binding.route.name, verdict, differences, rule_hits)
        return Observation(
            examined.epoch,
            sample.at_s,
            hasher.short(sample.key),
            hasher.short(self._shape(examined.message)),
            verdict,
            tuple(parts.redactor.finding(each, hasher) for each in differences),
            pair.comparison.fields & parts.comparator.fields,
            rule_hits,
            None if control is None else self._control(pair, control),
            examined.seconds.get(Side.LEGACY),
            examined.seconds.get(Side.GRPC),
            self._about(examined, pair) if differences else {},
        )

    def _control(self, pair: Pair, control: Comparison) -> Control:
        redactor, hasher = self._parts.redactor, self._hasher
        return control_of(pair, control, lambda path: redactor.path(path, hasher))

    def _rule_hits(self, lost: Lost, pair: Pair) -> dict[str, int]:
        """How often each rule held; those of requests and those of answers are not the same."""
        rules = self._parts.comparator.options.rules
        hits = {**lost.rule_hits, **pair.comparison.rule_hits}
        return {rules[index].text: count for index, count in hits.items()}

    def _shape(self, message: Message | None) -> str:
        return _NO_SHAPE if message is None else self._parts.requests.shape(message)

    def _about(self, examined: Examined, pair: Pair) -> dict[str, str]:
        """What an example shows of the request."""
        sample, binding = examined.sample, examined.sample.binding.binding
        statuses = {Side.LEGACY: pair.legacy.http_status, Side.GRPC: pair.grpc.http_status}
        known = {
            side: http_status
            for side, http_status in statuses.items()
            if examined.called or side is sample.primary
        }
        names = (variable.path for variable in binding.variables)
        return self._parts.redactor.about(
            sample.http_method,
            str(binding.template),
            zip(names, sample.captures, strict=False),
            sample.query,
            self._parts.comparator.options.headers,
            legacy_status=known.get(Side.LEGACY),
            grpc_status=known.get(Side.GRPC),
            hasher=self._hasher,
        )

    def _count(
        self,
        route: str,
        verdict: Verdict,
        differences: tuple[Difference, ...],
        rule_hits: Mapping[str, int],
    ) -> None:
        metrics = self._metrics
        metrics.shadow_compared(route, verdict.value)
        for each in differences:
            metrics.shadow_difference(route, each.kind.value, each.times)
        for rule, count in rule_hits.items():
            metrics.shadow_rule_hits(route, rule, count)
