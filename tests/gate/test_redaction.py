"""Redaction: what the schema says is shown, what somebody said is not."""

import pytest
from google.protobuf.descriptor import Descriptor

from proxy.comparison.documents import ABSENT, Difference, Excerpt
from proxy.comparison.kinds import Kind
from proxy.gate.redaction import PATH_CHARACTERS, REVEALED_CHARACTERS, Hasher, Redactor
from tests.transcoding.request_schema import pool_of

PROTO = """
syntax = "proto3";
package bank.v1;
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";

enum Mood { MOOD_UNSPECIFIED = 0; FINE = 1; LOW = 2 [debug_redact = true]; }
message Card { string number = 1 [debug_redact = true]; string bank = 2; int32 year2030count = 3; }
message Account {
  string name = 1;
  string pass_word = 2 [debug_redact = true];
  Card card = 3;
  Card hidden = 4 [debug_redact = true];
  repeated Card cards = 5;
  map<string, Card> by_name = 6;
  google.protobuf.Struct extra = 7;
  google.protobuf.StringValue note = 8;
  Mood mood = 9;
  map<string, string> secrets = 10 [debug_redact = true];
  Account owner = 11;
  string shown_name = 12 [json_name = "displayName"];
}
message Request { string name = 1; Card card = 2; int32 page_size = 3; }
"""

HASHER = Hasher(b"k" * 32)
SECRET = Excerpt("string", 8, '"hunter-2"')
REVEAL_ALL = (
    *("$.name", "$.passWord", "$.pass_word", "$.PASSWORD", "$.card.number", "$.card.bank"),
    *("$.hidden.bank", "$.cards[*].number", "$.cards[*].bank", "$.byName.{*}.number", "$.mood"),
    *("$.by_name{*}.bank", "$.extra.key", "$.secrets{*}", "$.owner.owner.name", "$.note"),
    *("request:$.card.bank", "request:?card.number", "request:?page_size", "request:/name"),
    *("header:etag", "error:$.message"),
)


@pytest.fixture(scope="module")
def types() -> tuple[Descriptor, Descriptor]:
    pool = pool_of(PROTO)
    return tuple(pool.FindMessageTypeByName(f"bank.v1.{name}") for name in ("Account", "Request"))


def redactor(types, *reveal: str) -> Redactor:
    account, request = types
    return Redactor.compile(account, None, request, reveal)


def shown(redactor: Redactor, path: str, value: Excerpt = SECRET) -> str | None:
    return redactor.finding(Difference(path, Kind.VALUE, 1, value, ABSENT), HASHER).legacy.text


def test_a_value_is_type_length_and_hash(types):
    difference = Difference("$.name", Kind.VALUE, 3, SECRET, Excerpt("null", 0, ""))
    finding = redactor(types).finding(difference, HASHER)
    assert (finding.path, finding.kind, finding.times) == ("$.name", Kind.VALUE, 3)
    assert finding.legacy.text is None
    assert (finding.legacy.type, finding.legacy.length) == ("string", 8)
    assert finding.legacy.hashed == HASHER.text('"hunter-2"')
    assert (finding.grpc.text, finding.grpc.hashed) == (None, "")
    assert "hunter" not in repr(finding)


@pytest.mark.parametrize(
    "path",
    [
        *("$.name", "$.card.bank", "$.cards[*].bank", "$.by_name{*}.bank", "$.extra.key"),
        *("$.owner.owner.name", "$.note", "request:$.card.bank", "request:?page_size"),
        *("request:/name", "header:etag", "error:$.message"),
    ],
)
def test_a_value_is_shown_where_that_is_listed(types, path: str):
    assert shown(redactor(types, *REVEAL_ALL), path) == '"hunter-2"'
    assert shown(redactor(types), path) is None


@pytest.mark.parametrize(
    "path",
    [
        *("$.passWord", "$.pass_word", "$.PASSWORD", "$.card.number", "$.cards[*].number"),
        *("$.byName{*}.number", "$.hidden.bank", "$.secrets{*}", "$.mood"),
        "request:?card.number",
    ],
)
def test_what_the_schema_redacts_is_not_shown_though_it_is_listed(types, path: str):
    assert shown(redactor(types, *REVEAL_ALL), path) is None


@pytest.mark.parametrize("path", ["$.name.below", "$.card", "$.nam", "$", "status:", "header:x"])
def test_nothing_is_shown_above_below_or_beside_what_is_listed(types, path: str):
    assert shown(redactor(types, *REVEAL_ALL), path) is None


def test_response_body_moves_the_root_and_its_redaction_counts(types):
    account, request = types
    card, hidden = (account.fields_by_name[name] for name in ("cards", "hidden"))
    seen = Redactor.compile(account, card, request, ("$[*].bank", "$[*].number"))
    assert shown(seen, "$[*].bank") == '"hunter-2"'
    assert shown(seen, "$[*].number") is None
    unseen = Redactor.compile(account, hidden, request, ("$.bank",))
    assert shown(unseen, "$.bank") is None


