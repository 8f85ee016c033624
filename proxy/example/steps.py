"""The steps of the walk, as data: what is sent, which side must answer, and with what.

Each block of steps leaves the data as it found it, so that the walk can be walked again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from proxy.example.seed import LARGE_ZONE_RECORDS


class Side(Enum):
    """Who answers: the values of the header `x-cutover-side`."""

    GRPC = "grpc"
    LEGACY = "legacy"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names in lower case, the body inflated, the time to its last byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    elapsed_ms: float

    def header(self, name: str) -> str:
        """The values of a header, joined as HTTP does; "" when it is not there."""
        return ", ".join(value for key, value in self.headers if key == name)

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is not."""
        return json.loads(self.body)


Check = Callable[[Answer], str]
"""Says what is wrong with an answer; "" when nothing is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the walk. `{page}` in *path* is the page token of the answer before."""

    name: str
    method: str
    path: str
    side: Side
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    checks: tuple[Check, ...] = ()
    shown: bool = False


def holds(**expected: object) -> Check:
    """The JSON has these members with these values, at whatever else it has."""
    return lambda answer: _difference(expected, answer.json(), "")


def lacks(name: str) -> Check:
    """The JSON has no such member."""
    return lambda answer: f"{name} is still there" if name in answer.json() else ""


def is_json(expected: object) -> Check:
    """The JSON is just that."""
    return lambda answer: "" if answer.json() == expected else f"not {expected}"


def has_header(name: str, part: str) -> Check:
    """The header has *part* in it."""
    return lambda answer: "" if part in answer.header(name) else f"{name}: no {part!r}"


def body_starts(text: str) -> Check:
    """The body begins with *text*."""
    return lambda answer: "" if answer.body.startswith(text.encode()) else f"no {text!r} at first"


def mentions(text: str) -> Check:
    """The body says *text* somewhere."""
    return lambda answer: "" if text.encode() in answer.body else f"does not mention {text!r}"


def is_empty(answer: Answer) -> str:
    """The answer has no body."""
    return f"a body of {len(answer.body)} bytes" if answer.body else ""


def has_records(count: int) -> Check:
    """The JSON has a list of so many records."""
    return lambda answer: _counted(answer.json().get("records", []), count)


def is_array_of(count: int) -> Check:
    """The body is a JSON array of so many records."""
    return lambda answer: _counted(answer.json(), count)


def is_lines_of(count: int) -> Check:
    """The body is NDJSON of so many records."""
    return lambda answer: _counted([json.loads(line) for line in answer.body.splitlines()], count)


def is_events_of(count: int) -> Check:
    """The body is server-sent events with so many records."""
    return lambda answer: _counted(_events(answer.body), count)


def _counted(records: list[Mapping[str, Any]], count: int) -> str:
    if len(records) != count:
        return f"{len(records)} records where {count} must be"
    return "" if all("name" in record for record in records) else "an item is not a record"


