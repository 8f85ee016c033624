"""Answers that somebody made to be hard: they cost no more than their size, and nothing breaks."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Obstacle
from proxy.comparison.kinds import Kind
from proxy.comparison.places import LONGEST_PATH, MOST_KEPT, Keeping, Place
from proxy.comparison.reading import Json, read
from proxy.comparison.rules import RuleTree
from proxy.comparison.schema import MOST_FIELDS, Plans
from proxy.comparison.walk import MOST_DIFFERENCES, MOST_LEVELS, MOST_VALUES, Walk
from proxy.transcoding.descriptors import merge_files
from tests.comparison.messages import answer, comparator, compared, found, message
from tests.sources.compiled import compile_files


def compare(legacy: bytes | str, grpc: bytes | str) -> Comparison:
    return comparator().compare(answer(legacy), answer(grpc))


def nested(depth: int, leaf: str, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + leaf + closing * depth


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"note":', "}"), ('{"parts":[', "]}"), ('[{"":', "}]")]
)
def test_ten_thousand_levels_are_not_compared(opening: str, closing: str) -> None:
    legacy, grpc = (nested(10_000, leaf, opening, closing) for leaf in "12")
    for first, second in ((legacy, grpc), (legacy, legacy), (legacy, "{}"), ("{}", legacy)):
        assert compare(first, second).obstacle is Obstacle.BUDGET


def test_ten_thousand_levels_that_are_never_closed_are_not_compared() -> None:
    assert compare("[" * 10_000, "{}").obstacle is Obstacle.BUDGET
    assert comparator().compare(answer("[" * 10_000, 404), answer("{}", 404)).obstacle


def test_more_levels_than_a_comparison_has_are_not_compared() -> None:
    deep = MOST_LEVELS + 1
    legacy, grpc = (nested(deep, leaf, '{"a":', "}") for leaf in "12")
    first, second = (f'{{"note": {value}}}' for value in (legacy, grpc))
    assert compare(first, second).obstacle is Obstacle.BUDGET
    assert found(compare(first, first)) == []


def test_as_many_levels_as_a_comparison_has_are_compared() -> None:
    legacy, grpc = (nested(MOST_LEVELS - 2, leaf, '{"a":', "}") for leaf in "12")
    ((path, kind, times),) = found(compare(f'{{"note": {legacy}}}', f'{{"note": {grpc}}}'))
    assert path == "$.note" + ".a" * (MOST_LEVELS - 2)
    assert (kind, times) == ("value", 1)


def test_more_values_than_a_comparison_has_are_not_compared() -> None:
    codes = ",".join(["1"] * (MOST_VALUES // 2))
    assert compare(f'{{"codes":[{codes},2]}}', f'{{"codes":[{codes},3]}}').obstacle is (
        Obstacle.BUDGET
    )


#: Pairs of a size, each made so that a careless way to pair elements takes its square.
ADVERSARIES: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "all equal but one": lambda size: ([1] * size, [1] * (size - 1) + [2]),
    "backwards": lambda size: ([*range(size)], [*reversed(range(size))]),
    "nothing in common": lambda size: ([*range(size)], [*range(size, 2 * size)]),
    "half are missing": lambda size: ([*range(size)], [*range(0, size, 2)]),
    "two values mixed": lambda size: ([1, 2] * (size // 2), [2, 1, 1, 2] * (size // 4)),
}


def values_looked_at(legacy: Any, grpc: Any) -> int:
    """How many values a walk looks at, which does not depend on how fast the machine is."""
    walk = Walk()
    place = Place.root(Keeping(Plans()), "$", Plans().answer(message()), RuleTree())
    walk.compare(place, in_json(legacy), in_json(grpc))
    return walk.values


def in_json(value: Any) -> Json:
    return read(json.dumps(value).encode())


@pytest.mark.parametrize("name", ADVERSARIES)
@pytest.mark.parametrize("wrap", ["scalars", "messages", "lists of messages", "any JSON"])
def test_work_on_lists_grows_with_their_size(name: str, wrap: str) -> None:
    def body(numbers: list[int]) -> Any:
        return {
            "scalars": {"codes": numbers},
            "messages": {"items": [{"price": {"units": each}} for each in numbers]},
            "lists of messages": {"parts": [{"parts": [{"id": str(each)}]} for each in numbers]},
            "any JSON": {"note": [[[each]] for each in numbers]},
        }[wrap]

    small, large = (
        values_looked_at(*map(body, ADVERSARIES[name](size))) / size for size in (200, 1600)
    )
    assert large <= small * 1.1 <= 40


def test_work_on_lists_in_lists_grows_with_their_size() -> None:
    """Each level has a list of two unequal elements, and everything is at the bottom."""

    def body(depth: int, leaf: int) -> Any:
        value: Any = [leaf, *range(2000)]
        for level in range(depth):
            value = [value, level]
        return {"note": value}

    shallow, deep = (values_looked_at(body(depth, 1), body(depth, 2)) for depth in (5, 150))
    assert deep < shallow * 2


def test_lists_in_lists_of_messages_are_looked_at_a_fixed_number_of_times() -> None:
    def tree(depth: int, leaf: str) -> Any:
        here: dict[str, Any] = {"name": leaf}
        return here | {"parts": [tree(depth - 1, leaf), {}]} if depth else here

    shallow, deep = (values_looked_at(tree(depth, "a"), tree(depth, "b")) for depth in (4, 40))
    assert deep <= 12 * shallow


def test_differences_are_bounded_and_say_so() -> None:
    legacy = json.dumps({f"field{number}": number for number in range(1000)})
    comparison = compare(legacy, "{}")
    assert len(comparison.differences) == MOST_DIFFERENCES
    assert comparison.truncated


def test_differences_beyond_the_bound_still_count_where_their_path_is_known() -> None:
    items = [{"quantity": 1}, *({f"x{number}": 1} for number in range(100)), {"quantity": 3}]
    legacy = json.dumps({"items": items})
    grpc = json.dumps({"items": [{"quantity": 9}, *({} for _ in range(100)), {"quantity": 9}]})
    times = {each.path: each.times for each in compare(legacy, grpc).differences}
    assert times["$.items[*].quantity"] == 2


def test_names_from_the_wire_are_cut_and_so_are_paths() -> None:
    ((path, kind, _),) = compared(json.dumps({"n" * 5000: 1}), "{}")
    assert kind == "missing_field"
    assert len(path) < 120
    name = "k" * 90
    deep = nested(100, "1", f'{{"{name}":', "}")
    other = nested(100, "2", f'{{"{name}":', "}")
    ((path, kind, _),) = compared(f'{{"note":{deep}}}', f'{{"note":{other}}}')
    assert kind == "value"
    assert len(path) < LONGEST_PATH + 100


def test_half_of_a_surrogate_pair_is_a_text_like_any_other() -> None:
    comparison = compare(r'{"id": "\ud800", "color": "\udfff", "\ud801": 1}', '{"id": "a"}')
    shown = {each.kind: each.legacy.text for each in comparison.differences if each.path == "$.id"}
    assert shown == {Kind.VALUE: r'"\ud800"'}
    for each in comparison.differences:
        assert (each.path + each.legacy.text).encode()


def test_an_any_with_a_type_that_is_no_name_is_compared_without_a_schema() -> None:
    for url in ("", "/", "é", "\ud800", "type.googleapis.com/", "a" * 10_000, "shop.v1.Color"):
        legacy, grpc = ({"detail": {"@type": url, "units": units}} for units in (1, 2))
        assert ("$.detail.units", "value", 1) in compared(json.dumps(legacy), json.dumps(grpc))
    for url in (None, 1, ["a"], {}):
        legacy, grpc = ({"detail": {"@type": url, "units": units}} for units in (1, 2))
        assert ("$.detail.units", "value", 1) in compared(json.dumps(legacy), json.dumps(grpc))


def test_recursive_messages_cannot_make_a_comparator_keep_without_end() -> None:
    keeping = Keeping(Plans())
    place = Place.root(keeping, "$", keeping.plans.answer(message("Part")), RuleTree())
    for number in range(12_000):
        below = place
        for step in range(14):
            below = below.find("spare" if number >> step & 1 else "parts")
            below = below.element if below.type.element else below
        assert below.find("name").path.endswith(".name")
    assert keeping.kept > MOST_KEPT


def test_messages_that_use_each_other_widely_have_a_bounded_number_of_fields() -> None:
    wide = "\n".join(
        f"message M{level} {{"
        + " ".join(f"M{level + 1} f{number} = {number + 1};" for number in range(12))
        + " }"
        for level in range(8)
    )
    text = f'syntax = "proto3"; package wide;\n{wide}\nmessage M8 {{ string x = 1; }}'
    pool = merge_files(compile_files({"wide.proto": text})).pool
    chosen = Comparator.compile(pool.FindMessageTypeByName("wide.M0"), None, comparator().options)
    assert len(chosen.fields) <= MOST_FIELDS
    leaf = ".f0" * 8 + ".x"
    deep = json.loads('{"f0":' * 8 + '{"x":"a"}' + "}" * 8)
    comparison = chosen.compare(answer(json.dumps(deep)), answer("{}"))
    assert comparison.fields <= chosen.fields | {"$" + leaf}


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"[1,]", b'{"a"', b"1 2", b"\xed\xa0\x80"],
)
def test_bytes_that_are_no_json_end_in_a_named_difference(body: bytes) -> None:
    kinds = {kind for _, kind, _ in compared(body, "{}")}
    assert kinds == ({"unparsable"} if body else {"empty_vs_body"})
