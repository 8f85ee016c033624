"""What legacy clients send, held against the messages that a shape makes of it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from proxy.comparison.requests import Lost, RequestComparator
from proxy.comparison.rules import Ignore, Number, Rule
from tests.shape.corpus_pairs import served

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PROFILE = {
    "names": "snake",
    "forms": {"int64": "number", "timestamp": "epoch_ms", "enum": "lower", "enum_prefix": "strip"},
    "lossy": ["timestamp"],
    "fields": {"Order.create_time": {"name": "created_on"}, "Order.ship_to": {"flatten": "to_"}},
    "add": {"Order": {"href": "/orders/{id}", "links": {"self": "/v1/{id}"}}},
}
GOOD = {"id": "a", "revision": 7, "created_on": 1704164645000, "state": "new", "to_street": "s"}


def sent(
    rpc: str,
    shape: Mapping[str, Any],
    *,
    body: Any = None,
    query: str = "",
    kind: str = JSON,
    rules: Iterable[Rule] = (),
) -> Lost:
    target = served(json.dumps({"rpc": f"shop.v1.Shop.{rpc}", "shape": {**PROFILE, **shape}}), "{}")
    builder = target.binding.request
    comparator = RequestComparator.compile(builder, target.codecs, tuple(rules))
    wire = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    message = builder.build((), query, wire, kind).message
    return comparator.compare((), query, wire, message, kind)


def told(lost: Lost) -> list[tuple[str, str, str, str]]:
    return sorted((e.path, str(e.kind), e.legacy.text, e.grpc.text) for e in lost.differences)


def test_nothing_is_lost_of_what_the_message_holds() -> None:
    assert sent("CreateOrder", {}, body=GOOD) == Lost()


def test_the_forms_that_are_read_alike_are_one_value() -> None:
    assert (
        sent("CreateOrder", {}, body={**GOOD, "revision": "7", "state": 1, "paid": None}) == Lost()
    )


def test_what_is_computed_is_nobodys_loss() -> None:
    for links in ({"self": "elsewhere", "next": None}, {}, None):
        assert sent("CreateOrder", {}, body={**GOOD, "href": "/other", "links": links}) == Lost()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"copy_me": 1}, "request:$.copy_me"),
        ({"createTime": "2024-01-02T03:04:05Z"}, "request:$.createTime"),
        ({"parent": {"shipTo": {}, "remark": "a"}}, "request:$.parent.remark"),
    ],
)
def test_a_member_that_no_field_has_is_lost_at_its_own_path(body: Any, path: str) -> None:
    shape = {"fields": PROFILE["fields"]}
    found = told(sent("CreateOrder", shape, body=GOOD | body))
    assert (path, "missing_field") in [each[:2] for each in found]


def test_paths_begin_at_the_body_with_its_envelope() -> None:
    shape = {"request": {"body": {"order": "{}", "version": 1}}}
    body = {"order": {**GOOD, "gift": True}, "version": 2}
    assert told(sent("CreateOrder", shape, body=body)) == [
        ("request:$.order.gift", "missing_field", "true", "")
    ]
    rules = [Rule("request:$.order.gift", Ignore())]
    assert sent("CreateOrder", shape, body=body, rules=rules).rule_hits == {0: 1}


def test_parameters_have_their_legacy_names_and_forms() -> None:
    shape = {
        "query": {"rename": {"limit": "page_size"}},
        "fields": {"ListOrdersRequest.states": {"name": "status", "separator": ","}},
    }
    query = "limit=5.0&status=new,done&updated_since=1704164645000&colour=red"
    assert told(sent("ListOrders", shape, query=query)) == [
        ("request:?colour", "missing_field", '"red"', ""),
        ("request:?limit", "number_repr", '"5.0"', "5"),
    ]
    rules = [Rule("request:?limit", Number(abs=0.1)), Rule("request:?colour", Ignore())]
    assert sent("ListOrders", shape, query=query, rules=rules) == Lost((), {0: 1, 1: 1})


def test_inputs_of_a_form_are_compared_at_the_names_of_members() -> None:
    shape = {"form_bodies": {"types": ["urlencoded"]}}
    body = b"revision=7.0&created_on=1704164645000&colour=red&labels=a&labels=b"
    assert told(sent("CreateOrder", shape, body=body, kind=FORM)) == [
        ("request:$.colour", "missing_field", '"red"', ""),
        ("request:$.revision", "number_repr", '"7.0"', "7"),
    ]
    rules = [Rule("request:$.colour", Ignore()), Rule("request:$.revision", Number(abs=1))]
    held = sent("CreateOrder", shape, body=body, kind=FORM, rules=rules)
    assert held == Lost((), {0: 1, 1: 1})


def test_json_beside_a_form_is_compared_as_json() -> None:
    shape = {"form_bodies": {"types": ["urlencoded"]}}
    found = told(sent("CreateOrder", shape, body={**GOOD, "gift": 1}))
    assert found == [("request:$.gift", "missing_field", "1", "")]