def _events(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


def _difference(expected: object, found: object, path: str) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        inner = (_difference(expected[key], found.get(key), f"{path}.{key}") for key in expected)
        return next((text for text in inner if text), "")
    return "" if expected == found else f"{path[1:]} is {found!r}, not {expected!r}"


_ZONE: Final = "/v4/zones/example.com"
_RECORDS: Final = f"{_ZONE}/records"
_WALKED: Final = f"{_RECORDS}/walked"
_LARGE: Final = "/v4/zones/large.example:export"
_JSON: Final = (("content-type", "application/json"),)
_ZONE_FILE: Final = (("content-type", "text/dns"),)
_NEW: Final = '{"host": "walked", "type": "A", "ipv4": "192.0.2.7", "ttl": "60s", "comment": "new"}'

_READS: Final = (
    Step(
        "get a zone",
        "GET",
        _ZONE,
        Side.GRPC,
        checks=(
            holds(name="zones/example.com", state="ACTIVE", defaultTtl="3600s", signed=True),
            has_header("content-type", "application/json"),
            has_header("x-zone-serial", "9007199254740"),
        ),
        shown=True,
    ),
    Step("the same by HEAD", "HEAD", _ZONE, Side.GRPC, checks=(is_empty,)),
    Step(
        "get a record by its resource name",
        "GET",
        f"{_RECORDS}/www-1",
        Side.GRPC,
        checks=(holds(name="zones/example.com/records/www-1", weight=0.75, tags={"env": "prod"}),),
    ),
    Step(
        "list records, first page",
        "GET",
        f"{_RECORDS}?pageSize=20",
        Side.GRPC,
        checks=(has_records(20),),
        shown=True,
    ),
    Step(
        "list records, next page",
        "GET",
        f"{_RECORDS}?pageSize=20&pageToken={{page}}",
        Side.GRPC,
        checks=(has_records(20), mentions("host-0030")),
    ),
    Step(
        "list records by type and label",
        "GET",
        f"{_RECORDS}?types=A&types=AAAA&tags[env]=prod",
        Side.GRPC,
        checks=(has_records(2), holds(totalSize=2)),
    ),
    Step(
        "name servers (response_body)",
        "GET",
        f"{_ZONE}/nameservers",
        Side.GRPC,
        checks=(mentions("198.51.100.53"), body_starts("[")),
    ),
    Step(
        "a compressed answer",
        "GET",
        f"{_RECORDS}?pageSize=70",
        Side.GRPC,
        headers=(("accept-encoding", "gzip"),),
        checks=(has_header("content-encoding", "gzip"), has_records(70)),
    ),
    Step(
        "download the zone file (HttpBody)",
        "GET",
        f"{_ZONE}/file",
        Side.GRPC,
        checks=(has_header("content-type", "text/dns"), body_starts("$ORIGIN example.com.\n")),
        shown=True,
    ),
)

_WRITES: Final = (
    Step(
        "create a record",
        "POST",
        f"{_RECORDS}?recordId=walked",
        Side.GRPC,
        headers=_JSON,
        body=_NEW,
        checks=(holds(name="zones/example.com/records/walked", revision="1", ttl="60s"),),
    ),
    Step(
        "change one field (PATCH)",
        "PATCH",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"ttl": "120s"}',
        checks=(holds(ttl="120s", comment="new", ipv4="192.0.2.7", revision="2"),),
    ),
    Step(
        "clear one field (PATCH with null)",
        "PATCH",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"comment": null}',
        checks=(lacks("comment"), holds(ttl="120s", revision="3")),
    ),
    Step(
        "replace the record (PUT)",
        "PUT",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"host": "walked", "type": "A", "ipv4": "192.0.2.8"}',
        checks=(lacks("ttl"), holds(ipv4="192.0.2.8", revision="4")),
    ),
    Step(
        "verify it (custom verb): the secondary lags",
        "POST",
        f"{_WALKED}:verify",
        Side.GRPC,
        headers=_JSON,
        body="{}",
        checks=(lacks("consistent"), mentions("192.0.2.7")),
    ),
    Step("delete it", "DELETE", _WALKED, Side.GRPC, checks=(is_json({}),)),
    Step(
        "verify another: all agree",
        "POST",
        f"{_RECORDS}/www-1:verify",
        Side.GRPC,
        headers=_JSON,
        body='{"nameservers": ["ns2.example.net."]}',
        checks=(holds(consistent=True),),
        shown=True,
    ),
)

_STREAMS: Final = (
    Step(
        "stream a large zone, JSON array",
        "GET",
        _LARGE,
        Side.GRPC,
        checks=(has_header("content-type", "application/json"), is_array_of(LARGE_ZONE_RECORDS)),
    ),
    Step(
        "stream it, NDJSON",
        "GET",
        _LARGE,
        Side.GRPC,
        headers=(("accept", "application/x-ndjson"),),
        checks=(
            has_header("content-type", "application/x-ndjson"),
            is_lines_of(LARGE_ZONE_RECORDS),
        ),
        shown=True,
    ),
    Step(
        "stream it, server-sent events",
        "GET",
        _LARGE,
        Side.GRPC,
        headers=(("accept", "text/event-stream"),),
        checks=(has_header("content-type", "text/event-stream"), is_events_of(LARGE_ZONE_RECORDS)),
    ),
    Step(
        "stream a zone without records",
        "GET",
        "/v4/zones/fresh.example:export",
        Side.GRPC,
        checks=(is_json([]),),
    ),
)

