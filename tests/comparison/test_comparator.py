"""What is beside the JSON: statuses, broken bodies, options, coverage, excerpts."""

import pickle

import pytest

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import ABSENT, Document, Excerpt, Obstacle
from proxy.comparison.kinds import Kind
from proxy.comparison.rules import Exact, Ignore, ListBy, OneOf, Present, Rule, Timestamp
from proxy.comparison.schema import Plans
from tests.comparison.messages import answer, comparator, found, message

BROKEN = Document(200, (), b'{"id": "a', complete=False)


def test_a_body_that_broke_off_is_not_compared() -> None:
    for pair in ((BROKEN, answer("{}")), (answer("{}"), BROKEN), (BROKEN, BROKEN)):
        assert comparator().compare(*pair).obstacle is Obstacle.TRUNCATED


def test_a_body_that_broke_off_does_not_hide_another_status() -> None:
    assert found(comparator().compare(BROKEN, answer("{}", 201))) == [("status", "status_code", 1)]
    assert found(comparator().compare(BROKEN, answer("{}", 500))) == [("status", "status_class", 1)]


def test_two_bodies_that_are_no_json_and_differ_cannot_be_compared() -> None:
    comparison = comparator().compare(answer("<a>"), answer("<b>"))
    assert comparison.obstacle is Obstacle.NO_JSON
    assert found(comparator().compare(answer("<a>"), answer("<a>"))) == []


def test_two_bodies_that_are_no_json_do_not_hide_another_status() -> None:
    comparison = comparator().compare(answer("<a>", 201), answer("<b>"))
    assert found(comparison) == [("status", "status_code", 1)]


def test_answers_without_bodies_are_equal() -> None:
    assert found(comparator().compare(Document(204), Document(204))) == []


def test_a_character_set_that_nobody_knows_makes_a_body_unreadable() -> None:
    strange = answer("{}", content_type="application/json; charset=klingon")
    assert found(comparator().compare(strange, answer("{}"))) == [("$", "unparsable", 1)]


def test_several_headers_of_a_name_are_one_value() -> None:
    chosen = comparator(headers=("vary",))
    joined = Document(200, (("Vary", "a, b"),))
    assert found(chosen.compare(joined, Document(200, (("vary", "a"), ("VARY", "b"))))) == []


def test_excerpts_show_what_each_side_has() -> None:
    legacy = '{"id": "é\\"", "count": 1.50, "items": [{}, {}], "paid": true, "comment": null}'
    grpc = '{"id": 1, "count": 2, "items": {"a": 1}, "paid": "yes"}'
    shown = {
        each.path: each for each in comparator().compare(answer(legacy), answer(grpc)).differences
    }
    assert shown["$.id"].legacy == Excerpt("string", 2, '"é\\""')
    assert shown["$.count"].legacy == Excerpt("number", 4, "1.50")
    assert shown["$.items"].legacy == Excerpt("array", 2, "")
    assert shown["$.items"].grpc == Excerpt("object", 1, "")
    assert shown["$.paid"].legacy == Excerpt("bool", 4, "true")
    assert shown["$.comment"].legacy == Excerpt("null", 4, "null")
    assert shown["$.comment"].grpc == ABSENT


def test_excerpts_are_of_the_first_and_of_whole_bodies_without_text() -> None:
    legacy, grpc = '{"codes": ["1", "2"]}', '{"codes": ["3", "4"]}'
    (value,) = comparator().compare(answer(legacy), answer(grpc)).differences
    assert (value.times, value.legacy.text, value.grpc.text) == (2, '"1"', '"3"')
    (body,) = comparator().compare(answer("<html>"), answer("{}")).differences
    assert body.legacy == Excerpt("bytes", 6, "")


def test_key_case_shows_both_keys() -> None:
    legacy, grpc = '{"create_time": null}', '{"createTime": null}'
    (key,) = comparator().compare(answer(legacy), answer(grpc)).differences
    assert (key.kind, key.legacy.text, key.grpc.text) == (
        Kind.KEY_CASE,
        '"create_time"',
        '"createTime"',
    )


def test_fields_are_those_that_lead_to_no_others() -> None:
    assert comparator(of="Item").fields == {
        *("$.sku", "$.quantity", "$.price.currency", "$.price.units", "$.price.nanos"),
        *("$.tags[*]", "$.color"),
    }
    assert comparator(of="Part").fields == {"$.id", "$.name", "$.parts[*]", "$.spare"}
    assert "$.labels{*}" in comparator().fields
    assert "$.gifts{*}.sku" in comparator().fields
    assert "$.nothing" in comparator().fields
    assert {"$.extra", "$.note", "$.detail", "$.limit", "$.createTime"} <= comparator().fields


