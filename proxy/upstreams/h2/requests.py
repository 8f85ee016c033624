"""The headers of a call: what is the same for every call of a method, and its metadata.

Belongs here: names and values of requests, and their checks. Does not: when they are sent.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

from proxy import __version__
from proxy.upstreams import Metadata
from proxy.upstreams.h2.hpack import ENTRY_OVERHEAD, indexed, literal, string_bytes

#: What we can inflate (`messages`).
ACCEPTED_ENCODINGS: Final = b"identity,deflate,gzip"
#: As many methods, names and timeouts are remembered: more than any configuration has.
_MAX_KNOWN: Final = 1024

_NAME: Final = re.compile(r"[0-9a-z_.-]+")
_METHOD: Final = re.compile(r"/[!-~]+")
_TIMEOUT: Final = b"grpc-timeout"
_MOST_DIGITS: Final = 99_999_999

#: Metadata of these names would contradict the transport's own headers, or HTTP/2; like grpcio we
#: leave them out.
_OF_TRANSPORT: Final = frozenset(
    {
        *("te", "content-type", "user-agent", "host", "grpc-timeout", "grpc-encoding"),
        *("grpc-accept-encoding", "connection", "keep-alive", "proxy-connection"),
        *("transfer-encoding", "upgrade"),
    }
)

_Key = TypeVar("_Key")
_Made = TypeVar("_Made")


class Refused(ValueError):
    """A call that cannot be put into headers. The text names no value: it may be a secret."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Encoded headers, and the size of the list by RFC 9113 §6.5.2."""

    block: bytes
    size: int


class RequestHeads:
    """Makes the headers of the calls to one server. *scheme* is `http` or `https`."""

    __slots__ = ("_authority", "_methods", "_names", "_scheme", "_timeouts")

    def __init__(self, scheme: str, authority: str) -> None:
        self._scheme = scheme.encode()
        self._authority = authority.encode()
        self._methods: dict[str, RequestHead] = {}
        self._names: dict[str, bytes] = {}
        self._timeouts: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"<RequestHeads {self._authority.decode()} methods={len(self._methods)}>"

    def of(self, method: str, metadata: Metadata) -> RequestHead:
        """All headers of a call but its timeout. Raises `Refused`."""
        head = self._methods.get(method)
        if head is None:
            head = _remember(self._methods, method, self._of_method)
        return head if not metadata else self._with_metadata(head, metadata)

    def timeout(self, timeout_s: float) -> bytes:
        """The `grpc-timeout` of *timeout_s* seconds, in whole milliseconds and never less."""
        # What a float adds at the end must not become another millisecond.
        milliseconds = ceil(timeout_s * 1000 - 1e-4)
        known = self._timeouts.get(milliseconds)
        return known or _remember(self._timeouts, milliseconds, _timeout)

    def _of_method(self, method: str) -> RequestHead:
        if not isinstance(method, str) or not _METHOD.fullmatch(method):
            raise Refused("a method that is no path")
        fields = [
            (b":method", b"POST"),
            (b":scheme", self._scheme),
            (b":path", method.encode()),
            (b":authority", self._authority),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            (b"grpc-accept-encoding", ACCEPTED_ENCODINGS),
            (b"user-agent", b"grpc-cutover/" + __version__.encode()),
        ]
        block = b"".join(indexed(field) for field in fields[:2])
        block += b"".join(literal(*field) for field in fields[2:])
        # The timeout is put behind, and counts too.
        size = ENTRY_OVERHEAD + len(_TIMEOUT) + len(str(_MOST_DIGITS)) + 1
        return RequestHead(block, size + sum(map(_size, fields)))

    def _with_metadata(self, head: RequestHead, metadata: Metadata) -> RequestHead:
        parts, size = [head.block], head.size
        try:
            for name, value in metadata:
                if name in _OF_TRANSPORT:
                    continue
                raw = _value(name, value)
                known = self._names.get(name) or _remember(self._names, name, _name)
                parts += (known, string_bytes(raw))
                size += len(name) + len(raw) + ENTRY_OVERHEAD
        except (AttributeError, TypeError, ValueError) as error:
            raise Refused(f"metadata that gRPC cannot carry ({type(error).__name__})") from None
        return RequestHead(b"".join(parts), size)


def _size(field: tuple[bytes, bytes]) -> int:
    return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD


def _remember(known: dict[_Key, _Made], key: _Key, make: Callable[[_Key], _Made]) -> _Made:
    """Make what is not known yet; when too much is, forget it all."""
    made = make(key)
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = made
    return made


def _name(name: str) -> bytes:
    """The beginning of a metadata field. Any may be a credential, so none is to be indexed."""
    if not _NAME.fullmatch(name):
        raise Refused("a metadata name that is none")
    return literal(name.encode(), b"", secret=True)[:-1]


def _value(name: str, value: str | bytes) -> bytes:
    """A metadata value as it is sent; gRPC lets us strip spaces, which strict servers refuse."""
    if name.endswith("-bin"):
        return b64encode(value).rstrip(b"=")  # type: ignore[arg-type]  # text is a TypeError
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Refused("a metadata value that is no visible ASCII")
    return value.strip(" ").encode()


def _timeout(milliseconds: int) -> bytes:
    r"""The encoded field; in seconds where milliseconds would be too long.

    >>> _timeout(1500)
    b'\x00\x0cgrpc-timeout\x051500m'
    >>> _timeout(31_536_000_000)
    b'\x00\x0cgrpc-timeout\t31536000S'
    """
    if milliseconds <= _MOST_DIGITS:
        return literal(_TIMEOUT, b"%dm" % max(1, milliseconds))
    return literal(_TIMEOUT, b"%dS" % min(_MOST_DIGITS, ceil(milliseconds / 1000)))
