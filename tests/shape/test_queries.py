"""The names of legacy queries: made once, and what is known of them beforehand."""

from typing import Any

import pytest

from proxy.errors import RequestError
from proxy.shape.codecs import ShapedCodecs
from proxy.shape.options import FieldShape, ShapeOptions
from proxy.shape.queries import LegacyNames, ShapedTables
from proxy.shape.request_options import QueryShape
from proxy.transcoding.protojson import JsonOptions
from tests.shape.shop import descriptors, message_type

SHAPE = ShapeOptions(names="kebab", fields=(FieldShape("Order.id", name="number", also=("no",)),))
RENAMES = (("which", "state"),)


@pytest.fixture
def tables() -> ShapedTables:
    codecs = ShapedCodecs(descriptors().pool, JsonOptions(), SHAPE)
    return ShapedTables(codecs, codecs.layouts)


def meant(names: LegacyNames, name: str) -> str | None:
    found = names.find(name)
    return None if found is None else found.path


def test_names_are_made_once_for_each_type_and_form_of_query(tables: ShapedTables) -> None:
    order, plain = message_type("Order"), QueryShape()
    made = tables.legacy_names(order, plain)
    assert tables.legacy_names(order, QueryShape()) is made
    assert tables.legacy_names(order, QueryShape(renames=RENAMES)) is not made
    assert tables.legacy_names(message_type("Line"), plain) is not made


@pytest.mark.parametrize(
    ("name", "path"),
    [("number", "id"), ("no", "id"), ("id", None), ("which", "state"), ("state", None)],
)
def test_a_renamed_field_has_its_new_names_alone(
    tables: ShapedTables, name: str, path: str | None
) -> None:
    names = tables.legacy_names(message_type("Order"), QueryShape(renames=RENAMES))
    assert meant(names, name) == path


def test_a_field_that_a_query_cannot_give_is_refused_each_time(tables: ShapedTables) -> None:
    names = tables.legacy_names(message_type("Order"), QueryShape())
    told: list[Any] = []
    for _ in range(2):
        with pytest.raises(RequestError) as refused:
            names.find("order-lines")
        told.append(refused.value)
    assert told[0] is not told[1]
    assert {each.field for each in told} == {"order_lines"}


def test_a_rename_to_no_field_is_refused_each_time(tables: ShapedTables) -> None:
    broken = QueryShape(renames=(("which", "no_such_field"),))
    for _ in range(2):
        with pytest.raises(ValueError, match="no_such_field"):
            tables.legacy_names(message_type("Order"), broken)
