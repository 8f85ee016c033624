"""What reports and gates know of a route from its configuration."""

from pathlib import Path

from proxy.shadow.subjects import Subjects
from tests.routing.test_comparisons import entry, load, rule

IGNORE = "use: ignore, expires: 2026-07-01"


def test_fields_that_are_ignored_are_told_apart_from_those_that_are_compared(
    tmp_path: Path,
) -> None:
    rules = f"rules: [{rule('$.order_lines[*]', IGNORE)}, {rule('request:?a', IGNORE)}]"
    subject = Subjects(load(tmp_path, entry("Get", rules))).get("shop-get")
    assert subject is not None
    assert {"$.id", "$[*].sku", "$[*].price"} <= subject.fields
    assert subject.ignored == {"$.orderLines[*].sku", "$.orderLines[*].price"}
    assert [each.text for each in subject.rules] == ["$.order_lines[*] ignore", "request:?a ignore"]


def test_a_route_of_which_no_answers_are_compared_ignores_none(tmp_path: Path) -> None:
    """A write: its mirrors go no deeper than its message."""
    subject = Subjects(load(tmp_path, entry("Put", f"rules: [{rule('$', IGNORE)}]"))).get(
        "shop-put"
    )
    assert subject is not None
    assert (subject.fields, subject.ignored) == (frozenset(), frozenset())
