"""Recordings as files: what is written is read back, and what others write is read."""

import orjson
import pytest

from proxy.recordings.exchange import NoRecording, Recorded
from proxy.recordings.har import CLOSING, har_entry, har_exchange, opening
from proxy.recordings.json_lines import json_line, read_recording

WHOLE = Recorded(
    "POST",
    "/v1/zones/a%2Fb?x=1&y",
    (("host", "dns.example"), ("content-type", "application/json")),
    b'{"a": 1}',
    201,
    (("content-type", "image/png"), ("location", "/v1/zones/b")),
    b"\x89PNG\xff",
    at_s=1795384561.822,
    duration_s=0.25,
    route="create-zone",
    rpc="dns.v1.Zones.Create",
    side="legacy",
    redacted=True,
    kept=("$.a",),
)
BARE = Recorded("GET", "/", (), b"", 204, (), b"")


def har(*recorded: Recorded) -> bytes:
    return opening("0") + b",\n".join(orjson.dumps(har_entry(e)) for e in recorded) + CLOSING


def test_lines_are_read_as_they_were_written() -> None:
    data = json_line(WHOLE) + b"\n" + json_line(BARE)
    assert [*read_recording(data)] == [WHOLE, BARE]
    assert [*read_recording(b"\xef\xbb\xbf" + json_line(BARE))] == [BARE]


def test_har_is_read_as_it_was_written() -> None:
    assert [*read_recording(har(WHOLE, BARE))] == [WHOLE, BARE]


def test_har_has_what_the_format_requires() -> None:
    entry = har_entry(WHOLE)
    assert orjson.loads(har(WHOLE))["log"]["version"] == "1.2"
    assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= set(entry)
    request = {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize"}
    assert request | {"bodySize"} <= set(entry["request"])
    response = {"status", "statusText", "httpVersion", "cookies", "headers", "content"}
    assert response | {"redirectURL", "headersSize", "bodySize"} <= set(entry["response"])
    assert set(entry["timings"]) == {"send", "wait", "receive"}
    assert entry["request"]["queryString"] == [
        {"name": "x", "value": "1"},
        {"name": "y", "value": ""},
    ]


def test_no_recording_at_all_is_empty() -> None:
    assert [*read_recording(b" \n")] == []


def test_what_a_browser_adds_about_the_transport_is_left_out() -> None:
    entry = har_entry(BARE)
    entry["request"]["headers"] = [
        {"name": ":authority", "value": "x"},
        {"name": "a", "value": "b"},
    ]
    entry["response"]["headers"] = [{"name": "Content-Encoding", "value": "br"}]
    del entry["_cutover"], entry["time"]
    read = har_exchange(entry)
    assert (read.request_headers, read.answer_headers) == ((("a", "b"),), ())


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://host:1/a?b#c", "/a?b"),
        ("https://host", "/"),
        ("https://host?b=/c", "/?b=/c"),
        ("/a", "/a"),
    ],
)
def test_targets_are_taken_from_urls_as_they_were_sent(url: str, target: str) -> None:
    entry = har_entry(BARE)
    entry["request"]["url"] = url
    assert har_exchange(entry).target == target


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"[]", "line 2 is no object"),
        (b"{", "line 2 is no JSON"),
        (b'{"request": {}, "answer": {}}', "line 2 has no method and target"),
        (b'{"request": {"method": "GET", "target": "/"}, "answer": {}}', "line 2 has no status"),
        (
            b'{"request": {"method": "GET", "target": "/", "body": 1}, "answer": {"status": 1}}',
            "line 2 has a body that is no text",
        ),
        (
            json_line(WHOLE).replace(b"iVBOR", b"?"),
            "line 2 has a body that is no base64",
        ),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_read(line: bytes, told: str) -> None:
    first, bad, last = read_recording(json_line(BARE) + line + b"\n" + json_line(WHOLE))
    assert (first, last) == (BARE, WHOLE)
    assert isinstance(bad, NoRecording)
    assert str(bad).startswith(told)


@pytest.mark.parametrize("entry", [1, {}, {"request": {}, "response": {}}], ids=str)
def test_a_bad_entry_is_told(entry: object) -> None:
    data = orjson.dumps({"log": {"entries": [entry]}})
    [bad] = read_recording(data)
    assert isinstance(bad, NoRecording)
