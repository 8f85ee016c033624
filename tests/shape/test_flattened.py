"""What is written of a flattened message that is not set, by the field's own `unset`."""

from typing import Any

import orjson
import pytest
from google.protobuf import json_format

from proxy.shape.codecs import ShapedCodecs
from proxy.shape.options import FieldShape, Forms, ShapeOptions, Substitute
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import JsonOptions
from tests.shape.shop import descriptors, message_type

ZEROS = Forms(zero="write")
SHIP_TO = ("street", "zip_code")


def written(content: dict[str, Any], forms: Forms, **flattened: Forms) -> dict[str, Any]:
    """An order under *forms*, with the fields *flattened*, each with forms of its own."""
    fields = tuple(
        FieldShape(f"Order.{name}", flatten=f"{name}_", forms=own)
        for name, own in flattened.items()
    )
    shape = ShapeOptions(names="snake", forms=forms, fields=fields)
    codecs = ShapedCodecs(descriptors().pool, JsonOptions(), shape)
    order = json_format.ParseDict(content, message_class(message_type("Order"))())
    document: dict[str, Any] = orjson.loads(codecs.message(message_type("Order")).print(order))
    return document


def test_a_member_of_a_oneof_that_is_not_set_leaves_nothing_where_zeros_are_written() -> None:
    document = written({"card": "c"}, ZEROS, transfer=Forms())
    assert document["card"] == "c"
    assert not [key for key in document if key.startswith("transfer")]


def test_one_that_is_set_and_empty_is_seen() -> None:
    document = written({"transfer": {}}, ZEROS, transfer=Forms())
    assert document["transfer_iban"] == ""


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (Forms(), {}),
        (Forms(unset="omit"), {}),
        (Forms(unset="null"), {"ship_to_street": None, "ship_to_zip_code": None}),
        (
            Forms(unset=Substitute("-")),
            {"ship_to_street": "-", "ship_to_zip_code": "-"},
        ),
        (Forms(unset="write"), {"ship_to_street": "", "ship_to_zip_code": ""}),
    ],
    ids=["default", "omit", "null", "substitute", "write"],
)
def test_the_fields_own_word_counts(own: Forms, expected: dict[str, Any]) -> None:
    document = written({"id": "7"}, ZEROS, ship_to=own)
    shown = {f"ship_to_{name}" for name in SHIP_TO}
    assert {key: document[key] for key in document.keys() & shown} == expected


def test_the_word_of_the_whole_shape_counts_where_the_field_has_none() -> None:
    document = written({"id": "7"}, Forms(unset="null", zero="write"), ship_to=Forms())
    assert document["ship_to_street"] is None


def test_what_is_absent_inside_of_a_message_that_is_set_is_as_it_says_itself() -> None:
    document = written({"shipTo": {"zipCode": "1"}}, Forms(unset="null"), ship_to=Forms())
    assert document["ship_to_country"] is None
    assert "ship_to_street" not in document
