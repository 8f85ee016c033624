"""What holds for all answers (I13): random messages, random JSON, random changes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison
from proxy.comparison.kinds import Kind
from proxy.comparison.paths import PathPattern
from proxy.comparison.rules import Ignore, Rule
from proxy.transcoding.protojson import DecodeFailure
from tests.comparison.messages import answer, comparator, message, shop
from tests.comparison.test_corpus import MIRRORED, backwards
from tests.transcoding.protojson.schema import JSON, codec, messages

#: Options of the codec, and the kinds of difference that each makes of one message.
PRINTED: list[tuple[dict[str, Any], set[Kind]]] = [
    ({}, set()),
    ({"int64_as_numbers": True}, {Kind.INT64_STRING}),
    ({"enums_as_numbers": True}, {Kind.ENUM_REPR}),
    ({"emit_defaults": True}, {Kind.DEFAULT_VS_ABSENT}),
    ({"names": "proto"}, {Kind.KEY_CASE}),
    (
        {"int64_as_numbers": True, "emit_defaults": True, "names": "proto"},
        {Kind.INT64_STRING, Kind.DEFAULT_VS_ABSENT, Kind.KEY_CASE},
    ),
]


@pytest.mark.parametrize(
    ("options", "kinds"), PRINTED, ids=[" ".join(options) for options, _ in PRINTED]
)
@given(data=st.data())
def test_one_message_printed_in_two_ways_differs_only_in_how_it_is_written(
    options: dict[str, Any], kinds: set[Kind], data: st.DataObject
) -> None:
    wire = data.draw(messages(message())).SerializeToString()
    try:
        plain, other = (
            codec(shop().pool, "shop.v1.Order", **each).wire_to_json(wire) for each in ({}, options)
        )
    except DecodeFailure:
        return  # a Value without a kind has no JSON
    comparison = comparator().compare(answer(other), answer(plain))
    assert {each.kind for each in comparison.differences} <= kinds
    assert comparison.fields <= comparator().fields


#: JSON whose keys are often fields of the message, of a fitting type or not.
KEYS = ["id", "sku", "items", "parts", "tags", "units", "price", "customer", "x", "X", "a_b", "aB"]
FIELDS = [key for field in message().fields for key in (field.json_name, field.name)]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, "", "1", "0", "a", "COLOR_RED", "2024-01-02T03:04:05Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)


def compare(legacy: Any, grpc: Any, chosen: Comparator | None = None) -> Comparison:
    return (chosen or COMPARATOR).compare(answer(json.dumps(legacy)), answer(json.dumps(grpc)))


COMPARATOR = comparator()


@given(BODIES | JSON)
def test_an_answer_equals_itself(body: Any) -> None:
    comparison = compare(body, body)
    assert comparison.differences == ()
    assert comparison.rule_hits == {}


@given(BODIES, BODIES)
def test_exchanging_the_sides_mirrors_all_differences(first: Any, second: Any) -> None:
    forth, back = compare(first, second), compare(second, first)
    mirrored = {
        (each.path, MIRRORED.get(each.kind, str(each.kind)), each.times, each.grpc.type)
        for each in back.differences
    }
    if not forth.truncated:
        assert mirrored == {
            (each.path, str(each.kind), each.times, each.legacy.type) for each in forth.differences
        }
    assert len(forth.differences) == len(back.differences)


@given(BODIES, BODIES)
def test_the_order_of_keys_changes_nothing(first: Any, second: Any) -> None:
    legacy, grpc = answer(json.dumps(first)), answer(json.dumps(second))
    turned = COMPARATOR.compare(backwards(legacy), backwards(grpc))
    assert turned == COMPARATOR.compare(legacy, grpc)


@given(BODIES, BODIES)
def test_unequal_answers_are_never_taken_for_equal(first: Any, second: Any) -> None:
    comparison = compare(first, second)
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert same == (not comparison.differences)


@given(BODIES, BODIES, st.data())
def test_a_rule_removes_differences_only_at_and_below_its_own_path(
    first: Any, second: Any, data: st.DataObject
) -> None:
    before = compare(first, second)
    paths = sorted({each.path for each in before.differences} - {"$"})
    if not paths or before.truncated:
        return
    path = data.draw(st.sampled_from(paths))
    options = CompareOptions(rules=(Rule(path, Ignore(), "for the test"),))
    after = compare(first, second, Comparator.compile(message(), None, options))
    steps = PathPattern.parse(path).steps
    below = {each for each in before.differences if within(each.path, steps)}
    assert not any(within(each.path, steps) for each in after.differences)
    if "[*]" not in path:
        # What an element may have decides which elements belong together.
        assert set(after.differences) == set(before.differences) - below
    assert after.rule_hits.keys() == {0}


def within(path: str, steps: tuple[str, ...]) -> bool:
    return PathPattern.parse(path).steps[: len(steps)] == steps
