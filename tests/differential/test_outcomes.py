"""The comparison itself: it must be able to fail."""

from dataclasses import replace

import pytest

from tests.differential.client import RawAnswer
from tests.differential.outcomes import (
    Outcome,
    differences,
    judge,
    read_answer,
    refusal_faults,
)

FOUND = Outcome(200, "application/json", {"a": 1}, seen=({"GetItem": {"id": "a"}},))
REFUSED = Outcome(400, "application/json", {"code": 3, "message": "bad", "details": []})


def answer(content: str, body: bytes) -> Outcome:
    return read_answer(RawAnswer(200, {"content-type": content}, body, is_whole=True))


def with_facet(**facets: object) -> Outcome:
    return replace(FOUND, **facets)


@pytest.mark.parametrize(
    ("facet", "value"),
    [
        ("status", 201),
        ("allow", "GET"),
        ("seen", ({"GetItem": {"id": "b"}},)),
        ("metadata", (["x", "y"],)),
        ("content", "text/plain"),
        ("body", {"a": 2}),
        ("cut_off", True),
    ],
)
def test_every_facet_makes_a_difference(facet: str, value: object) -> None:
    found = differences(FOUND, with_facet(**{facet: value}))
    assert facet in found["ours"]
    assert judge(found, None).startswith("nobody intended this")
    assert judge(found, found) == ""


def test_equal_outcomes_make_none() -> None:
    assert differences(FOUND, FOUND) == {}
    assert judge({}, None) == ""


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [(1, 1.0, False), (1, True, True), (0, False, True), (0.0, -0.0, True), ("1", 1, True)],
)
def test_values_are_compared_as_json(one: object, other: object, differ: bool) -> None:
    found = differences(with_facet(body={"a": [one]}), with_facet(body={"a": [other]}))
    assert bool(found) == differ
    assert bool(judge({"ours": {"body": one}}, {"ours": {"body": other}})) == differ


def test_order_of_members_makes_no_difference() -> None:
    one, two = (
        answer("application/json", b'{"a":1,"b":2}'),
        answer("application/json", b'{"b":2,"a":1}'),
    )
    assert differences(one, two) == {}


def test_refusals_are_equal_when_their_status_is() -> None:
    plain = Outcome(400, "text/plain", "in other words")
    assert differences(plain, REFUSED) == {}
    assert differences(Outcome(404, "text/plain", "not found"), REFUSED) != {}


def test_errors_of_the_backend_are_compared() -> None:
    one = Outcome(404, "application/json", {"code": 5, "message": "a"}, seen=FOUND.seen)
    two = Outcome(404, "application/json", {"code": 5, "message": "b"}, seen=FOUND.seen)
    assert differences(one, two) != {}


def test_members_of_an_error_that_say_nothing_make_no_difference() -> None:
    one = Outcome(404, "application/json", {"code": 5}, seen=FOUND.seen)
    two = Outcome(404, "application/json", {"code": 5, "details": []}, seen=FOUND.seen)
    assert differences(one, two) == {}


def test_listed_difference_that_is_gone_is_an_error() -> None:
    assert "does not occur any more" in judge({}, {"envoy": {"status": 200}, "ours": {}})


def test_other_difference_than_the_listed_one_is_an_error() -> None:
    found = differences(FOUND, REFUSED)
    assert "intended was" in judge(found, {"envoy": {"status": 404}, "ours": {"status": 400}})


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (Outcome(400, "text/plain", "bad"), "content type 'text/plain'"),
        (Outcome(400, "application/json", {"code": 3}), "no message"),
        (Outcome(400, "application/json", {"code": 5, "message": "m"}), "code 5 with status 400"),
        (Outcome(400, "application/json", {"code": 77, "message": "m"}), "code 77 with status 400"),
        (
            Outcome(500, "application/json", {"code": 13, "message": "m"}),
            "a client's request led to a server error",
        ),
    ],
)
def test_refusal_of_another_form_is_at_fault(outcome: Outcome, fault: str) -> None:
    assert fault in refusal_faults(outcome, "GET")


def test_refusal_in_form_has_no_fault() -> None:
    assert refusal_faults(REFUSED, "GET") == []
    assert refusal_faults(REFUSED, "HEAD") == ["a body after HEAD"]
    assert refusal_faults(Outcome(400), "HEAD") == []


def test_streams_are_read_as_lists_of_messages() -> None:
    assert answer("application/json", b'[{"a":1},{"a":2}]').body == [{"a": 1}, {"a": 2}]
    assert answer("application/x-ndjson", b'{"a":1}\n{"a":2}\n').body == [{"a": 1}, {"a": 2}]
    events = b'data: {"a":1}\n\nevent: error\ndata: {"code":5}\n\n'
    assert answer("text/event-stream", events).body == [{"a": 1}, {"error": {"code": 5}}]


def test_minus_zero_keeps_its_sign_in_either_spelling() -> None:
    one, two = answer("application/json", b'{"d":-0}'), answer("application/json", b'{"d":-0.0}')
    assert differences(one, two) == {}
    assert differences(one, answer("application/json", b'{"d":0}')) != {}


def test_other_content_is_text() -> None:
    assert answer("text/plain; charset=utf-8", b"a\xff").body == "a\\xff"
    assert answer("text/plain; charset=utf-8", b"").content == "text/plain"
