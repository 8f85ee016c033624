"""Rules, paths and patterns as they are read, and each check's judgement of two values."""

import re
from datetime import date
from typing import Any

import pytest

from proxy.comparison.agreement import agrees
from proxy.comparison.paths import MOST_STEPS, Part, PathPattern, step_of
from proxy.comparison.patterns import LONGEST_MATCHED, check_pattern
from proxy.comparison.rules import Exact, Format, Ignore, Number, OneOf, Rule, RuleTree, Timestamp
from tests.comparison.corpus_cases import checks


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("items", 1),
        ("error:items", 7),
        ("$items", 2),
        ("$.", 2),
        ("$.items[0]", 8),
        ("$.items[*", 8),
        ("$.a..b", 4),
        ("$.a b", 4),
        ('$["a]', 2),
        ('$["\\x"]', 4),
        ("$" + ".a" * (MOST_STEPS + 1), 2 * MOST_STEPS + 2),
    ],
)
def test_a_path_that_cannot_be_read_is_refused_with_the_column(text: str, column: int) -> None:
    with pytest.raises(ValueError, match=f"^column {column}: "):
        PathPattern.parse(text)


@pytest.mark.parametrize(
    "text", ["$", "$.a", "$.a[*].b{*}", '$["a.b"][*]', "error:$.message", "$.@type", "$.a-b"]
)
def test_a_path_is_written_as_it_was_read(text: str) -> None:
    assert str(PathPattern.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "part", "steps"),
    [
        ("$", Part.ANSWER, ()),
        ("error:$.a", Part.ERROR, (".a",)),
        ("request:$.a[*]", Part.REQUEST, (".a", "[*]")),
        ("request:?a.b[c]", Part.QUERY, ("a.b[c]",)),
        ("request:?$filter", Part.QUERY, ("$filter",)),
        ("request:/zone.id", Part.CAPTURE, ("zone.id",)),
    ],
)
def test_a_path_says_what_it_is_about(text: str, part: Part, steps: tuple[str, ...]) -> None:
    pattern = PathPattern.parse(text)
    assert (pattern.part, pattern.steps, str(pattern)) == (part, steps, text)
    assert pattern.part.is_sent == text.startswith("request:")


@pytest.mark.parametrize("text", ["request:a", "request:", "request:?", "request:/a b", "error:?a"])
def test_a_path_about_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="column"):
        PathPattern.parse(text)


def test_a_name_has_one_spelling() -> None:
    assert PathPattern.parse('$["ab"]') == PathPattern.parse("$.ab")
    assert PathPattern.parse('$["\\u00e9"]').steps == (step_of("é"),)
    assert len(step_of("é" * 1000)) < 700


def test_a_rule_is_known_by_its_path_and_its_use() -> None:
    uses = [Rule("$", check, "why", date(2030, 1, 1)).text for check in checks()]
    assert uses == [
        *("$ exact", "$ number", "$ timestamp", "$ format", "$ set", "$ list"),
        *("$ one_of", "$ present", "$ ignore"),
    ]


def test_rules_of_answers_errors_and_requests_are_apart() -> None:
    paths = "$.a", "error:$.b", "request:$.c", "request:?d", "request:/e"
    rules = [Rule(path, Ignore()) for path in paths]
    answers, errors, *_ = (RuleTree.compile(rules, part) for part in Part)
    assert (list(answers.children), list(errors.children)) == ([".a"], [".b"])
    held = errors.children[".b"].held
    assert held is not None
    assert (held.index, held.below) == (1, held)
    assert repr(answers) == "<RuleTree of 1 steps>"


CATASTROPHIC = [
    "(a+)+b",
    "(a|a)*b",
    "(a*)*",
    "((a?){3})*",
    "(?:x+y?){2,}",
    "([a-z]+)*$",
    "(a?){30}",
    "(?=a)b",
    "(?i)a",
    r"(a)\1",
    "a*b*c*d*e*f",
    "a?" * 13,
]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_pattern_that_could_take_for_ever_is_refused_with_the_column(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^column \d+: "):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{2,1}"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no regular expression"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\d+\.\d+\.\d+\.\d+", "192.0.2.1"),
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01234567-0123-0123-0123-0123456789ab"),
        (r"(?P<scheme>https?)://[^/]+/.*", "https://example.com/a"),
        (r"(a|b)c?", "bc"),
        (r"[]|+*(]+", "(|]"),
        (r"x{3}(-?\d{2,4})?", "xxx-123"),
        (r"\(\w+\)", "(a)"),
    ],
)
def test_patterns_that_people_write_are_taken(pattern: str, text: str) -> None:
    assert check_pattern(pattern).fullmatch(text)
    assert Format("regex", pattern).regex == pattern