def test_fields_of_other_answers() -> None:
    assert comparator(of_field="codes").fields == {"$[*]"}
    assert comparator(of_field="number").fields == {"$"}
    assert comparator(of="Money", streams=True).fields == {
        *("$[*].currency", "$[*].units", "$[*].nanos"),
    }
    assert comparator(of="google.api.HttpBody").fields == frozenset()
    assert comparator(of="Download", of_field="file").raw
    assert not comparator(of="Download", of_field="files").raw


def test_seen_fields_are_those_that_legacy_has_filled_however_they_are_spelled() -> None:
    legacy = """{"id": "a", "create_time": null, "Customer": {"display_name": "", "emails": []},
      "items": [{"sku": "a"}, {"Quantity": 1, "price": {"units": 1}}], "labels": {"a": "b"},
      "extra": {"deep": {"x": 1}}, "unknown": {"id": 1}, "parts": [{"id": "a", "spare": {"id": 1}}],
      "gifts": {"a": null}, "codes": [null], "nothing": {}}"""
    expected = {
        *("$.id", "$.customer.displayName", "$.items[*].sku", "$.items[*].quantity"),
        *("$.items[*].price.units", "$.labels{*}", "$.extra", "$.parts[*].id", "$.parts[*].spare"),
        "$.nothing",
    }
    for grpc in (legacy, "{}", '{"id": "a", "items": [{"sku": "b"}]}', "[]"):
        assert comparator().compare(answer(legacy), answer(grpc)).fields == expected


def test_error_bodies_fill_no_fields() -> None:
    assert not comparator().compare(answer('{"id": 1}', 404), answer("{}", 404)).fields


def test_options_travel_between_processes() -> None:
    options = CompareOptions(
        headers=("etag",),
        rules=(
            Rule("$.id", Ignore(), "noise"),
            Rule("$.items", ListBy("sku")),
            Rule("$.color", OneOf((1, None))),
            Rule("$.createTime", Timestamp(1.0, "s")),
        ),
    )
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301


def test_a_rule_whose_path_cannot_be_read_is_refused_when_it_is_compiled() -> None:
    with pytest.raises(ValueError, match="column 2"):
        Comparator.compile(message(), None, CompareOptions(rules=(Rule("$id", Ignore()),)))


def test_comparators_share_what_they_know_of_messages() -> None:
    plans = Plans()
    for name in ("Order", "Customer"):
        chosen = Comparator.compile(message(name), None, CompareOptions(), plans=plans)
        assert repr(plans) == "<Plans of 0 messages>" if name == "Order" else True
        chosen.compare(answer('{"id": 1}'), answer("{}"))
    assert plans.message(message("Customer")) is plans.message(message("Customer"))
    assert repr(chosen) == "<Comparator of shop.v1.Customer>"


@pytest.mark.parametrize(
    ("rules", "ignored"),
    [
        ([], set()),
        ([Rule("$.customer.id", Present())], set()),
        ([Rule("$.id", Ignore())], {"$.id"}),
        ([Rule("$.create_time", Ignore())], {"$.createTime"}),
        ([Rule("$.items[*].price", Ignore())],
         {f"$.items[*].price.{name}" for name in ("currency", "units", "nanos")}),
        ([Rule("$.gifts{*}", Present()), Rule("$.gifts{*}.price", Exact())],
         {f"$.gifts{{*}}.{name}" for name in ("sku", "quantity", "tags[*]", "color")}),
        ([Rule("$.gone", Ignore()), Rule("error:$", Ignore()), Rule("request:$", Ignore())], set()),
    ],
)  # fmt: skip
def test_fields_that_rules_leave_out_are_known(rules: list[Rule], ignored: set[str]) -> None:
    assert comparator(*rules).ignored == ignored


def test_all_fields_are_left_out_by_a_rule_for_the_whole() -> None:
    for check in (Ignore(), Present()):
        whole = comparator(Rule("$", check))
        assert whole.ignored == whole.fields
    streamed = comparator(Rule("$[*].id", Ignore()), streams=True)
    assert streamed.ignored == {"$[*].id"}
