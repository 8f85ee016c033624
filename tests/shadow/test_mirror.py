"""Which requests may be mirrored at all, whatever is sampled: no write is done twice unasked."""

from dataclasses import replace
from itertools import product

import pytest

from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth
from proxy.cutover.stages import Side
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Route
from proxy.shadow.mirror import skip_of
from proxy.shadow.sample import Skip
from proxy.shadow.sampling import Sampler
from proxy.transcoding.binding import Cardinality
from tests.shadow.stand import options_of


def route_of(snapshot: Snapshot, safety: Safety, depth: Depth) -> Route:
    route = next(each for each in snapshot.routes if each.name == "list-items")
    return replace(route, safety=safety, mirror=replace(options_of(route), depth=depth))


@pytest.mark.parametrize("has_sink", [False, True])
@pytest.mark.parametrize(("safety", "depth", "primary"), list(product(Safety, Depth, Side)))
def test_a_write_is_called_for_a_second_time_in_a_sink_only(
    shadowed: Snapshot, safety: Safety, depth: Depth, primary: Side, has_sink: bool
):
    """Every combination; what would be called is told from the depth alone."""
    skip = skip_of(route_of(shadowed, safety, depth), primary, has_sink=has_sink)
    writes = safety is not Safety.SAFE and depth is Depth.RPC
    into_grpc = primary is not Side.GRPC
    may = not writes or (into_grpc and has_sink)
    # To legacy there is no asking without doing.
    may = may and not (depth is Depth.VALIDATE_ONLY and safety is not Safety.SAFE and not into_grpc)
    assert (skip is None) == may
    assert skip in (None, Skip.UNSAFE_METHOD)


def test_what_streams_to_the_server_is_not_mirrored(shadowed: Snapshot):
    route = replace(
        route_of(shadowed, Safety.SAFE, Depth.TRANSLATE), cardinality=Cardinality.STREAM_UNARY
    )
    assert skip_of(route, Side.LEGACY, has_sink=True) is Skip.STREAMING


def test_a_route_samples_by_the_group_of_its_canary_or_its_name(shadowed: Snapshot):
    route = route_of(shadowed, Safety.SAFE, Depth.RPC)
    options = replace(options_of(route), basis_points=5000, sticky=True)
    by_name = Sampler.of(route, options, lambda: 0.0)
    same = Sampler(options, "list-items", lambda: 0.0)
    assert [by_name.has(str(key)) for key in range(50)] == [same.has(str(key)) for key in range(50)]
