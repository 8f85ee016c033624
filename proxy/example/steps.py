"""The steps of the walk, as data: what is sent, which side must answer, and with what.

Each block of steps leaves the data as it found it, so that the walk can be walked again.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from proxy.example.expect import (
    Check,
    body_starts,
    has_header,
    has_records,
    holds,
    is_array_of,
    is_empty,
    is_events_of,
    is_json,
    is_lines_of,
    lacks,
    mentions,
)
from proxy.example.seed import LARGE_ZONE_RECORDS


class Side(Enum):
    """Who answers: the values of the header `x-cutover-side`."""

    GRPC = "grpc"
    LEGACY = "legacy"
    PROXY = "proxy"


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
        "a method that only the legacy host can refuse",
        "DELETE",
        _ZONE,
        Side.LEGACY,
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
