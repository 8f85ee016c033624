"""HTTP headers to gRPC metadata and back, and the deadline that a client asks for.

Belongs here: which header becomes which pair, legality, sizes, the `Grpc-Timeout` header.
Does not: making a call (`upstreams`), HTTP framing and X-Forwarded-* (`transcoding.forwarding`).

Both directions deny by default. What is allowed is compiled once per route; the compiled
function raises nothing but `RequestError` and `LimitExceeded`, and gives legal pairs only,
since grpcio fails with exceptions of its own on any other.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Collection, ItemsView, Iterable, Iterator
from typing import Final, Protocol

from proxy.errors import LimitExceeded, RequestError
from proxy.transcoding.forwarding import HOP_BY_HOP

Pairs = tuple[tuple[str, str | bytes], ...]
Headers = tuple[tuple[str, str], ...]

#: A client sends any metadata *x* that is not denied as the header `Grpc-Metadata-x`.
PREFIX: Final = "grpc-metadata-"

#: Bytes of metadata per call, counted as HPACK counts them. grpc servers warn at 8 KiB and refuse
#: at 16 KiB by default, and add some of their own.
MAX_METADATA_BYTES: Final = 8192

#: What a pair costs beside its text (RFC 7541 §4.1).
PAIR_OVERHEAD_BYTES: Final = 32

#: Names that belong to one hop, to the HTTP message or to gRPC itself.
_NEVER: Final = HOP_BY_HOP | {
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "user-agent",
}

_NAME: Final = re.compile(r"[0-9a-z_.-]+")
_NOT_PRINTABLE: Final = "its value is not printable ASCII"
_TIMEOUT: Final = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class HeaderView(Protocol):
    """The headers of a request: a mapping that may hold a name more than once."""

    def items(self) -> ItemsView[str, str]:
        """The pairs, each name as often as it came."""
        ...


def is_denied(name: str) -> bool:
    """Whether no configuration may pass the lower-case *name* on, in either direction.

    >>> is_denied("grpc-timeout"), is_denied("connection"), is_denied("authorization")
    (True, True, False)
    """
    return name in _NEVER or name.startswith(("grpc-", ":"))


def is_metadata_name(name: str) -> bool:
    """Whether the lower-case *name* can be one of metadata (gRPC over HTTP/2, "Custom-Metadata").

    >>> is_metadata_name("x-cost"), is_metadata_name("x*cost")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


def allow_list(names: Iterable[str]) -> frozenset[str]:
    """Check the *names* of an allow-list; lower case. Raises `ValueError` naming the bad one.

    >>> allow_list(["X-Request-Id", "Host"])
    Traceback (most recent call last):
    ValueError: "Host" can never be passed between HTTP headers and gRPC metadata
    """
    return frozenset(_allowed(name) for name in names)


def _allowed(name: str) -> str:
    lower = name.lower()
    if not _NAME.fullmatch(lower):
        raise ValueError(f'"{name}" is not a metadata name: letters, digits, "_", ".", "-" only')
    if is_denied(lower):
        raise ValueError(f'"{name}" can never be passed between HTTP headers and gRPC metadata')
    return lower


def compile_request_metadata(
    allow: Iterable[str],
    *,
    max_bytes: int = MAX_METADATA_BYTES,
    prefixed: bool = True,
    withheld: Collection[str] = (),
) -> Callable[[HeaderView], Pairs]:
    r"""Compile the function that makes a call's metadata from a request's headers.

    A header passes when its name is in *allow*, or, with *prefixed*, as `Grpc-Metadata-name`.
    Values of `-bin` names are base64 (standard alphabet, padding optional, several joined by
    commas) and become bytes. Everything else is left out, the headers *withheld* in any case.

    The function raises `RequestError` (400) for a value that metadata cannot carry, naming the
    header, and `LimitExceeded` (431) above *max_bytes*.

    >>> make = compile_request_metadata(["authorization"])
    >>> make({"Authorization": "Bearer x", "Cookie": "c", "Grpc-Metadata-Trace-Bin": "AQI"})
    (('authorization', 'Bearer x'), ('trace-bin', b'\x01\x02'))
    """
    allowed = allow_list(allow).difference(withheld)
    plain = frozenset(name for name in allowed if not name.endswith("-bin"))

    def make(headers: HeaderView) -> Pairs:
        pairs: list[tuple[str, str | bytes]] = []
        size = 0
        for header, value in headers.items():
            name = header.lower()
            # The common case stays in this loop: the function runs for every request.
            if name in plain:
                if not (value.isascii() and value.isprintable()):
                    raise _illegal(header, _NOT_PRINTABLE)
                pairs.append((name, value))
                size += len(name) + len(value) + PAIR_OVERHEAD_BYTES
            elif name in allowed or (prefixed and name.startswith(PREFIX)):
                for pair in unusual_pairs(header, value, withheld):
                    pairs.append(pair)
                    size += len(pair[0]) + len(pair[1]) + PAIR_OVERHEAD_BYTES
        if size > max_bytes:
            raise too_large(size, max_bytes)
        return tuple(pairs)

    return make