@pytest.mark.parametrize(
    "path",
    [
        *("$.name", "$.displayName", "$.year_of_birth", "$.card.year2030count", "$.created-at"),
        *("$.cards[*].number", "$.by_name{*}.bank", "$.extra.colour", "status", "header:etag"),
        *("request:$.card.bank", "request:?page_size", "request:/name", "error:$.details[*].@type"),
    ],
)
def test_names_of_the_schema_and_such_as_programmers_choose_are_shown(types, path: str):
    assert redactor(types).path(path, HASHER) == path


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("$.kim@example.com", "$.#"),
        ("$.extra.4f1c9ab2e7", "$.extra.#"),
        ('$.extra["kim jones"].street', "$.extra.#"),
        ("$.card.user-829174.street", "$.card.#"),
        (f"$.{'k' * 41}", "$.#"),
        ("request:?kim@example.com", "request:?#"),
        ("request:$.4111111111111111", "request:$.#"),
        ('$["unclosed', "$.#"),
        (r'$["kim \q"].street', "$.#"),
        ("$.a..b]kim", "$.a.#"),
    ],
)
def test_names_that_are_data_are_hashed(types, path: str, kept: str):
    written = redactor(types).path(path, HASHER)
    assert written.startswith(kept)
    for part in ("kim", "4f1c", "8291", "4111", "kkkk", "unclosed"):
        assert part not in written
    assert redactor(types).path(path, HASHER) == written
    assert redactor(types).path(path, Hasher(b"o" * 32)) != written


def test_paths_and_values_are_cut(types):
    long = redactor(types).path("$" + ".owner" * 1000, HASHER)
    assert len(long) <= PATH_CHARACTERS
    assert long != redactor(types).path("$" + ".owner" * 1001, HASHER)
    text = shown(redactor(types, "$.name"), "$.name", Excerpt("string", 999, "x" * 999))
    assert text == "x" * REVEALED_CHARACTERS + "…"


def test_what_is_no_character_can_be_kept_all_the_same(types):
    value = Excerpt("string", 2, '"\ud800\0"')
    finding = redactor(types, "$.name").finding(
        Difference("$.name", Kind.VALUE, 1, value, value), HASHER
    )
    assert finding.legacy.text == '"?\N{REPLACEMENT CHARACTER}"'
    assert finding.legacy.hashed
    assert redactor(types).path("$.\ud800", HASHER).startswith("$.#")


def test_a_status_and_a_media_type_are_everybodys_to_see(types):
    seen = redactor(types)
    assert shown(seen, "status", Excerpt("number", 3, "404")) == "404"
    for text in ("application/json; charset=utf-8", '"text/plain"'):
        assert shown(seen, "header:content-type", Excerpt("string", 9, text)) == text
    for text in ("application/json; token=hunter-2", "hunter-2", "x-hunter/2"):
        assert shown(seen, "header:content-type", Excerpt("string", 9, text)) is None


def test_the_description_of_a_request_has_names_and_no_values(types):
    about = redactor(types, "request:?page_size").about(
        "GET",
        "/v1/{name=accounts/*}",
        [("name", "accounts/hunter-2")],
        "page_size=50&card.number=hunter-2&kim%40example.com=hunter-2&" + "x=hunter-2&" * 99,
        ["content-type", "etag"],
        legacy_status=200,
        grpc_status=None,
        hasher=HASHER,
    )
    assert about["http_method"] == "GET"
    assert about["template"] == "/v1/{name=accounts/*}"
    assert about["headers"] == "content-type, etag"
    assert about["legacy_status"] == "200"
    assert "grpc_status" not in about
    assert about["request:?page_size"] == "50"
    assert about["request:?card.number"].startswith("string of 8, #")
    assert about["request:/name"].startswith("string of 17, #")
    assert "hunter" not in repr(about)
    assert "example" not in repr(about)
    assert len(about) < 25


def test_an_odd_method_is_not_shown(types):
    about = redactor(types).about(
        "X-hunter-2", "/", (), "", (), legacy_status=None, grpc_status=None, hasher=HASHER
    )
    assert about == {"http_method": "other", "template": "/"}


def test_hashes_are_equal_for_equal_values_of_one_key_alone():
    other = Hasher(b"o" * 64)
    assert HASHER.text("a") == Hasher(b"k" * 32).text("a")
    assert len({HASHER.text("a"), HASHER.text("b"), other.text("a"), HASHER.short("a").hex()}) == 4
    assert (len(HASHER.text("a")), len(HASHER.short("a"))) == (16, 8)
    assert HASHER.text("") == ""
    assert "k" * 8 not in repr(HASHER)


@pytest.mark.parametrize("length", [0, 31, 65])
def test_a_key_of_another_length_is_refused(length: int):
    with pytest.raises(ValueError, match="32 to 64 bytes"):
        Hasher(b"k" * length)
