"""Where a route stands."""

import pytest

from proxy.cutover.position import Position
from proxy.cutover.stages import Stage


@pytest.mark.parametrize("basis_points", [-1, 10_001])
def test_a_share_that_is_none_is_refused(basis_points: int):
    with pytest.raises(ValueError, match=f"{basis_points} basis points are not within 0 and"):
        Position(Stage.CANARY, basis_points)


@pytest.mark.parametrize("basis_points", [0, 1, 10_000])
def test_nothing_the_whole_and_the_finest_step_are_shares(basis_points: int):
    assert Position(Stage.CANARY, basis_points).basis_points == basis_points


def test_a_position_is_a_value():
    assert Position(Stage.GRPC) == Position(Stage.GRPC, 0, False)
    assert hash(Position(Stage.GRPC)) == hash(Position(Stage.GRPC, 0, False))
