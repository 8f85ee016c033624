"""The search for a shape: answers that a known shape has written lead back to one like it."""

import json
from typing import Any

import pytest

from proxy.shaping.pairs import ABSENT, BadPair, Pair, differences, read_pairs
from proxy.shaping.search import Found, search
from proxy.shaping.trial import NoMessage, Trial
from proxy.transcoding.protojson import JsonOptions
from tests.shape.corpus_pairs import schema, snapshot_of


def order(number: int) -> dict[str, Any]:
    return {
        "id": f"o-{number}",
        "revision": str(7 + number),
        "state": "ORDER_STATE_IN_TRANSIT" if number % 2 else "ORDER_STATE_DONE",
        "createTime": f"2026-03-0{1 + number}T10:00:00Z",
        "shipTo": {"street": f"Road {number}", "zipCode": "10115"},
        "orderLines": [{"article": "pen", "priceCents": str(100 * number + 1), "count": 2}],
        **({"paid": True} if number % 2 else {}),
    }


ORDERS = [order(number) for number in range(4)]


def trial(pairs: list[Pair], rpc: str = "GetOrder") -> Trial:
    bindings = schema().bindings[f"shop.v1.Shop.{rpc}"]
    return Trial(schema().descriptors.pool, bindings, JsonOptions(), pairs)


def shaped(shape: dict[str, Any], answers: list[Any], rpc: str = "GetOrder") -> list[Pair]:
    """Pairs whose old answers are those that *shape* writes."""
    found = trial([Pair(answer, answer) for answer in answers], rpc)
    return [Pair(got, grpc) for got, grpc in zip(found.printed(shape), answers, strict=True)]


def loads(found: Found, rpc: str) -> None:
    route = {"rpc": f"shop.v1.Shop.{rpc}", "shape": found.settings}
    snapshot_of(f"routes: [{json.dumps(route)}]\n")


def found_for(shape: dict[str, Any], answers: list[Any], rpc: str = "GetOrder") -> Found:
    found = search(trial(shaped(shape, answers, rpc), rpc))
    loads(found, rpc)
    return found


def test_the_names_of_all_fields_are_one_setting() -> None:
    found = found_for({"names": "snake"}, ORDERS)
    assert (found.settings, found.after) == ({"names": "snake"}, 0)
    assert found.before > 0


@pytest.mark.parametrize(
    "shape",
    [
        {"forms": {"int64": "number"}},
        {"forms": {"bool": "number"}},
        {"forms": {"enum": "kebab", "enum_prefix": "strip"}},
        {"forms": {"timestamp": "epoch_ms"}, "lossy": ["timestamp"]},
        {"forms": {"timestamp": "%d.%m.%Y %H:%M:%S"}, "lossy": ["timestamp"]},
        {"forms": {"zero": "write"}},
    ],
    ids=["int64", "bool", "enum", "epoch", "pattern", "zero"],
)
def test_each_form_is_found_again(shape: dict[str, Any]) -> None:
    found = found_for(shape, ORDERS)
    assert found.after == 0
    assert found.settings == shape


def test_an_object_in_an_envelope_is_no_list_of_its_message() -> None:
    shape = {
        "names": "pascal",
        "forms": {"int64": "number", "zero": "write"},
        "answer": {"body": {"Data": "{}", "Error": None}},
    }
    found = found_for(shape, ORDERS)
    assert (found.settings, found.after) == (shape, 0)


def test_a_field_with_a_name_and_a_form_of_its_own_is_found_by_both() -> None:
    fields = {"Order.create_time": {"name": "created_on", "timestamp": "epoch_s"}}
    found = found_for({"fields": fields, "lossy": ["timestamp"]}, ORDERS)
    assert found.after == 0
    assert found.settings["fields"] == fields


def test_settings_are_found_one_on_top_of_the_other_and_ranked() -> None:
    shape = {
        "names": "snake",
        "forms": {"int64": "number", "bool": ["yes", "no"]},
        "fields": {"Order.ship_to": {"name": "address"}, "Order.id": {"drop": True}},
        "lossy": [],
    }
    del shape["lossy"]
    found = found_for(shape, ORDERS)
    assert found.after == 0
    vanished = [step.vanished for step in found.steps]
    assert vanished == sorted(vanished, reverse=True)


def test_what_stands_around_a_list_is_found() -> None:
    answers = [{"orders": ORDERS[: n + 1], "totalSize": 10 + n} for n in range(3)]
    shape = {
        "answer": {
            "of": "orders",
            "body": {"ok": True, "result": "{}", "total": "{total_size}"},
        }
    }
    found = found_for(shape, answers, "ListOrders")
    assert found.after == 0
    assert found.settings == shape


def test_an_array_in_place_of_the_answer_is_found() -> None:
    found = found_for({"answer": {"of": "orders"}}, [{"orders": ORDERS}], "ListOrders")
    assert (found.settings, found.after) == ({"answer": {"of": "orders"}}, 0)


def test_a_constant_member_is_added_once_it_was_seen_often_enough() -> None:
    add = {"Order": {"kind": "order"}}
    assert found_for({"add": add}, ORDERS).settings == {"add": add}
    assert found_for({"add": add}, ORDERS[:2]).settings == {}


def test_what_no_setting_explains_is_the_rest() -> None:
    pairs = [Pair(each | {"id": "another"}, each) for each in ORDERS]
    found = search(trial(pairs))
    assert found.settings == {}
    assert found.rest == (("$.id", "another value", 4),)


def test_pairs_that_are_the_same_ask_for_nothing() -> None:
    found = search(trial([Pair(each, each) for each in ORDERS]))
    assert (found.settings, found.before, found.steps) == ({}, 0, ())


def test_the_same_pairs_give_the_same_shape() -> None:
    pairs = shaped({"names": "snake", "forms": {"int64": "number"}}, ORDERS)
    assert search(trial(pairs)) == search(trial(pairs))


def test_what_is_no_answer_of_the_rpc_is_told_with_its_pair() -> None:
    with pytest.raises(NoMessage, match="pair 2: "):
        trial([Pair({}, {}), Pair({}, {"paid": 7})])


def test_differences_are_told_to_the_letter() -> None:
    found = differences({"a": 1, "b": True, "c": None}, {"a": 1.0, "b": 1})
    assert [(each.path, each.grpc) for each in found] == [("$.b", 1), ("$.c", ABSENT)]


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "line 1 is no JSON"), ('\n{"legacy": 1}', "line 2 has no members legacy and grpc")],
)
def test_a_line_that_is_no_pair_is_told(text: str, told: str) -> None:
    with pytest.raises(BadPair, match=told):
        [*read_pairs(text)]
