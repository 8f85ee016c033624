"""A shape that takes something from clients is told key by key, and one that gives is not."""

from typing import Any

import pytest

from proxy.config.shape import Profile
from proxy.routing.compatibility import find_losses
from proxy.routing.shape_losses import MOST_KEYS, shape_losses
from tests.routing.test_compatibility import snapshot_of

ENVELOPE = {"body": {"ok": True, "result": "{}"}}


def told(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    was = None if before is None else Profile.model_validate(before)
    now = None if after is None else Profile.model_validate(after)
    return [f"{part}: {message}" for part, message in shape_losses(was, now)]


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        (None, {"names": "snake"}, ["answer: has another shape: names was not given, is snake"]),
        ({"names": "snake"}, None, ["answer: has another shape: names was snake, is not given"]),
        (
            {"fields": {"Order.made": {"timestamp": "epoch_s"}}},
            {"fields": {"Order.made": {"timestamp": "epoch_ms"}}},
            ["answer: has another shape: fields.Order.made.timestamp was epoch_s, is epoch_ms"],
        ),
        (
            {"answer": ENVELOPE},
            {"answer": {"body": {"ok": 1, "result": "{}"}}},
            ["answer: has another shape: answer.body.ok was true, is 1"],
        ),
        (
            {"request": {"body": {"data": "{}"}}},
            {"request": {"body": {"order": "{}"}}},
            [
                "request: has another shape: request.body.data was {}, is not given",
                "request: has another shape: request.body.order was not given, is {}",
            ],
        ),
        (
            {"urls": {"trailing_slash": True}},
            {},
            ["request: has another shape: urls.trailing_slash was true, is not given"],
        ),
        (
            {"status": {"code": 201}},
            {},
            ["answer: has another shape: status.code was 201, is not given"],
        ),
        (
            {"errors": {"body": {"a": "{message}"}}},
            {"errors": {"body": {"b": "{message}"}}},
            ["answer: has another shape: errors.body was another value, is another value"],
        ),
        (
            {"jq": {"answer": ".a"}},
            {"jq": {"answer": ".b" * 30}},
            ["answer: has another shape: jq.answer was .a, is another text"],
        ),
    ],
    ids=lambda _: None,
)
def test_what_is_said_otherwise_is_told(
    before: dict[str, Any] | None, after: dict[str, Any] | None, lost: list[str]
) -> None:
    assert told(before, after) == lost


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"names": "snake"}, {"names": "snake"}),
        (None, None),
        ({}, {"add": {"Order": {"href": "/v1/orders/{id}"}}}),
        ({}, {"headers": {"X-Id": "{id}"}}),
        ({}, {"urls": {"trailing_slash": True}}),
        (
            {"fields": {"Order.id": {"name": "n"}}},
            {"fields": {"Order.id": {"name": "n", "also": ("m",)}}},
        ),
        ({}, {"lossy": ("timestamp",)}),
    ],
    ids=lambda _: None,
)
def test_what_takes_nothing_away_is_not_told(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    assert told(before, after) == []


def test_a_whole_profile_is_told_by_its_first_keys() -> None:
    names = {f"Order.f{number}": {"name": f"n{number}"} for number in range(MOST_KEYS + 3)}
    lines = told(None, {"fields": names})
    assert len(lines) == MOST_KEYS + 1
    assert lines[-1] == "answer: has another shape in 3 more keys"


async def test_a_changed_shape_of_a_route_is_a_loss_though_the_schema_is_the_same() -> None:
    before = await snapshot_of()
    shaped = "defaults: {shape: {names: snake}}\n"
    found = {str(loss) for loss in find_losses(before, await snapshot_of(more=shaped))}
    get = "shop-get: GET /v1/orders/{id}: answer has another shape: names was not given, is snake"
    assert get in found


PROFILE = """
profiles:
  old:
    names: {names}
    forms: {{int64: {int64}, enum: {enum}, bool: {bool}, timestamp: {time}}}
    fields: {{Line.price: {{name: {price}}}, GetRequest.page_size: {{name: {size}}}}}
    enums: {{State: {{GONE: {gone}}}}}
    nest: {{Line: {{more: [article]}}}}
    add: {{Line: {{kind: {kind}}}}}
    lossy: [timestamp]
defaults: {{shape: {{profile: old}}}}
"""


async def test_a_key_is_told_of_the_routes_whose_messages_it_is_about() -> None:
    keys = {"names": "snake", "int64": "number", "enum": "lower", "bool": "number"}
    keys |= {"time": "epoch_s", "price": "cost", "size": "count", "gone": "lost", "kind": "a"}
    changed = keys | {"bool": "text", "size": "limit", "time": "epoch_ms", "gone": "off"}
    was, now = (PROFILE.format(**each) for each in (keys, changed))
    found = [
        (loss.rpc.rpartition(".")[2], loss.what)
        for loss in find_losses(await snapshot_of(more=was), await snapshot_of(more=now))
    ]
    moment = "answer has another shape: forms.timestamp was epoch_s, is epoch_ms"
    gone = "answer has another shape: enums.State.GONE was lost, is off"
    bools = "request has another shape: forms.bool was number, is text"
    size = "request has another shape: fields.GetRequest.page_size.name was count, is limit"
    assert sorted(found) == [
        ("File", gone.replace("answer", "request")),
        ("File", size),
        ("Find", gone),
        ("Find", moment),
        ("Get", gone),
        ("Get", moment),
        ("Get", size),
        ("Put", gone),
        ("Put", moment),
        ("Put", bools),
    ]
