"""What two answers came to: values between the calls of a mirror and its observation.

Belongs here: a compared pair, whether two pairs tell of noise. Does not: getting the answers
(`legs`), the order of an examination (`examiner`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Difference, Document, Excerpt, Obstacle
from proxy.comparison.kinds import Kind
from proxy.comparison.requests import RequestComparator
from proxy.gate.evidence import Control
from proxy.gate.redaction import Redactor
from proxy.routing.table import RouteBinding
from proxy.shadow.sample import Failed, Life

#: The path of a difference in status.
STATUS: Final = "status"
#: Statuses from here on say that a request was refused, or failed.
_REFUSED: Final = 400

NOTHING: Final = Comparison()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a binding with a mirror has compiled for its comparisons."""

    comparator: Comparator
    requests: RequestComparator
    redactor: Redactor


def parts_of(binding: RouteBinding) -> Parts:
    """The parts of *binding*. Raises `LookupError` for one without a mirror: a bug of ours."""
    comparator, requests, redactor = binding.comparator, binding.requests, binding.redactor
    if comparator is None or requests is None or redactor is None:
        raise LookupError(f"{binding!r} has no mirror")
    return Parts(comparator, requests, redactor)


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer of each side, and what their comparison came to."""

    legacy: Document
    grpc: Document
    comparison: Comparison

    @property
    def paths(self) -> frozenset[str]:
        """Where they differ."""
        return paths_of(self.comparison.differences)


def paths_of(differences: Iterable[Difference]) -> frozenset[str]:
    """The paths of *differences*."""
    return frozenset(each.path for each in differences)


def control_of(pair: Pair, control: Comparison, path: Callable[[str], str]) -> Control:
    """Where only gRPC differed from legacy, and where only legacy from itself.

    *path* gives each as it is kept.
    """
    ours, theirs = pair.paths, paths_of(control.differences)
    return Control(
        frozenset(path(each) for each in ours - theirs),
        frozenset(path(each) for each in theirs - ours),
    )


def is_noise(pair: Pair, control: Comparison) -> bool:
    """Whether legacy differs from itself wherever gRPC differs from it."""
    return control.obstacle is None and pair.paths <= paths_of(control.differences)


def obstructed(obstacle: Obstacle) -> Failed:
    """The end of a mirror whose answers cannot be compared."""
    return Failed(Life.NOT_COMPARABLE, obstacle.value)


def compare_status(legacy: Document, grpc: Document, options: CompareOptions) -> Comparison:
    """Compare nothing but the status, as the comparator would."""
    ours, theirs = legacy.http_status, grpc.http_status
    if ours // 100 != theirs // 100:
        return Comparison((status_difference(Kind.STATUS_CLASS, ours, theirs),))
    if ours != theirs and options.status == "exact":
        return Comparison((status_difference(Kind.STATUS_CODE, ours, theirs),))
    return NOTHING


def refused_by_one(legacy: Document, grpc: Document) -> tuple[Difference, ...]:
    """The difference of a request that cannot be translated: none where legacy refused it too."""
    if legacy.http_status >= _REFUSED:
        return ()
    return (status_difference(Kind.STATUS_CLASS, legacy.http_status, grpc.http_status),)


def status_difference(kind: Kind, legacy: int, grpc: int) -> Difference:
    """A difference between two statuses."""
    return Difference(STATUS, kind, 1, _status(legacy), _status(grpc))


def _status(http_status: int) -> Excerpt:
    text = str(http_status)
    return Excerpt("number", len(text), text)
