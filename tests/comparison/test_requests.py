"""The translation check: what a client sent, and what of it a message has."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.comparison.documents import ABSENT, Difference
from proxy.comparison.kinds import Kind
from proxy.comparison.requests import MAX_DIFFERENCES, Lost, RequestComparator
from proxy.comparison.rules import Ignore, Number, Present, Rule, Set
from proxy.errors import RequestError
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.request import RequestBuilder, RequestOptions
from tests.comparison.corpus_cases import rule as corpus_rule
from tests.comparison.messages import answer
from tests.transcoding.request_schema import LIBRARY, bind, codecs_of, pool_of

NARROW = """
syntax = "proto3";
package library.v1;
message Request { string name = 1; float ratio = 2; double big = 3; }
service Library { rpc Serve(Request) returns (Request); }
"""
JSON = "application/json"


class Check:
    """A binding with its check, as *options* of unknown fields have them."""

    def __init__(
        self, http_method: str, template: str, body: str = "", *rules: Rule, **options: Any
    ) -> None:
        method = options.pop("method", "Serve")
        unknown = options.pop("unknown", "warn")
        pool = pool_of(options.pop("source", LIBRARY))
        self.codecs = codecs_of(pool, unknown_fields=unknown, **options)
        rule = bind(pool, f"library.v1.Library.{method}", http_method, template, body=body)
        parameters = RequestOptions(unknown_parameters=unknown)
        tables = FieldTables(self.codecs)
        self.request = RequestBuilder.compile(rule, self.codecs, parameters, tables)
        self.comparator = RequestComparator.compile(self.request, self.codecs, rules)

    def lost(
        self, *captures: str, query: str = "", body: bytes = b"", content_type: str = JSON
    ) -> Lost:
        message = self.request.build(captures, query, body, content_type).message
        return self.comparator.compare(captures, query, body, message)

    def differences(self, *captures: str, **sent: Any) -> tuple[Difference, ...]:
        return self.lost(*captures, **sent).differences

    def found_in(self, sent: bytes, held: bytes) -> list[tuple[str, Kind]]:
        """What a body of which a message has something else has lost."""
        assert self.comparator.body is not None
        compared = self.comparator.body.compare(answer(sent), answer(held))
        lost = self.comparator.of_body(compared)
        return sorted((each.path, each.kind) for each in lost.differences)

    def found(self, *captures: str, **sent: Any) -> list[tuple[str, Kind]]:
        return sorted((each.path, each.kind) for each in self.differences(*captures, **sent))


CASES = yaml.safe_load((Path(__file__).parent / "requests.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_person_would_miss_is_found_and_nothing_else(case: dict[str, Any]) -> None:
    selector = dict(case["rule"])
    body = selector.pop("body", "")
    [(http_method, template)] = selector.items()
    rules = [corpus_rule(each) for each in case.get("rules", ())]
    unknown = case.get("unknown", "warn")
    check = Check(http_method.upper(), template, body, *rules, unknown=unknown)
    sent = case.get("body", "").encode()
    lost = check.lost(*case.get("captures", ()), query=case.get("query", ""), body=sent)
    found = sorted([each.path, str(each.kind), each.times] for each in lost.differences)
    assert found == sorted(case["expect"])
    assert lost.rule_hits == case.get("hits", {})


GET = Check("GET", "/v1/{name=books/*}")
WHOLE = Check("POST", "/v1/{name=books/*}", "*")
FIELD = Check("PATCH", "/v1/{book.name=books/*}", "book")


# --- what is lost


def test_a_field_that_no_message_has_is_missing_on_the_grpc_side() -> None:
    body = b'{"copyMe": true, "book": {"pages": "3", "colour": "red"}}'
    assert WHOLE.found("books/1", body=body) == [
        ("request:$.book.colour", Kind.MISSING_FIELD),
        ("request:$.copyMe", Kind.MISSING_FIELD),
    ]


def test_a_parameter_that_names_nothing_is_missing_on_the_grpc_side() -> None:
    (difference,) = GET.differences("books/1", query="key=k&colour=red")
    assert difference.path == "request:?colour"
    assert difference.kind is Kind.MISSING_FIELD
    assert (difference.legacy.type, difference.legacy.text) == ("string", '"red"')
    assert difference.grpc == ABSENT


def test_unknown_input_that_the_route_ignores_is_no_difference() -> None:
    quiet = Check("POST", "/v1/{name=books/*}", "*", unknown="ignore")
    assert quiet.found("books/1", body=b'{"copyMe": 1, "book": {"colour": 2}}') == []
    assert Check("GET", "/v1/{name}", unknown="ignore").found("a", query="colour=red") == []


def test_system_parameters_are_no_input_of_the_api() -> None:
    assert GET.found("books/1", query="alt=json&prettyPrint=true") == []


# --- what is one value in a message


@pytest.mark.parametrize(
    "body",
    [
        b'{"revision": 5}',
        b'{"revision": "5"}',
        b'{"revision": 5.0}',
        b'{"limit": "5"}',
        b'{"revision": 0, "key": "", "words": [], "counts": {}, "validateOnly": false}',
        b'{"limit": null, "book": null}',
        b'{"validate_only": true}',
        b'{"book": {"cover": 1, "covers": ["HARD", 0]}}',
        b'{"book": {"orderBy": "x"}}',
        b'{"since": "2024-01-02T03:04:05.100Z"}',
        b'{"since": "2024-01-02T05:04:05+02:00"}',
        b'{"cover": {"data": "_-8"}}',
        b'{"counts": {"a": 1}, "extra": {"a": [1, {"b": null}]}}',
        b'{"name": "books/1"}',
        b'{"anything": null}',
        b'{"updateMask": "book.name,key"}',
        b"{}",
        b"",
    ],
)
def test_forms_that_json_reads_alike_are_no_difference(body: bytes) -> None:
    assert WHOLE.found("books/1", body=body) == []


@pytest.mark.parametrize(
    "options",
    [
        {"names": "proto", "emit_defaults": True},
        {"enums_as_numbers": True, "int64_as_numbers": True},
    ],
)
def test_the_form_of_the_routes_answers_says_nothing_of_its_requests(options: Any) -> None:
    check = Check("POST", "/v1/{name=books/*}", "*", **options)
    body = b'{"book": {"pages": "3", "cover": "HARD", "orderBy": "x"}, "validateOnly": true}'
    assert check.found("books/1", body=body) == []


def test_a_mask_that_is_filled_in_is_no_difference() -> None:
    assert FIELD.found("books/1", body=b'{"title": "t", "author": {"name": "n"}}') == []


def test_a_body_of_null_sets_nothing() -> None:
    assert FIELD.found("books/1", body=b" null ") == []


def test_an_upload_is_not_json_and_is_not_compared_as_such() -> None:
    upload = Check("POST", "/v1/up", "*", method="Upload")
    assert upload.found(body=b"\x00\xff", content_type="image/png") == []


# --- text


@pytest.mark.parametrize(
    "query",
    [
        "limit=5",
        "revision=-7",
        "validate_only=true",
        "words=a&words=b&words=a",
        "counts[a]=1&counts[b]=2",
        "book.cover=HARD",
        "book.cover=1",
        "book.weight=5&book.rating=7",
        "book.weight=1e2",
        "since=2024-01-02T03:04:05Z",
        "update_mask=book.name",
        'extra={"a":1}',
        "left=",
        "book.author.born=1900",
        "",
    ],
)
def test_text_that_reads_as_the_value_is_no_difference(query: str) -> None:
    assert GET.found("books/1", query=query) == []


def test_an_integer_that_is_spelled_otherwise_is_told_since_legacy_sees_the_text() -> None:
    (difference,) = GET.differences("books/1", query="revision=5.0")
    assert (difference.path, difference.kind) == ("request:?revision", Kind.NUMBER_REPR)
    assert (difference.legacy.text, difference.grpc.text) == ('"5.0"', "5")


def test_digits_that_a_field_of_32_bits_does_not_hold_are_lost() -> None:
    narrow = Check("GET", "/v1/{name}", source=NARROW)
    assert narrow.found("a", query="ratio=0.1&big=0.1") == []
    assert narrow.found("a", query="ratio=NaN") == [("request:?ratio", Kind.VALUE)]
    lost = narrow.found("a", query="ratio=0.123456789&big=0.123456789")
    assert lost == [("request:?ratio", Kind.VALUE)]


def test_a_capture_is_held_against_its_field() -> None:
    pages = Check("GET", "/v1/{book.pages}")
    assert pages.found("7") == []
    assert pages.found("7.0") == [("request:/book.pages", Kind.NUMBER_REPR)]


def test_a_message_with_other_values_than_were_sent_is_found_out() -> None:
    """The check does not trust the builder: it would be of no use if it did."""
    sent = {"query": "key=k&words=a&counts[a]=1&revision=1", "body": b""}
    message = GET.request.build(("books/1",), sent["query"], b"", None).message
    message.name, message.key, message.revision = "books/2", "other", 2
    message.words.append("b")
    del message.counts["a"]
    lost = GET.comparator.compare(("books/1",), sent["query"], b"", message)
    assert sorted((each.path, each.kind) for each in lost.differences) == [
        ("request:/name", Kind.VALUE),
        ("request:?counts[a]", Kind.VALUE),
        ("request:?key", Kind.VALUE),
        ("request:?revision", Kind.VALUE),
        ("request:?words", Kind.LIST_LENGTH),
    ]


def test_a_body_with_other_values_than_the_message_is_found_out() -> None:
    body = b'{"book": {"title": "one", "tags": ["a", "b"]}, "validateOnly": true}'
    message = WHOLE.request.build(("books/1",), "", body, JSON).message
    message.book.title = "two"
    del message.book.tags[:]
    message.validate_only = False
    lost = WHOLE.comparator.compare(("books/1",), "", body, message)
    found = {each.path for each in lost.differences}
    assert {"request:$.book.title", "request:$.validateOnly"} <= found
    assert any(path.startswith("request:$.book.tags") for path in found)


def test_a_message_that_cannot_be_printed_is_not_whole() -> None:
    body = b'{"since": "2024-01-02T03:04:05Z"}'
    message = WHOLE.request.build(("books/1",), "", body, JSON).message
    message.since.seconds = 1 << 60
    pair = WHOLE.comparator.documents(body, message)
    assert pair is not None
    assert not pair[1].complete


def test_a_number_for_a_text_is_one_value_unless_it_is_another_number() -> None:
    assert WHOLE.found_in(b'{"limit": "5"}', b'{"limit": 5}') == []
    held = b'{"limit": 5}'
    assert WHOLE.found_in(b'{"limit": "6"}', held) == [("request:$.limit", Kind.VALUE)]
    assert WHOLE.found_in(b'{"limit": {}}', held) == [("request:$.limit", Kind.TYPE)]


def test_each_of_many_values_is_looked_at_though_the_first_was_but_written_otherwise() -> None:
    sent, held = (b'{"authors": [{"born": %s}, {"born": %s}]}' % each for each in
                  ((b'"5"', b'"6"'), (b"5", b"7")))  # fmt: skip
    assert WHOLE.found_in(sent, held) == [("request:$.authors[*].born", Kind.VALUE)]


def test_an_empty_text_or_list_and_nothing_are_one_value() -> None:
    assert WHOLE.found_in(b'{"key": "", "words": []}', b"{}") == []
    assert WHOLE.found_in(b'{"key": null, "revision": null}', b'{"key": "", "revision": "0"}') == []


def test_what_a_quiet_route_knows_and_yet_lost_is_told() -> None:
    quiet = Check("PATCH", "/v1/{book.name}", "book", unknown="ignore")
    sent = b'{"title": "t", "colour": 1, "author": {"name": "n", "hat": 1}, "extra": {"a": 1}}'
    assert quiet.found_in(sent, b'{"author": {}, "extra": {}}') == [
        ("request:$.book.author.name", Kind.MISSING_FIELD),
        ("request:$.book.extra.a", Kind.MISSING_FIELD),
        ("request:$.book.title", Kind.MISSING_FIELD),
    ]


def test_differences_of_form_leave_room_for_what_is_lost() -> None:
    wide = "".join(f"int64 n{number} = {number};" for number in range(1, 101))
    source = NARROW.replace("string name = 1; float ratio = 2; double big = 3;", wide)
    check = Check("POST", "/v1/wide", "*", source=source)
    numbers = {f"n{number}": number for number in range(1, 101)}
    body = json.dumps({**numbers, "zebra": 1}).encode()
    assert check.found(body=body) == [("request:$.zebra", Kind.MISSING_FIELD)]


def test_digits_that_a_float_in_a_body_does_not_hold_are_lost() -> None:
    narrow = Check("POST", "/v1/{name}", "*", source=NARROW)
    assert narrow.found("a", body=b'{"ratio": 0.1, "big": 0.123456789}') == []
    lost = narrow.found("a", body=b'{"ratio": 0.123456789}')
    assert lost == [("request:$.ratio", Kind.VALUE)]


def test_a_body_that_is_one_field_has_the_paths_of_the_request() -> None:
    """So that a path to be revealed or hidden is looked up in the message that it is of."""
    found = FIELD.found("books/1", body=b'{"colour": "red", "author": {"hat": 1}}')
    assert found == [
        ("request:$.book.author.hat", Kind.MISSING_FIELD),
        ("request:$.book.colour", Kind.MISSING_FIELD),
    ]


# --- rules


def rule(path: str, check: Any = Ignore()) -> Rule:  # noqa: B008 - a value
    return Rule(path, check, "for the test")


def test_a_rule_quiets_a_field_that_no_message_has_and_counts() -> None:
    check = Check(
        *("POST", "/v1/{name=books/*}", "*"),
        rule("$.copyMe"),
        rule("request:$.book.colour"),
        rule("request:?colour"),
    )
    lost = check.lost(
        "books/1", query="colour=1&shape=2", body=b'{"book": {"colour": 1}, "copyMe": true}'
    )
    assert [each.path for each in lost.differences] == ["request:?shape", "request:$.copyMe"]
    assert lost.rule_hits == {1: 1, 2: 1}


def test_a_rule_has_no_hits_where_nothing_was_lost() -> None:
    rules = rule("request:$"), rule("request:?limit"), rule("request:/name")
    check = Check("POST", "/v1/{name=books/*}", "book", *rules)
    body = b'{"pages": 5, "author": {"born": "7"}, "sort_key": "a", "cover": 1, "tags": []}'
    lost = check.lost("books/1", query="limit=5", body=body)
    assert (lost.differences, lost.rule_hits) == ((), {})


def test_a_rule_for_all_of_a_body_counts_each_loss() -> None:
    check = Check("POST", "/v1/{name=books/*}", "*", rule("request:$"))
    lost = check.lost("books/1", body=b'{"a": 1, "book": {"b": 2, "c": {"d": 3}}, "words": ["x"]}')
    assert (lost.differences, lost.rule_hits) == ((), {0: 3})


def test_rules_for_a_body_that_is_one_field_begin_at_the_request() -> None:
    check = Check(
        *("PATCH", "/v1/{book.name=books/*}", "book"),
        rule("request:$.book.author"),
        rule("request:$.book.author.hat", Present()),
    )
    lost = check.lost("books/1", body=b'{"author": {"hat": 1, "cane": 1}, "colour": 1}')
    assert [each.path for each in lost.differences] == [
        "request:$.book.author.hat",
        "request:$.book.colour",
    ]
    assert lost.rule_hits == {0: 1}


def test_a_number_may_lose_digits_within_its_tolerance() -> None:
    rules = rule("request:?ratio", Number(rel=1e-6)), rule("request:$.ratio", Number(rel=1e-6))
    query = Check("GET", "/v1/{name}", "", *rules, source=NARROW)
    assert query.lost("a", query="ratio=0.123456789") == Lost((), {0: 1})
    assert query.found("a", query="ratio=NaN") == [("request:?ratio", Kind.VALUE)]
    body = Check("POST", "/v1/{name}", "*", *rules, source=NARROW)
    assert body.lost("a", body=b'{"ratio": 0.123456789}') == Lost((), {1: 1})
    strict = Check("GET", "/v1/{name}", "", rule("request:?ratio", Number(1e-12)), source=NARROW)
    assert strict.found("a", query="ratio=0.123456789") == [("request:?ratio", Kind.VALUE)]


def test_text_that_is_written_otherwise_may_be_so_when_both_are_there() -> None:
    rules = rule("request:?revision", Present()), rule("request:/book.pages", Present())
    check = Check("GET", "/v1/{book.pages}", "", *rules)
    assert check.lost("7.0", query="revision=5.0") == Lost((), {0: 1, 1: 1})


@pytest.mark.parametrize("name", ["sort_key", "orderBy"])
@pytest.mark.parametrize("sent", ["sort_key", "orderBy"])
def test_a_parameter_has_a_rule_in_either_spelling(name: str, sent: str) -> None:
    source = NARROW.replace("double big", "int32 sort_key = 4 [json_name = 'orderBy']; double big")
    check = Check("GET", "/v1/{name}", "", rule(f"request:?{name}"), source=source)
    assert check.lost("a", query=f"{sent}=5.0") == Lost((), {0: 1})


def test_a_rule_for_a_map_is_one_for_all_of_its_entries() -> None:
    check = Check("GET", "/v1/{name=books/*}", "", rule("request:?counts"))
    query = "counts[a]=1.0&counts[b]=2.0"
    assert check.lost("books/1", query=query) == Lost((), {0: 2})


def test_what_a_route_ignores_anyway_is_no_hit() -> None:
    rules = rule("request:?colour"), rule("request:$.colour")
    quiet = Check("POST", "/v1/{name=books/*}", "*", *rules, unknown="ignore")
    assert quiet.lost("books/1", query="colour=red", body=b'{"colour": 1}') == Lost((), {})


def test_lists_in_bodies_have_the_rules_of_lists() -> None:
    check = Check("POST", "/v1/{name=books/*}", "*", rule("request:$.words", Set()))
    assert check.found_in(b'{"words": ["a", "b", "a"]}', b'{"words": ["b", "a"]}') == []


# --- bounds


def test_a_parameter_given_many_times_is_one_difference_with_a_count() -> None:
    (difference,) = GET.differences("books/1", query="&".join(["colour=red"] * 9))
    assert difference.times == 9


def test_no_more_differences_are_told_than_may() -> None:
    query = "&".join(f"unknown{number}=1" for number in range(500))
    assert len(GET.differences("books/1", query=query)) == MAX_DIFFERENCES


def test_names_and_values_are_cut() -> None:
    (difference,) = GET.differences("books/1", query=f"{'n' * 5000}={'v' * 5000}")
    assert len(difference.path) < 200
    assert len(difference.legacy.text) < 300
    assert difference.legacy.length == 5000


# --- shapes


def test_the_shape_names_what_is_set_and_no_value() -> None:
    body = b'{"book": {"title": "secret", "readers": [{"name": "n"}], "labels": {"k": "v"}}}'
    shape = WHOLE.comparator.shape(WHOLE.request.build(("books/1",), "", body, JSON).message)
    assert shape == (
        "POST /v1/{name=books/*} book book.labels book.readers book.readers.name book.title name"
    )
    assert "RequestComparator" in repr(WHOLE.comparator)


def test_the_shape_of_a_message_that_goes_on_forever_is_bounded() -> None:
    message = GET.request.build(("books/1",), "", b"", None).message
    author = message.book.author
    for _ in range(60):
        author.name = "n"
        author = author.mentor
        author.SetInParent()
    assert len(GET.comparator.shape(message)) < 1000


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "key": TEXT,
            "revision": st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9).map(str),
            "limit": st.integers(-(2**31), 2**31 - 1) | st.none(),
            "words": st.lists(TEXT, max_size=4),
            "counts": st.dictionaries(TEXT, st.integers(-9, 9), max_size=4),
            "extra": st.dictionaries(TEXT, st.none() | st.booleans() | TEXT, max_size=4),
            "book": st.fixed_dictionaries(
                {},
                optional={
                    "weight": st.floats(allow_nan=False, allow_infinity=False),
                    "tags": st.lists(TEXT, max_size=3),
                    "cover": st.sampled_from(["HARD", 1, "COVER_UNSPECIFIED", 0]),
                    "note": TEXT,
                },
            ),
        },
    )
)
def test_whatever_the_codec_reads_whole_has_no_difference(content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    try:
        found = WHOLE.found("books/1", body=body)
    except RequestError:
        return
    assert found == []
