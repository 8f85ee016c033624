"""Redaction: nothing of a client's stays that is not listed, and the form of all of it does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.recordings.exchange import Recorded
from proxy.recordings.redaction import RedactionRules, redacted, redacted_answer

JSON = (("content-type", "application/json"),)
RULES = RedactionRules(
    names=frozenset({"name", "id", "labels", "items", "state", "secret", "filter"}),
    words=frozenset({"ACTIVE"}),
    private=frozenset({"secret"}),
    segments=lambda path: [None, "zone"] if path.count("/") == 2 else [],
)
KIM = Recorded(
    "POST",
    "/zones/kim.example?filter=kim&state=ACTIVE&sneaky=1",
    (("Authorization", "Bearer kim"), ("X-User", "kim"), *JSON),
    b'{"name": "kim", "id": 17}',
    200,
    (("Set-Cookie", "sid=kim"), ("etag", '"kim"'), *JSON),
    b'{"items": [{"name": "kim", "state": "ACTIVE"}], "labels": {"kim": "kim"}}',
    route="get-zone",
)


def test_nothing_of_a_client_stays_anywhere() -> None:
    kept = redacted(KIM, RULES)
    assert "kim" not in repr(kept)
    assert kept.redacted
    assert kept.route == "get-zone"


def test_the_form_of_all_of_it_stays() -> None:
    kept = redacted(KIM, RULES)
    assert kept.target == "/zones/aaa.aaaaaaa?filter=aaa&state=ACTIVE&aaaaaa=1"
    assert kept.request_headers == (("Authorization", "Aaaaaa aaa"), ("X-User", "aaa"), *JSON)
    assert json.loads(kept.request_body) == {"name": "aaa", "id": 11}
    assert json.loads(kept.answer_body) == {
        "items": [{"name": "aaa", "state": "ACTIVE"}],
        "labels": {"aaa": "aaa"},
    }


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("$.items[*].name", {"items": [{"name": "kim"}]}, {"items": [{"name": "kim"}]}),
        ("$.labels{*}", {"labels": {"eu": "kim"}}, {"labels": {"aa": "kim"}}),
        ("$.labels.{*}", {"labels": {"eu": "kim"}}, {"labels": {"aa": "kim"}}),
        ('$["name"]', {"name": "kim"}, {"name": "kim"}),
        ("$.name", {"items": [{"name": "kim"}]}, {"items": [{"name": "aaa"}]}),
        ("$.secret", {"secret": "kim"}, {"secret": "aaa"}),
        ("$.items", {"items": ["kim"]}, {"items": ["aaa"]}),
        ("request:$.name", {"name": "kim"}, {"name": "aaa"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_listed_paths_keep_the_scalars_at_that_very_place(
    path: str, value: Any, shown: Any
) -> None:
    rules = replace(RULES, kept=(path,))
    body = redacted_answer(json.dumps(value).encode(), JSON, rules)
    assert json.loads(body) == shown


def test_listed_parts_of_a_request_stay() -> None:
    rules = replace(
        RULES, kept=("request:/zone", "request:?filter", "request:$.name", "header:x-user")
    )
    shown = redacted(KIM, rules)
    assert shown.target == "/zones/kim.example?filter=kim&state=ACTIVE&aaaaaa=1"
    assert json.loads(shown.request_body) == {"name": "kim", "id": 11}
    assert ("X-User", "kim") in shown.request_headers


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "X-Session-Id", "My-Auth", "x-api-key"]
)
def test_no_list_reveals_a_header_with_credentials(name: str) -> None:
    rules = replace(RULES, kept=(f"header:{name.lower()}",))
    kept = redacted(replace(KIM, request_headers=((name, "kim"),)), rules)
    assert kept.request_headers == ((name, "aaa"),)


def test_a_path_that_does_not_fit_its_template_is_hidden_as_a_whole() -> None:
    assert redacted(replace(KIM, target="/a/kim/c"), RULES).target == "/a/aaa/a"


def test_a_verb_of_the_template_stays_and_no_other() -> None:
    rules = replace(RULES, verb="check", segments=lambda _: [None, "zone"])
    assert redacted(replace(KIM, target="/zones/kim:check"), rules).target == "/zones/aaa:check"
    assert redacted(replace(KIM, target="/zones/kim:tom"), rules).target == "/zones/aaa:aaa"


def test_members_whose_hidden_names_are_alike_are_all_kept() -> None:
    body = redacted_answer(b'{"labels": {"kim": 1, "tom": 2}}', JSON, RULES)
    assert json.loads(body) == {"labels": {"aaa": 1, "aaa-2": 1}}


def test_the_order_of_members_changes_no_hidden_name() -> None:
    bodies = (b'{"labels": {"kim": 1, "tom": "x"}}', b'{"labels": {"tom": "x", "kim": 1}}')
    one, other = (json.loads(redacted_answer(body, JSON, RULES)) for body in bodies)
    assert one == other


@pytest.mark.parametrize(
    ("media_type", "body", "shown"),
    [
        ("application/x-ndjson", b'{"name":"kim"}\n{"id":7}\n', b'{"name": "aaa"}\n{"id": 1}\n'),
        ("text/event-stream", b'data: {"name":"kim"}\n\n', b'data: {"name": "aaa"}\n\n'),
        ("application/x-www-form-urlencoded", b"name=kim&kim=1", b"name=aaa&aaa=1"),
        ("text/plain", b"Kim 17\n", b"Aaa 11\n"),
        ("application/json", b'{"name": "kim', b'{"aaaa": "aaa'),
        ("image/png", b"\x89PNG", b"\0\0\0\0"),
    ],
    ids=["ndjson", "events", "form", "text", "broken", "bytes"],
)
def test_bodies_of_every_type_are_hidden(media_type: str, body: bytes, shown: bytes) -> None:
    assert redacted_answer(body, (("content-type", media_type),), RULES) == shown


def test_elements_of_a_stream_are_kept_by_the_path_of_an_element() -> None:
    rules = replace(RULES, kept=("$[*].name",))
    headers = (("content-type", "application/x-ndjson"),)
    assert redacted_answer(b'{"name":"kim"}', headers, rules) == b'{"name": "kim"}'


def test_a_body_that_is_too_deep_is_hidden() -> None:
    deep = b"[" * 100_000 + b'"kim"' + b"]" * 100_000
    assert b"kim" not in redacted_answer(deep, JSON, RULES)
