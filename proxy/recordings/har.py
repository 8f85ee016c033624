"""HAR 1.2: exchanges as browsers and recorders write them.

Belongs here: entries both ways, and what stands around them. Does not: lines of JSON
(`json_lines`).

What HAR has no member for stands in `_cutover`, as the format lets every tool have members of its
own that begin with an underscore.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from proxy.recordings.bodies import body_members, body_of, time_of, time_text
from proxy.recordings.exchange import (
    Headers,
    NoRecording,
    Recorded,
    header_of,
    plain_headers,
)

_VERSION: Final = "1.2"
_OURS: Final = "_cutover"
_HTTP: Final = "HTTP/1.1"
#: Sizes of heads and times of phases that nobody has measured.
_UNKNOWN: Final = -1


def opening(creator_version: str) -> bytes:
    """What stands before the entries; a comma goes between two of them."""
    creator = {"name": "cutover", "version": creator_version}
    head = orjson.dumps({"version": _VERSION, "creator": creator})
    return b'{"log":' + head[:-1] + b',"entries":[\n'


CLOSING: Final = b"\n]}}\n"


def har_entry(recorded: Recorded) -> dict[str, Any]:
    """An exchange as an entry of `log.entries`."""
    milliseconds = round(recorded.duration_s * 1e3, 3)
    return {
        "startedDateTime": time_text(recorded.at_s),
        "time": milliseconds,
        "request": _request(recorded),
        "response": _response(recorded),
        "cache": {},
        "timings": {"send": 0, "wait": milliseconds, "receive": 0},
        _OURS: {
            "route": recorded.route,
            "rpc": recorded.rpc,
            "side": recorded.side,
            "redacted": recorded.redacted,
            "kept": list(recorded.kept),
        },
    }


def _request(recorded: Recorded) -> dict[str, Any]:
    host = header_of(recorded.request_headers, "host") or "host.invalid"
    pairs = parse_qsl(recorded.query, keep_blank_values=True)
    request: dict[str, Any] = {
        "method": recorded.http_method,
        "url": f"http://{host}{recorded.target}",
        "httpVersion": _HTTP,
        "cookies": [],
        "headers": _named(recorded.request_headers),
        "queryString": _named(pairs),
        "headersSize": _UNKNOWN,
        "bodySize": len(recorded.request_body),
    }
    if recorded.request_body:
        media_type = header_of(recorded.request_headers, "content-type")
        text = body_members(recorded.request_body, "text", "_encoding")
        request["postData"] = {"mimeType": media_type, "params": [], **text}
    return request


def _response(recorded: Recorded) -> dict[str, Any]:
    body, headers = recorded.answer_body, recorded.answer_headers
    return {
        "status": recorded.http_status,
        "statusText": "",
        "httpVersion": _HTTP,
        "cookies": [],
        "headers": _named(headers),
        "content": {
            "size": len(body),
            "mimeType": header_of(headers, "content-type"),
            **body_members(body, "text", "encoding"),
        },
        "redirectURL": header_of(headers, "location"),
        "headersSize": _UNKNOWN,
        "bodySize": len(body),
    }


def _named(pairs: Any) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def har_entries(root: Any) -> Iterator[Any]:
    """The entries of a whole HAR document. Raises `NoRecording` when it is none."""
    log = root.get("log") if isinstance(root, Mapping) else None
    entries = log.get("entries") if isinstance(log, Mapping) else None
    if not isinstance(entries, list):
        raise NoRecording("has no log.entries")
    yield from entries


def har_exchange(entry: Any) -> Recorded:
    """The exchange of an entry. Raises `NoRecording`."""
    request, response = _member(entry, "request"), _member(entry, "response")
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        raise NoRecording("has no method and URL")
    status, time_ms, ours = response.get("status"), entry.get("time"), entry.get(_OURS)
    told = ours if isinstance(ours, Mapping) else {}
    return Recorded(
        method.upper(),
        _target(url),
        _headers(request.get("headers")),
        body_of(request.get("postData"), "text", "_encoding"),
        status if isinstance(status, int) else 0,
        _headers(response.get("headers")),
        body_of(response.get("content"), "text", "encoding"),
        time_of(entry.get("startedDateTime")),
        max(0.0, time_ms / 1e3) if isinstance(time_ms, int | float) else 0.0,
        route=str(told.get("route") or ""),
        rpc=str(told.get("rpc") or ""),
        side=str(told.get("side") or ""),
        redacted=told.get("redacted") is True,
        kept=tuple(map(str, told.get("kept") or ())),
    )


def _member(entry: Any, key: str) -> Mapping[str, Any]:
    member = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(member, Mapping):
        raise NoRecording(f"has no {key}")
    return member


def _target(url: str) -> str:
    """Path and query of a URL, as they were sent: the origin and the fragment stay behind."""
    url = url.partition("#")[0]
    if not url.startswith("/"):
        rest = url.partition("://")[2]
        slash, mark = rest.find("/"), rest.find("?")
        if slash < 0 or 0 <= mark < slash:
            url = "/" + rest[mark:] if mark >= 0 else "/"
        else:
            url = rest[slash:]
    return url


def _headers(value: Any) -> Headers:
    pairs = value if isinstance(value, list) else []
    named = [each for each in pairs if isinstance(each, Mapping) and "name" in each]
    return plain_headers(tuple((str(e["name"]), str(e.get("value", ""))) for e in named))