def test_the_worst_pattern_that_is_taken_ends_on_the_longest_text() -> None:
    check = Format("regex", "a*a*a*b")
    assert not agrees(check, "a" * LONGEST_MATCHED, "b")
    assert agrees(Format("regex", "a*"), "a" * LONGEST_MATCHED, "a")
    assert not agrees(Format("regex", "a*"), "a" * (LONGEST_MATCHED + 1), "a")


def test_a_format_has_a_pattern_or_a_name() -> None:
    with pytest.raises(ValueError, match="regular expression"):
        Format("regex")
    with pytest.raises(ValueError, match="regular expression"):
        Format("uuid", "a")


AGREEMENTS: list[tuple[Any, Any, Any, bool]] = [
    (Exact(), "a", "b", False),
    (Number(abs=0.5), b"1", b"1.5", True),
    (Number(abs=0.5), b"1", b"1.50000000000000000000000000001", False),
    (Number(rel=0.1), b"100", b"90.0", True),
    (Number(rel=0.1), b"-100", b"100", False),
    (Number(rel=2.0), b"-100", b"100", True),
    (Number(abs=1.0), '"1"', "1", False),
    (Number(abs=1.0), "1", "2", True),
    (Number(abs=1.0), b"1", "1", False),
    (Number(abs=1.0), True, b"1", False),
    (Number(abs=1e300, rel=1e300), b"1e999999", b"1", False),
    (Number(abs=1.0), b"1e99999999999999999999", b"2e99999999999999999999", False),
    (Number(abs=1.0), b"1" + b"0" * 1000, b"1" + b"0" * 999 + b"1", False),
    (Timestamp(1.0), "2024-01-02T03:04:05Z", "2024-01-02T03:04:06Z", True),
    (Timestamp(1.0), "2024-01-02T03:04:05Z", "2024-01-02T03:04:06.001Z", False),
    (Timestamp(0.0, "ms"), "2024-01-02T03:04:05.0001Z", "2024-01-02T03:04:05.0002Z", True),
    (Timestamp(0.0, "us"), "2024-01-02T03:04:05.0001Z", "2024-01-02T03:04:05.0002Z", False),
    (Timestamp(2.0), b"1704164645", b"1704164646", True),
    (Timestamp(2.0), b"1704164645", "2024-01-02T03:04:05Z", False),
    (Timestamp(2.0), "soon", "later", False),
    (
        Format("uuid"),
        "4B0CF7B2-7D4C-4C86-A7A9-0A5A6A1D3C11",
        "4b0cf7b2-7d4c-4c86-a7a9-0a5a6a1d3c11",
        True,
    ),
    (
        Format("uuid"),
        "4b0cf7b27d4c4c86a7a90a5a6a1d3c11",
        "4b0cf7b2-7d4c-4c86-a7a9-0a5a6a1d3c11",
        False,
    ),
    (Format("uuid"), "z" * 36, "z" * 36, False),
    (Format("rfc3339"), "2024-01-02T03:04:05+01:00", "2024-01-02t03:04:05.123456789z", True),
    (Format("rfc3339"), "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", False),
    (Format("rfc3339"), "2024-13-02T03:04:05Z", "2024-01-02T03:04:05Z", False),
    (Format("base64"), "-_8", "+/8=", True),
    (Format("base64"), "a", "AAAA", False),
    (Format("base64"), b"1", "AAAA", False),
    (OneOf((1, 2.5)), b"1.0", b"25e-1", True),
    (OneOf((1,)), b"1", True, False),
    (OneOf((True,)), True, b"1", False),
    (OneOf(("a", None)), "a", None, True),
    (OneOf(("a",)), "a", ["a"], False),
]


@pytest.mark.parametrize(("check", "first", "second", "agree"), AGREEMENTS)
def test_a_check_takes_two_values_for_equal_or_not(
    check: Any, first: Any, second: Any, agree: bool
) -> None:
    assert agrees(check, first, second) is agree
    assert agrees(check, second, first) is agree


def test_a_pattern_is_of_the_whole_text() -> None:
    assert not agrees(Format("regex", "[a-z]"), "ab", "a")
    assert re.fullmatch("[a-z]", "a")
