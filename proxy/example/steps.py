"""The steps of the walk, as data: what is sent, which side must answer, and with what.

Each block of steps leaves the data as it found it, so that the walk can be walked again.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from proxy.example.expect import (
    Check,
    body_starts,
    fails_with,
    has_header,
    has_pages,
    has_records,
    holds,
    is_array_of,
    is_empty,
    is_events_of,
    is_json,
    is_lines_of,
    lacks,
    mentions,
    result_holds,
)
from proxy.example.seed import LARGE_ZONE_RECORDS


class Side(Enum):
    """Who answers: the values of the header `x-cutover-side`."""

    GRPC = "grpc"
    LEGACY = "legacy"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the walk."""

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
_NEW: Final = '{"name": "walked", "type": "A", "ipv4": "192.0.2.7", "ttl": 60, "comment": "new"}'

_READS: Final = (
    Step(
        "get a zone",
        "GET",
        _ZONE,
        Side.GRPC,
        checks=(
            result_holds(id=2, name="example.com", status="active", default_ttl=3600, dnssec=1),
            has_header("content-type", "application/json"),
            has_header("x-zone-serial", "9007199254740"),
        ),
        shown=True,
    ),
    Step("the same by HEAD", "HEAD", _ZONE, Side.GRPC, checks=(is_empty,)),
    Step(
        "get a record",
        "GET",
        f"{_RECORDS}/www-1",
        Side.GRPC,
        checks=(result_holds(id=1009, name="www", weight=0.75, tags={"env": "prod"}),),
    ),
    Step(
        "get it by its number",
        "GET",
        f"{_RECORDS}/1009",
        Side.GRPC,
        checks=(result_holds(href=f"{_RECORDS}/www-1", created_on="2025-03-01 09:30:00.000000"),),
    ),
    Step(
        "list records, first page",
        "GET",
        f"{_RECORDS}?per_page=20",
        Side.GRPC,
        checks=(has_records(20), has_pages(1, 20, 73)),
        shown=True,
    ),
    Step(
        "list records, next page",
        "GET",
        f"{_RECORDS}?page=2&per_page=20",
        Side.GRPC,
        checks=(has_records(20), has_pages(2, 20, 73), mentions("host-0030")),
    ),
    Step(
        "list records by types (commas) and label",
        "GET",
        f"{_RECORDS}?type=A,AAAA&tags[env]=prod",
        Side.GRPC,
        checks=(has_records(2), has_pages(1, 50, 2)),
    ),
    Step(
        "name servers: a list as result",
        "GET",
        f"{_ZONE}/nameservers",
        Side.GRPC,
        checks=(mentions("198.51.100.53"), holds(success=True)),
    ),
    Step(
        "a compressed answer",
        "GET",
        f"{_RECORDS}?per_page=70",
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
        "create a record: 201 and its address",
        "POST",
        f"{_RECORDS}?label=walked",
        Side.GRPC,
        201,
        headers=_JSON,
        body=_NEW,
        checks=(
            result_holds(href=_WALKED, revision=1, ttl=60, weight=None),
            has_header("location", _WALKED),
        ),
    ),
    Step(
        "change one field (PATCH)",
        "PATCH",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"ttl": 120}',
        checks=(result_holds(ttl=120, comment="new", ipv4="192.0.2.7", revision=2),),
    ),
    Step(
        "clear one field (PATCH with null)",
        "PATCH",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"comment": null}',
        checks=(result_holds(comment=None, ttl=120, revision=3),),
    ),
    Step(
        "replace the record by one of another type (PUT)",
        "PUT",
        _WALKED,
        Side.GRPC,
        headers=_JSON,
        body='{"name": "walked", "type": "MX", "mx_priority": 0, "mx_exchange": "m.example."}',
        checks=(lacks("ipv4"), result_holds(ttl=None, mx_priority=0, revision=4)),
    ),
    Step(
        "verify it (custom verb): the secondary lags",
        "POST",
        f"{_WALKED}:verify",
        Side.GRPC,
        headers=_JSON,
        body="{}",
        checks=(result_holds(consistent=0), mentions("192.0.2.7")),
    ),
    Step("delete it: 204", "DELETE", _WALKED, Side.GRPC, 204, checks=(is_empty,)),
    Step(
        "verify another: all agree",
        "POST",
        f"{_RECORDS}/www-1:verify",
        Side.GRPC,
        headers=_JSON,
        body='{"name_servers": ["ns2.example.net."]}',
        checks=(result_holds(consistent=1),),
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

_NO_RESULT: Final = {"success": True, "errors": [], "messages": [], "result": {}}

_HELLO: Final = (
    Step(
        "hello by POST (service config)",
        "POST",
        "/hello",
        Side.GRPC,
        headers=_JSON,
        body='{"Name": "Ada"}',
        checks=(is_json(_NO_RESULT),),
        shown=True,
    ),
    Step("hello by GET", "GET", "/hello/Ada", Side.GRPC, checks=(is_json(_NO_RESULT),)),
)

_ERRORS: Final = (
    Step(
        "a record that is not there",
        "GET",
        f"{_RECORDS}/none",
        Side.GRPC,
        404,
        checks=(fails_with(81044),),
        shown=True,
    ),
    Step(
        "a stream of a zone that is not there",
        "GET",
        "/v4/zones/none.example:export",
        Side.GRPC,
        404,
        checks=(fails_with(7003),),
    ),
    Step(
        "a record that the server refuses, twice over",
        "POST",
        _RECORDS,
        Side.GRPC,
        400,
        headers=_JSON,
        body='{"name": "walked", "type": "A", "ttl": -1, "ipv4": "nowhere"}',
        checks=(fails_with(1004, 1004, field="ttl"), mentions('"ipv4"')),
    ),
    Step(
        "an alias beside other records",
        "POST",
        _RECORDS,
        Side.GRPC,
        412,
        headers=_JSON,
        body='{"name": "www", "type": "CNAME", "target": "example.net."}',
        checks=(fails_with(81053),),
    ),
    Step(
        "a record that is there already",
        "POST",
        f"{_RECORDS}?label=blog",
        Side.GRPC,
        409,
        headers=_JSON,
        body=_NEW,
        checks=(fails_with(81057),),
    ),
    Step(
        "a value of the wrong form",
        "POST",
        _RECORDS,
        Side.PROXY,
        400,
        headers=_JSON,
        body='{"name": "walked", "type": "MX", "mx_priority": "first"}',
        checks=(fails_with(1004, field="mx_priority"),),
        shown=True,
    ),
    Step(
        "a page that there cannot be",
        "GET",
        f"{_RECORDS}?page=0",
        Side.PROXY,
        400,
        checks=(fails_with(1004, field="page"),),
    ),
    Step(
        "a method that only the legacy host can refuse",
        "DELETE",
        _ZONE,
        Side.LEGACY,
        405,
        checks=(has_header("allow", "GET"), fails_with(7001)),
    ),
)

_LEGACY: Final = (
    Step(
        "import a zone file: mapped, still legacy",
        "POST",
        f"{_ZONE}/file?dry_run=1",
        Side.LEGACY,
        headers=_ZONE_FILE,
        body="walked IN A 192.0.2.9\nblog IN CNAME www.example.com.\n",
        checks=(result_holds(recs_added=1, recs_present=1),),
    ),
    Step(
        "list the zones: not mapped",
        "GET",
        "/v4/zones",
        Side.LEGACY,
        checks=(mentions('"large.example"'),),
        shown=True,
    ),
    Step(
        "purge the cache: not mapped",
        "POST",
        f"{_ZONE}/purge_cache",
        Side.LEGACY,
        202,
        checks=(result_holds(purged="example.com"),),
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
