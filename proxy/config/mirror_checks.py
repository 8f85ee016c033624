"""What a mirror lacks, and what it cannot be on an RPC of its kind.

Belongs here: what is checked of one route, with what an entry took from `defaults`. Does not: when
and where it is told (`shadow_checks`, `rpc_checks`).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.config.canary import Canary
from proxy.config.mirror import Mirror
from proxy.config.mirror_policy import depth_of
from proxy.config.options import Route, Stage
from proxy.config.resolved_route import MethodFacts
from proxy.config.tree import Location
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth

#: What of `noise` asks legacy again, with the keys in files.
_REPEATS: Final = {
    "control_basis_points": "control_percent",
    "reverify_after_s": "reverify_after",
}

#: Where, from the route, and what is wrong.
Fault = tuple[Location, str]


class Sink(NamedTuple):
    """Whether a route's upstream has data of its own for mirrors, and where it is written."""

    is_one: bool
    place: str


def mirror_faults(stage: Stage, mirror: Mirror | None, canary: Canary | None) -> Iterator[Fault]:
    """What a route in *stage* lacks, whatever its RPC is."""
    if mirror is None:
        if stage == "shadow":
            yield ("stage",), "stage shadow needs mirror.percent: the requests that gRPC gets too"
        return
    if mirror.basis_points is None:
        yield ("mirror",), "mirror needs percent: nothing is mirrored that nobody asked for"
    if mirror.sample_by == "sticky" and not (canary and canary.sticky):
        message = "sticky needs canary.sticky: where the key of a request stands"
        yield ("mirror", "sample_by"), message


def method_faults(
    route: Route, mirror: Mirror | None, facts: MethodFacts, sink: Sink
) -> Iterator[Fault]:
    """What the entry *route*, with such a *mirror* in all, cannot be with what its RPC is.

    What it took from `defaults` is not its fault: there it does not hold for such a route.
    """
    if facts.streams_requests:
        yield from _streaming_faults(route)
    elif mirror is not None:
        safety = Safety(route.safety or facts.safety)
        depth = depth_of(mirror, safety, can_validate=facts.can_validate)
        yield from _depth_faults(route, mirror, safety, can_validate=facts.can_validate)
        yield from _unsafe_faults(route, mirror, safety, sink)
        yield from _noise_faults(route, safety)
        yield from _coverage_faults(route, depth)


def _streaming_faults(route: Route) -> Iterator[Fault]:
    message = "cannot be: requests that stream are not kept, so that none can be repeated"
    if route.mirror is not None:
        yield ("mirror",), message
    if route.stage == "shadow":
        yield ("stage",), f"stage shadow {message}"


def _depth_faults(
    route: Route, mirror: Mirror, safety: Safety, *, can_validate: bool
) -> Iterator[Fault]:
    own = route.mirror and route.mirror.depth
    if own == "validate_only" and not can_validate:
        yield ("mirror", "depth"), "the request message has no truth value validate_only"
    if own == "rpc" and safety is not Safety.SAFE and not mirror.allow_unsafe:
        message = (
            f"rpc on a route whose safety is {safety} would do its writes twice: needs "
            "allow_unsafe beside it, and shadow_sink of its upstream"
        )
        yield ("mirror", "depth"), message


def _unsafe_faults(route: Route, mirror: Mirror, safety: Safety, sink: Sink) -> Iterator[Fault]:
    if route.mirror is None or not route.mirror.allow_unsafe:
        return
    key = ("mirror", "allow_unsafe")
    if safety is Safety.SAFE:
        yield key, "does nothing on a route whose safety is safe"
    elif mirror.depth != "rpc":
        yield key, "does nothing without depth: rpc"
    elif not sink.is_one:
        yield key, f"needs shadow_sink: true of {sink.place}, whose data is no sink for mirrors"


def _noise_faults(route: Route, safety: Safety) -> Iterator[Fault]:
    if route.compare is None or safety is Safety.SAFE:
        return
    for name, key in _REPEATS.items():
        if getattr(route.compare.noise, name):
            message = "needs a route whose safety is safe: legacy is asked again"
            yield ("compare", "noise", key), message


def _coverage_faults(route: Route, depth: Depth) -> Iterator[Fault]:
    own = route.gate.model_fields_set if route.gate else frozenset()
    if "min_field_coverage" in own and depth is not Depth.RPC:
        message = f"needs a mirror of depth rpc: with {depth} no answers are compared"
        yield ("gate", "min_field_coverage"), message
