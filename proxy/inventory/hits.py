"""One request of the past, as a log tells it: a line of JSON, of the Common or Combined format.

Belongs here: a line to a `Hit`. Does not: files (`sources.traffic`), HAR (`har`), counting
(`traffic`).

Of a query only the names are taken: the values are people's own.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

import orjson

#: Names of one query that are kept; a crawler's may have thousands.
MAX_NAMES: Final = 50

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
#: `host ident user [time] "request" status bytes`, whatever follows. Every part ends at a character
#: that it cannot hold, so that no line takes longer than its length.
_COMMON: Final = re.compile(
    r"(?P<host>\S+) (?P<ident>\S+) (?P<user>[^\[]*)\[(?P<time>[^\]]*)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-)(?:\s|$)'
)
_TIME: Final = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_REQUEST: Final = re.compile(r"([A-Za-z]{1,20}) (\S+)(?: HTTP/\d(?:\.\d)?)?")
_ESCAPE: Final = re.compile(r"\\x([0-9A-Fa-f]{2})|\\(.)")

#: What the parts of a request are called: by our own log first, then by nginx, Envoy and others.
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "method": ("method", "request_method", "http_method", "verb"),
    "path": ("path", "request_uri", "uri", "url", "request_path"),
    "time": ("time", "timestamp", "time_iso8601", "@timestamp", "start_time", "ts"),
    "status": ("status", "response_code", "status_code"),
}


class Hit(NamedTuple):
    """A request that was made, *times* alike.

    *path* is raw, without its query, of which *names* are the names. *at_s* is seconds since the
    epoch, None when nothing says it; *status* 0. *unknown* are the unknown fields that our own log
    tells of.
    """

    http_method: str
    path: str
    at_s: float | None = None
    status: int = 0
    names: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    times: int = 1


class BadLine(ValueError):
    """A line that tells of no request. The message says why."""


def parse_line(line: str) -> Hit:
    r"""Read a line of an access log. Raises `BadLine`.

    >>> hit = parse_line('::1 - - [22/Nov/2026:21:56:01 +0100] "GET /zones?page=2 HTTP/1.1" 200 17')
    >>> hit.http_method, hit.path, hit.at_s, hit.status, hit.names
    ('GET', '/zones', 1795380961.0, 200, ('page',))
    """
    return _json_line(line) if line.lstrip().startswith("{") else _common_line(line)


def hit_of(
    http_method: str,
    target: str,
    at_s: float | None,
    status: int,
    unknown: tuple[str, ...] = (),
    times: int = 1,
) -> Hit:
    """A hit by the target of its request line, or its URL. Raises `BadLine`."""
    path, _, query = _after_host(target).partition("#")[0].partition("?")
    if not path.startswith("/"):
        raise BadLine("the request has no path")
    return Hit(http_method.upper(), path, at_s, status, _names(query), unknown, times)


def parse_time(value: object) -> float | None:
    """Seconds since the epoch of an RFC 3339 text, or of a number that is such already.

    >>> parse_time("2026-11-22T21:56:01.822Z"), parse_time(1795384561), parse_time("soon")
    (1795384561.822, 1795384561.0, None)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _json_line(line: str) -> Hit:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"is no JSON: {error.msg}") from error
    method, target = _part(fields, "method"), _part(fields, "path")
    if not isinstance(method, str) or not isinstance(target, str) or not method:
        raise BadLine("has no method and path")
    status, unknown = _part(fields, "status"), fields.get("unknown_fields")
    names = unknown if isinstance(unknown, list) else []
    return hit_of(
        method,
        target,
        parse_time(_part(fields, "time")),
        _number(status),
        tuple(each for each in names if isinstance(each, str)),
        max(_number(fields.get("count")), 1),
    )


def _part(fields: Mapping[str, Any], part: str) -> Any:
    return next((fields[key] for key in _KEYS[part] if key in fields), None)


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _common_line(line: str) -> Hit:
    match = _COMMON.match(line)
    if match is None:
        raise BadLine("is neither JSON nor in the Common Log Format")
    request = _REQUEST.fullmatch(_unescaped(match["request"]))
    if request is None:
        raise BadLine("the request is no request line")
    return hit_of(request[1], request[2], _common_time(match["time"]), _number(match["status"]))


def _common_time(text: str) -> float | None:
    """The time; its text is read by hand, since month names of `strptime` follow the locale."""
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[index]) for index in (1, 3, 4, 5, 6))
    try:
        at = datetime(year, _MONTHS[match[2]], day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    offset_s = (int(match[8]) * 60 + int(match[9])) * 60
    return at.timestamp() - (offset_s if match[7] == "+" else -offset_s)


def _unescaped(text: str) -> str:
    r"""The request as it was sent: nginx and Apache write some characters as `\x22`."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


def _after_host(target: str) -> str:
    """The path and query of an absolute URL; other targets as they are."""
    head, separator, rest = target.partition("://")
    if not separator or "/" in head or "?" in head:
        return target
    return rest[rest.index("/") :] if "/" in rest else "/"


def _names(query: str) -> tuple[str, ...]:
    if not query:
        return ()
    pieces = query.split("&", MAX_NAMES)[:MAX_NAMES]
    names = (unquote_plus(piece.partition("=")[0]) for piece in pieces if piece)
    return tuple(dict.fromkeys(names))