def unusual_pairs(
    header: str, value: str, withheld: Collection[str]
) -> list[tuple[str, str | bytes]]:
    """The pairs of a header with the prefix, of a binary one, or of both.

    Raises `RequestError` for one that metadata cannot carry.
    """
    name = header.lower().removeprefix(PREFIX)
    if is_denied(name) or name in withheld:
        return []
    if not _NAME.fullmatch(name):
        raise _illegal(header, "its name has characters that metadata names cannot have")
    if name.endswith("-bin"):
        return [(name, _decoded(header, part)) for part in value.split(",")]
    if not (value.isascii() and value.isprintable()):
        raise _illegal(header, _NOT_PRINTABLE)
    return [(name, value)]


def _decoded(header: str, text: str) -> bytes:
    bare = text.strip(" \t").rstrip("=")
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except (Base64Error, ValueError):
        raise _illegal(header, "its value is not base64") from None


def _illegal(header: str, reason: str) -> RequestError:
    shown = header.encode("ascii", "backslashreplace").decode("ascii")
    return RequestError(f'the header "{shown}" cannot be passed on as gRPC metadata: {reason}')


def too_large(size: int, limit: int) -> LimitExceeded:
    """The refusal (431) of headers that make *size* bytes of metadata."""
    text = f"the headers make {size} bytes of gRPC metadata, more than the {limit} allowed"
    return LimitExceeded(text, http_status=431)


def compile_response_headers(allow: Iterable[str]) -> Callable[[Pairs], Headers]:
    r"""Compile the function that makes response headers from metadata and trailers.

    Only names in *allow* pass, in the order they came. `-bin` values become base64 with padding.
    A value with anything but printable ASCII is left out: a server's trailers cannot split or
    break an HTTP answer.

    >>> make = compile_response_headers(["x-cost", "trace-bin"])
    >>> make((("x-cost", "3"), ("secret", "s"), ("trace-bin", b"\x01"), ("x-cost", "a\r\nb")))
    (('x-cost', '3'), ('trace-bin', 'AQ=='))
    """
    allowed = allow_list(allow)

    def make(metadata: Pairs) -> Headers:
        if not allowed or not metadata:
            return ()
        return tuple(_header_pairs(allowed, metadata))

    return make


def _header_pairs(allowed: frozenset[str], metadata: Pairs) -> Iterator[tuple[str, str]]:
    for name, value in metadata:
        if name in allowed:
            yield from header_text(name, name, value)


def header_text(header: str, name: str, value: str | bytes) -> Headers:
    """The metadata *name* as the header *header*; nothing when no header can hold the value."""
    text = _text(value, is_binary=name.endswith("-bin"))
    return () if text is None else ((header, text),)


def _text(value: str | bytes, *, is_binary: bool) -> str | None:
    if is_binary:
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        return b2a_base64(raw, newline=False).decode("ascii")
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return text if text.isascii() and text.isprintable() else None


def parse_timeout_s(text: str) -> float:
    """Read a `Grpc-Timeout` header: at most eight digits and a unit, in seconds.

    The units are H, M, S, m (milli), u (micro), n (nano), as the gRPC over HTTP/2 protocol has
    them. Raises `RequestError` (400).

    >>> parse_timeout_s("250m")
    0.25
    """
    matched = _TIMEOUT.fullmatch(text)
    if matched is None:
        raise RequestError(
            "the Grpc-Timeout header is not at most eight digits and one of H, M, S, m, u, n"
        )
    return int(matched[1]) * _UNIT_S[matched[2]]


def call_timeout_s(route_timeout_s: float, header: str | None) -> float:
    """The timeout of a call: the route's, or less when the client's `Grpc-Timeout` asks so.

    >>> call_timeout_s(15.0, "2S"), call_timeout_s(15.0, "1H"), call_timeout_s(15.0, None)
    (2.0, 15.0, 15.0)
    """
    if header is None:
        return route_timeout_s
    return min(route_timeout_s, parse_timeout_s(header))
