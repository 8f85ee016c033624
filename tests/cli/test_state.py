"""The state directory as commands see it that need no running proxy."""

from pathlib import Path

from proxy.cutover.moves import Action, Move
from proxy.cutover.plan import RoutePlan
from proxy.cutover.stages import Stage
from proxy.state.directory import StateDirectory
from proxy.state.moving import carry_out
from tests.cli.operating import invoke, write_operated

ASKED = ("explain", "GET", "/v1/items/1")


def test_a_request_is_explained_by_where_its_route_was_moved(tmp_path: Path):
    folder = write_operated(tmp_path / "mappings", "1")
    before = invoke([*ASKED, "-c", str(folder)])
    assert "grpc: route get-item stands at grpc" in before.stdout
    plan = RoutePlan("get-item", Stage.GRPC, 0, None, True, True, False)
    with StateDirectory(tmp_path / "state") as state:
        move = Move(Action.STAGE, "get-item", stage=Stage.LEGACY, reason="r", who="ann")
        carry_out(state, move, {"get-item": plan}, digest="")
    after = invoke([*ASKED, "-c", str(folder)])
    assert "legacy: route get-item stands at legacy" in after.stdout


def test_a_state_that_cannot_be_read_explains_nothing(tmp_path: Path):
    """To go by the file alone would tell what is not so."""
    folder = write_operated(tmp_path / "mappings", "1")
    StateDirectory(tmp_path / "state").close()
    (tmp_path / "state" / "state.json").write_text("{")
    result = invoke([*ASKED, "-c", str(folder)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be understood" in result.stderr
