"""Which headers become metadata and which metadata headers, as the peers have it.

Belongs here: the policies by their names, beside the allow-lists of `transcoding.metadata`, whose
limits and whose denied names hold for all of them. Does not: making a call (`upstreams`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, Literal

from proxy.errors import RequestError
from proxy.transcoding.forwarding import Arrival, named_by, request_headers
from proxy.transcoding.metadata import (
    MAX_METADATA_BYTES,
    PAIR_OVERHEAD_BYTES,
    PREFIX,
    Headers,
    HeaderView,
    Pairs,
    allow_list,
    compile_request_metadata,
    compile_response_headers,
    header_text,
    is_denied,
    is_metadata_name,
    too_large,
    unusual_pairs,
)

ForwardHeaders = Literal["list", "grpc-gateway", "all"]
ExposeMetadata = Literal["list", "grpc-gateway", "all"]
ExposeTrailers = Literal["always", "asked", "never"]

#: The request headers that grpc-gateway calls permanent (its runtime/context.go, after the IANA
#: registry of message headers) and passes on as metadata with this prefix.
PERMANENT_PREFIX: Final = "grpcgateway-"
PERMANENT: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-language",
        "accept-ranges",
        "authorization",
        "cache-control",
        "content-type",
        "cookie",
        "date",
        "expect",
        "from",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-schedule-tag-match",
        "if-unmodified-since",
        "max-forwards",
        "origin",
        "pragma",
        "referer",
        "user-agent",
        "via",
        "warning",
    }
)

#: How grpc-gateway calls headers that it makes of metadata, and of trailers.
_METADATA_HEADER: Final = "grpc-metadata-"
_TRAILER_HEADER: Final = "grpc-trailer-"

#: Headers of an answer that no metadata can be: we make them ourselves, or they frame the body.
_OURS: Final = frozenset({"date", "server"})
_OUR_PREFIX: Final = "x-cutover-"

_CONNECTION: Final = "connection"

#: What tells a server where a request came from, and what else clients could say about that.
_ORIGIN: Final = frozenset({"x-forwarded-for", "x-forwarded-host"})
_SPOOFED: Final = _ORIGIN | {"forwarded", "x-forwarded-proto"}


def request_metadata(
    policy: ForwardHeaders, allow: Collection[str], *, withheld: Collection[str] = ()
) -> Callable[[HeaderView], Pairs]:
    """Compile the function that makes a call's metadata, by *policy* and the allow-list *allow*.

    It does and raises what that of `compile_request_metadata` does with the headers of the list.
    Others, which nobody has named one by one, are left out where metadata cannot carry them, and
    where they are of the connection. Where a request came from is ours to say: what a client says
    of it is left out, by whatever name.

    >>> make = request_metadata("grpc-gateway", ["authorization"])
    >>> make({"Authorization": "Bearer x", "Cookie": "a=b"})
    (('authorization', 'Bearer x'), ('grpcgateway-authorization', 'Bearer x'), \
('grpcgateway-cookie', 'a=b'))
    >>> request_metadata("all", [])({"Cookie": "a=b", "Host": "h"})
    (('cookie', 'a=b'),)
    """
    if policy == "list":
        return compile_request_metadata(allow, withheld=withheld)
    withheld = _SPOOFED.union(withheld)
    allowed = allow_list(allow).difference(withheld)
    others = _everything if policy == "all" else _permanent

    def make(headers: HeaderView) -> Pairs:
        pairs: list[tuple[str, str | bytes]] = []
        of_hop = named_by([value for name, value in headers.items() if name.lower() == _CONNECTION])
        for header, value in headers.items():
            name = header.lower()
            if name in allowed or name.startswith(PREFIX):
                pairs += unusual_pairs(header, value, withheld)
            if name not in withheld and name not in of_hop:
                pairs += others(name, value, allowed)
        size = sum(len(name) + len(value) + PAIR_OVERHEAD_BYTES for name, value in pairs)
        if size > MAX_METADATA_BYTES:
            raise too_large(size, MAX_METADATA_BYTES)
        return tuple(pairs)

    return make


def _everything(
    name: str, value: str, allowed: Collection[str]
) -> Iterable[tuple[str, bytes | str]]:
    if name in allowed or is_denied(name) or not is_metadata_name(name):
        return ()
    return _carried(name, value)


def _permanent(name: str, value: str, _: Collection[str]) -> Iterable[tuple[str, bytes | str]]:
    return _carried(PERMANENT_PREFIX + name, value) if name in PERMANENT else ()


def _carried(name: str, value: str) -> Iterable[tuple[str, bytes | str]]:
    try:
        return unusual_pairs(name, value, ())
    except RequestError:
        # A client did not mean it for a server, so it is no fault of the request.
        return ()


def origin_metadata(headers: HeaderView, arrival: Arrival, trusted_hops: int) -> Pairs:
    """Where a request came from, as metadata; what the client says of it counts as elsewhere.

    >>> origin_metadata({}, Arrival("192.0.2.7", "http", "api.example"), 0)
    (('x-forwarded-for', '192.0.2.7'), ('x-forwarded-host', 'api.example'))
    """
    passed = request_headers(headers.items(), arrival, trusted_hops=trusted_hops)
    named = ((name.lower(), value) for name, value in passed)
    return tuple(
        (name, value)
        for name, value in named
        if name in _ORIGIN and value.isascii() and value.isprintable()
    )


def response_headers(policy: ExposeMetadata, allow: Iterable[str]) -> Callable[[Pairs], Headers]:
    r"""Compile the function that makes response headers from metadata, by *policy*.

    >>> response_headers("all", [])((("x-cost", "3"), ("content-length", "9"), ("x", "a\r\nb")))
    (('x-cost', '3'),)
    >>> response_headers("grpc-gateway", ["x-cost"])((("x-cost", "3"),))
    (('x-cost', '3'), ('grpc-metadata-x-cost', '3'))
    """
    return _exposed(policy, allow, _METADATA_HEADER)


def trailer_headers(
    policy: ExposeMetadata, when: ExposeTrailers, allow: Iterable[str]
) -> Callable[[Pairs, HeaderView], Headers]:
    """Compile the function that makes response headers from trailers, for a request's headers."""
    make = _exposed(policy, allow, _TRAILER_HEADER)

    def always(trailers: Pairs, _: HeaderView) -> Headers:
        return make(trailers)

    def asked(trailers: Pairs, headers: HeaderView) -> Headers:
        return make(trailers) if trailers and _takes_trailers(headers) else ()

    return {"always": always, "asked": asked, "never": _no_headers}[when]


def _no_headers(_trailers: Pairs, _headers: HeaderView) -> Headers:
    return ()


def _takes_trailers(headers: HeaderView) -> bool:
    """Whether a client says so (RFC 9110 section 10.1.4)."""
    said = ",".join(value for name, value in headers.items() if name.lower() == "te")
    return "trailers" in (part.partition(";")[0].strip(" \t").lower() for part in said.split(","))


def _exposed(
    policy: ExposeMetadata, allow: Iterable[str], prefix: str
) -> Callable[[Pairs], Headers]:
    listed = compile_response_headers(allow)
    if policy == "list":
        return listed
    if policy == "all":
        return lambda metadata: tuple(_plain(metadata))
    return lambda metadata: (*listed(metadata), *_prefixed(metadata, prefix))


def _plain(metadata: Pairs) -> Iterator[tuple[str, str]]:
    for name, value in metadata:
        if not (is_denied(name) or name in _OURS or name.startswith(_OUR_PREFIX)):
            yield from header_text(name, name, value)


def _prefixed(metadata: Pairs, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in metadata:
        if not is_denied(name):
            yield from header_text(prefix + name, name, value)