_HELLO: Final = (
    Step(
        "hello by POST (service config)",
        "POST",
        "/hello",
        Side.GRPC,
        headers=_JSON,
        body='{"Name": "Ada"}',
        checks=(is_json({}),),
        shown=True,
    ),
    Step("hello by GET", "GET", "/hello/Ada", Side.GRPC, checks=(is_json({}),)),
)

_ERRORS: Final = (
    Step(
        "a record that is not there",
        "GET",
        f"{_RECORDS}/none",
        Side.GRPC,
        404,
        checks=(holds(code=5), mentions("google.rpc.ResourceInfo")),
        shown=True,
    ),
    Step(
        "a stream of a zone that is not there",
        "GET",
        "/v4/zones/none.example:export",
        Side.GRPC,
        404,
        checks=(holds(code=5),),
    ),
    Step(
        "a record that the server refuses",
        "POST",
        _RECORDS,
        Side.GRPC,
        400,
        headers=_JSON,
        body='{"host": "walked", "type": "A", "ipv4": "nowhere"}',
        checks=(holds(code=3), mentions("record.ipv4")),
    ),
    Step(
        "an alias beside other records",
        "POST",
        _RECORDS,
        Side.GRPC,
        400,
        headers=_JSON,
        body='{"host": "www", "type": "CNAME", "target": "example.net."}',
        checks=(holds(code=9), mentions("google.rpc.PreconditionFailure")),
    ),
    Step(
        "a record that is there already",
        "POST",
        f"{_RECORDS}?recordId=blog",
        Side.GRPC,
        409,
        headers=_JSON,
        body=_NEW,
        checks=(holds(code=6),),
    ),
    Step(
        "a value of the wrong form",
        "POST",
        _RECORDS,
        Side.PROXY,
        400,
        headers=_JSON,
        body='{"host": "walked", "type": "A", "ttl": "soon"}',
        checks=(holds(code=3), mentions("record.ttl")),
        shown=True,
    ),
    Step(
        "the wrong method",
        "DELETE",
        _ZONE,
        Side.PROXY,
        405,
        checks=(has_header("allow", "GET"), holds(code=12)),
    ),
)

_LEGACY: Final = (
    Step(
        "import a zone file: mapped, still legacy",
        "POST",
        f"{_ZONE}/file?validateOnly=true",
        Side.LEGACY,
        headers=_ZONE_FILE,
        body="walked IN A 192.0.2.9\nblog IN CNAME www.example.com.\n",
        checks=(is_json({"added": 1, "present": 1}),),
    ),
    Step(
        "list the zones: not mapped",
        "GET",
        "/v4/zones",
        Side.LEGACY,
        checks=(mentions("zones/large.example"),),
        shown=True,
    ),
    Step(
        "purge the cache: not mapped",
        "POST",
        f"{_ZONE}/purge_cache",
        Side.LEGACY,
        202,
        checks=(is_json({"purged": "example.com"}),),
    ),
    Step(
        "a redirect stays a redirect",
        "GET",
        "/zones",
        Side.LEGACY,
        301,
        checks=(has_header("location", "/v4/zones"), is_empty),
    ),
    Step(
        "cookies come through",
        "GET",
        "/status",
        Side.LEGACY,
        checks=(has_header("set-cookie", "session=legacy-1"), has_header("set-cookie", "theme")),
    ),
    Step("what nobody knows", "GET", "/nothing/here", Side.LEGACY, 404),
)

STEPS: Final = _READS + _WRITES + _STREAMS + _HELLO + _ERRORS + _LEGACY
