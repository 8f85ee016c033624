"""Paths of request fields as clients know them: legacy names, from the body that they send."""

from collections.abc import Sequence

import pytest

from proxy.routing.snapshot import Snapshot
from proxy.shape.errors.fields import RequestFields
from proxy.shape.layout import Layouts
from proxy.shape.options import FieldShape, ShapeOptions
from proxy.transcoding.binding import Binding
from tests.live.edge_fixtures import lone_snapshot

__all__ = ["lone_snapshot"]

SHAPE = ShapeOptions(
    names="pascal",
    fields=(
        FieldShape("Item.small", name="tiny"),
        FieldShape("Item.big", drop=True),
    ),
)


def fields_of(snapshot: Snapshot, *rpcs: str, shape: ShapeOptions = SHAPE) -> RequestFields:
    bindings: Sequence[Binding] = [
        each.binding for each in snapshot.bindings if each.route.rpc.rpartition(".")[2] in rpcs
    ]
    return RequestFields(Layouts(shape), bindings)


@pytest.mark.parametrize(
    ("path", "legacy"),
    [
        ("item.small", "tiny"),
        ("item.labels[2]", "Labels[2]"),
        ("item.parts[0].small", "Parts[0].tiny"),
        ("item", ""),
        ("item_id", "ItemId"),
        ("item.place", "place"),
        ("item.big", "item.big"),
        ("items", "items"),
        ("nowhere.at.all", "nowhere.at.all"),
        ("", ""),
    ],
)
def test_the_field_that_is_the_body_is_left_out(
    lone_snapshot: Snapshot, path: str, legacy: str
) -> None:
    assert fields_of(lone_snapshot, "Create").path(path) == legacy


def test_what_a_parameter_of_another_name_gives_is_called_by_it(lone_snapshot: Snapshot) -> None:
    renames = [("perPage", "page_size"), ("what", "item"), ("all", "items"), ("no", "item.id")]
    bindings = {
        rpc: [each.binding for each in lone_snapshot.bindings if each.route.rpc.endswith(f".{rpc}")]
        for rpc in ("Get", "Create", "Update", "Check")
    }
    fields = {rpc: RequestFields(Layouts(SHAPE), bindings[rpc], renames) for rpc in bindings}
    assert fields["Get"].path("page_size") == "perPage"
    assert fields["Get"].path("page_sizes") == "page_sizes"
    assert fields["Get"].path("items[2].x") == "all[2].x"
    assert fields["Create"].path("item.small") == "tiny"
    assert fields["Update"].path("item.id") == "Item.Id"
    assert fields["Check"].path("page_size") == "page_size"


def test_what_the_path_captures_is_called_as_a_whole(lone_snapshot: Snapshot) -> None:
    fields = fields_of(lone_snapshot, "Update")
    assert fields.path("item.id") == "Item.Id"
    assert fields.path("item.small") == "tiny"


@pytest.mark.parametrize("rpcs", [("Check",), ("Get",), ("Get", "Create")], ids="+".join)
def test_paths_are_whole_where_the_body_is_no_field_or_not_always(
    lone_snapshot: Snapshot, rpcs: tuple[str, ...]
) -> None:
    fields = fields_of(lone_snapshot, *rpcs)
    assert fields.path("page_size") == ("PageSize" if "Get" in rpcs else "page_size")
    assert fields.path("labels[1]") == "Labels[1]"


def test_a_body_that_is_flattened_has_its_members_where_they_stand(
    lone_snapshot: Snapshot,
) -> None:
    flat = ShapeOptions(fields=(FieldShape("CreateRequest.item", flatten=""),))
    fields = fields_of(lone_snapshot, "Create", shape=flat)
    assert fields.path("item.small") == "small"
    assert fields.path("item") == ""
