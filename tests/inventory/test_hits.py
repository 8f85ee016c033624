"""Lines of logs: the formats that are read, and all that is wrong with the others."""

import json
import re

import pytest

from proxy.inventory.har import is_har, read_har
from proxy.inventory.hits import MAX_NAMES, BadLine, Hit, parse_line, parse_time
from proxy.telemetry.access_log import AccessEntry, AccessLog

COMBINED = (
    '192.0.2.1 - frank [31/Dec/2026:23:59:59 -0330] "GET /a%20b?x=1&y HTTP/1.1" 404 12 '
    '"http://start.example/" "Mozilla/5.0 [en] \\"quoted\\""'
)


def test_the_combined_format():
    hit = parse_line(COMBINED)
    assert hit == Hit("GET", "/a%20b", parse_time("2026-12-31T23:59:59-03:30"), 404, ("x", "y"))


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        ("GET /a HTTP/1.1", ("GET", "/a")),
        ("get /a", ("GET", "/a")),
        ("POST http://h.example/a/b?c=1 HTTP/2.0", ("POST", "/a/b")),
        ("GET http://h.example HTTP/1.1", ("GET", "/")),
        ("GET /a#b HTTP/1.1", ("GET", "/a")),
        (r"GET /a\x22b HTTP/1.1", ("GET", '/a"b')),
        ("GET //a HTTP/1.1", ("GET", "//a")),
        ("GET /r?to=http://x/ HTTP/1.1", ("GET", "/r")),
    ],
)
def test_request_lines(request_line: str, told: tuple[str, str]):
    hit = parse_line(f'::1 - - [01/Feb/2026:00:00:00 +0000] "{request_line}" 200 -')
    assert (hit.http_method, hit.path) == told


def test_our_own_log_is_read_as_it_is_written():
    lines: list[bytes] = []
    log = AccessLog(lines.append, clock=lambda: 1_795_384_561.5, call_later=_never)
    log.add(AccessEntry("PUT", "/v1/a", 503, 0.1, unknown_fields=("x", "y.z"), count=3))
    log.flush()
    hit = parse_line(b"".join(lines).decode())
    assert hit == Hit("PUT", "/v1/a", 1_795_384_561.5, 503, (), ("x", "y.z"), 3)


def _never(_delay_s, _call):
    class Timer:
        def cancel(self) -> None:
            """Nothing runs."""

    return Timer()


@pytest.mark.parametrize(
    "fields",
    [
        {"request_method": "GET", "request_uri": "/a?b=1", "time_iso8601": "2026-01-31T00:00:00Z"},
        {"method": "GET", "path": "/a?b=1", "start_time": "2026-01-31T00:00:00.000Z"},
        {"http_method": "GET", "url": "https://h/a?b=2", "ts": 1_769_817_600},
    ],
    ids=["nginx", "envoy", "others"],
)
def test_json_of_other_servers(fields: dict[str, object]):
    hit = parse_line(json.dumps(fields | {"status": "200"}))
    assert hit == Hit("GET", "/a", 1_769_817_600.0, 200, ("b",))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "neither JSON nor"),
        ("hello", "neither JSON nor"),
        ('::1 - - [x] "GET /a" 2', "neither JSON nor"),
        ('::1 - - [x] "\\x16\\x03\\x01" 400 0', "no request line"),
        ('::1 - - [x] "-" 408 0', "no request line"),
        ('::1 - - [x] "CONNECT h.example:443 HTTP/1.1" 405 0', "has no path"),
        ('::1 - - [x] "OPTIONS * HTTP/1.1" 200 0', "has no path"),
        ("{", "is no JSON"),
        ("{}", "has no method and path"),
        ('{"method": "GET"}', "has no method and path"),
        ('{"method": 1, "path": "/a"}', "has no method and path"),
        ('{"method": "GET", "path": "a"}', "has no path"),
    ],
)
def test_bad_lines_say_why(line: str, why: str):
    with pytest.raises(BadLine, match=re.escape(why)):
        parse_line(line)


def test_a_time_that_is_none_leaves_the_rest():
    for time in ("31/Foo/2026:00:00:00 +0000", "31/Feb/2026:00:00:00 +0000", "yesterday"):
        hit = parse_line(f'::1 - - [{time}] "GET /a" 200 1')
        assert (hit.path, hit.at_s) == ("/a", None)
    assert parse_time(True) is None
    assert parse_time("2026-01-31") == parse_time("2026-01-31T00:00:00Z")


def test_a_line_made_to_hurt_is_refused_in_time():
    for line in ("- - " * 16_000, '- - [x] "' + "\\" * 60_001, "[ " * 30_000):
        with pytest.raises(BadLine):
            parse_line(line)


def test_names_of_a_query_have_an_end_and_no_values():
    query = "&".join(f"n{n}=secret" for n in range(1000))
    hit = parse_line(json.dumps({"method": "GET", "path": f"/a?{query}&n1=x"}))
    assert hit.names == tuple(f"n{n}" for n in range(MAX_NAMES))
    assert parse_line('{"method": "GET", "path": "/a?&a%5B%5D=1&a[]=2"}').names == ("a[]",)


def test_har_entries_and_bad_ones():
    good = {
        "startedDateTime": "2026-01-31T00:00:00Z",
        "request": {"method": "GET", "url": "https://h/a?b=1"},
        "response": {"status": 201},
    }
    entries = [good, {}, {"request": {"method": "GET"}}, {"request": {"method": "GET", "url": ""}}]
    data = json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()
    assert is_har(data)
    hit, *bad = read_har(b"\xef\xbb\xbf" + data)
    assert hit == Hit("GET", "/a", 1_769_817_600.0, 201, ("b",))
    assert [str(each) for each in bad] == [
        "has no request",
        "has no method and URL",
        "the request has no path",
    ]


@pytest.mark.parametrize("data", [b'{"log": ', b'{"log": {}}', b'{"log": {"entries": 1}}', b"[]"])
def test_what_is_no_har_is_refused(data: bytes):
    with pytest.raises(BadLine):
        [*read_har(data)]
