"""What a proxy does to headers that pass through it: hop-by-hop ones out, its own hop added.

Belongs here: RFC 9110 §7.6.1, `X-Forwarded-*`, `Forwarded` (RFC 7239), as pure functions.
Does not: gRPC metadata (`transcoding.metadata`), framing on a connection (`upstreams.rest`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Pair = tuple[str, str]

#: Headers that mean something to one connection only, lower case (RFC 9110 §7.6.1; the older
#: ones as RFC 2616 §13.5.1 has them).
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

#: What a `Connection` header may name but never remove: the sender of a request must not be able
#: to take away what identifies it, what frames its body, or what a proxy before us added.
_PROTECTED: Final = frozenset(
    {
        "authorization",
        "baggage",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "set-cookie",
        "traceparent",
        "tracestate",
    }
)
_PROTECTED_PREFIX: Final = "x-forwarded-"

#: Options of `Connection` that name no header.
_CONNECTION_OPTIONS: Final = frozenset({"", "close", "keep-alive"})

_FOR: Final = "x-forwarded-for"
_PROTO: Final = "x-forwarded-proto"
_HOST: Final = "x-forwarded-host"
_FORWARDED: Final = "forwarded"
_OWN: Final = frozenset({_FOR, _PROTO, _HOST, _FORWARDED})

#: One element of a comma-separated list whose parts may be quoted (RFC 9110 §5.6.4).
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a request reached us: the peer's address, "http" or "https", and the Host it named."""

    peer: str
    scheme: str
    host: str


def end_to_end(headers: Iterable[Pair]) -> list[Pair]:
    """The *headers* without those of one hop; order, case and duplicates kept.

    >>> end_to_end([("Connection", "x-hop, Host"), ("X-Hop", "1"), ("Host", "h"), ("TE", "gzip")])
    [('Host', 'h')]
    """
    kept: list[Pair] = []
    options: list[str] = []
    for pair in headers:
        name = pair[0].lower()
        if name not in HOP_BY_HOP:
            kept.append(pair)
        elif name == "connection":
            options.append(pair[1])
    named = named_by(options)
    return [pair for pair in kept if pair[0].lower() not in named] if named else kept


def named_by(options: Sequence[str]) -> frozenset[str]:
    """The headers that `Connection` values remove, lower case."""
    if not options:
        return frozenset()
    names = {part.strip(" \t").lower() for value in options for part in value.split(",")}
    return frozenset(
        name
        for name in names - _CONNECTION_OPTIONS - _PROTECTED
        if not name.startswith(_PROTECTED_PREFIX)
    )


def request_headers(
    headers: Iterable[Pair], arrival: Arrival, *, trusted_hops: int = 0
) -> list[Pair]:
    """The headers of a request that passes on: end to end, with our hop added.

    *trusted_hops* is the number of proxies in front of us whose word is taken. With 0, what the
    client says in `X-Forwarded-*` and `Forwarded` is replaced. With N, the last N entries of
    `X-Forwarded-For` and `Forwarded` are kept, since only those were written by a trusted proxy,
    and `X-Forwarded-Proto` and `-Host` are kept when the nearest of them sent them.

    >>> request_headers([("X-Forwarded-For", "spoof, 192.0.2.7")],
    ...     Arrival("10.0.0.1", "http", "api.example"), trusted_hops=1)[0]
    ('X-Forwarded-For', '192.0.2.7, 10.0.0.1')
    """
    passed = end_to_end(headers)
    said = [pair for pair in passed if pair[0].lower() in _OWN]
    if said:
        passed = [pair for pair in passed if pair[0].lower() not in _OWN]
    trusted = _by_name(said) if trusted_hops else {}
    passed.extend(_own_headers(trusted, arrival, trusted_hops))
    return passed


def _by_name(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.lower(), []).append(value)
    return values


def _own_headers(
    said: dict[str, list[str]], arrival: Arrival, trusted_hops: int
) -> tuple[Pair, ...]:
    fors = (*_last(said.get(_FOR, ()), trusted_hops), arrival.peer or "unknown")
    elements = (*_last(said.get(_FORWARDED, ()), trusted_hops), _forwarded_element(arrival))
    return (
        ("X-Forwarded-For", ", ".join(fors)),
        ("X-Forwarded-Proto", said.get(_PROTO, [arrival.scheme])[-1]),
        ("X-Forwarded-Host", said.get(_HOST, [arrival.host])[-1]),
        ("Forwarded", ", ".join(elements)),
    )


def _last(values: Sequence[str], count: int) -> list[str]:
    """The last *count* elements of a list that may be spread over several headers."""
    if not values:
        return []
    elements = (found.strip(" \t") for found in _ELEMENT.findall(",".join(values)))
    return [element for element in elements if element][-count:]


def _forwarded_element(arrival: Arrival) -> str:
    node = f"[{arrival.peer}]" if ":" in arrival.peer else arrival.peer or "unknown"
    return f"for={_quoted(node)};host={_quoted(arrival.host)};proto={_quoted(arrival.scheme)}"


def _quoted(text: str) -> str:
    """*text* as it is when it is a token, else as a quoted string."""
    if _TOKEN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def client_address(headers: Iterable[Pair], peer: str, *, trusted_hops: int = 0) -> str:
    """Where a request came from: the peer, or what the outermost trusted proxy saw.

    >>> client_address([("X-Forwarded-For", "spoof, 192.0.2.7")], "10.0.0.1", trusted_hops=1)
    '192.0.2.7'
    """
    if not trusted_hops:
        return peer
    said = [value for name, value in headers if name.lower() == _FOR]
    trusted = _last(said, trusted_hops)
    return trusted[0] if trusted else peer
