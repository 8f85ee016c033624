"""What a server's header block says: HTTP status, gRPC status, metadata (gRPC over HTTP/2).

Belongs here: names and values of answers, their checks, and a memory of blocks seen before. Does
not: what follows from them for a call (`calls`).
"""

import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from proxy.upstreams import Metadata
from proxy.upstreams.h2.frames import ConnectionFault, ErrorCode
from proxy.upstreams.h2.hpack import Field, HeadersTooLarge, HpackDecoder, HpackError

#: How many blocks are remembered, and the largest. A server has a few that it sends always; one
#: that never repeats itself must not fill the memory.
_MAX_KNOWN: Final = 256
_MAX_KNOWN_BYTES: Final = 1024

#: RFC 9113 §8.2: lower case, and what HTTP calls a token.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: What could end a header in HTTP/1.1.
_BREAKS: Final = re.compile(rb"[\0\r\n]")

#: Names that belong to the transport and are no metadata.
_OF_TRANSPORT: Final = frozenset(
    {
        *(b"content-type", b"content-length", b"te", b"grpc-status", b"grpc-message"),
        *(b"grpc-encoding", b"grpc-accept-encoding", b"connection", b"keep-alive"),
        *(b"proxy-connection", b"transfer-encoding", b"upgrade"),
    }
)


@dataclass(slots=True)
class Block:
    """A header block of which more is to come."""

    stream_id: int
    ended: bool
    parts: list[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a header block of an answer says, be it the first one or the trailers.

    *http_status* is None without `:status`, *grpc_status* None without `grpc-status`. *problem*
    says why the block is malformed, "" when it is not; *is_too_large* that it was not read at all.
    """

    http_status: int | None = None
    content_type: str = ""
    grpc_status: str | None = None
    grpc_message: str = ""
    encoding: str = ""
    metadata: Metadata = ()
    problem: str = ""
    is_too_large: bool = False

    @property
    def is_informational(self) -> bool:
        """Whether this is a 1xx, and the real head is yet to come."""
        return self.http_status is not None and 100 <= self.http_status < 200

    @property
    def is_grpc(self) -> bool:
        """Whether the content type is gRPC's."""
        kind = self.content_type
        return kind == "application/grpc" or kind.startswith(("application/grpc+", _WITH_OPTION))


_WITH_OPTION: Final = "application/grpc;"
_TOO_LARGE: Final = Head(problem="headers too large", is_too_large=True)


class Heads:
    """Reads the header blocks of one connection. *limit* bounds the size of one, in bytes.

    A server that needs no dynamic table says the same thing with the same bytes; then the bytes
    are looked up. RFC 7541 has no cheaper way.
    """

    __slots__ = ("_decoder", "_known")

    def __init__(self, limit: int) -> None:
        self._decoder = HpackDecoder(limit)
        self._known: dict[bytes, Head] = {}

    def __repr__(self) -> str:
        return f"<Heads known={len(self._known)} {self._decoder!r}>"

    def read(self, block: bytes) -> Head:
        """The meaning of a whole block. Raises `ConnectionFault` when no other can be read."""
        if not self._decoder.capacity:
            known = self._known.get(block)
            if known is not None:
                return known
        return self._decode(block)

    def _decode(self, block: bytes) -> Head:
        try:
            head = interpret(self._decoder.decode(block))
        except HpackError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(error)) from error
        except HeadersTooLarge as error:
            if not error.in_step:
                raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(error)) from error
            return _TOO_LARGE
        if not self._decoder.capacity and len(block) <= _MAX_KNOWN_BYTES:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[block] = head
        return head


def interpret(fields: list[Field]) -> Head:
    """What the fields of a block mean."""
    special: dict[bytes, bytes] = {}
    metadata: list[tuple[str, str | bytes]] = []
    try:
        for name, value in fields:
            _check(name, value)
            if name[:1] == b":" or name in _OF_TRANSPORT:
                _add_once(special, name, value)
            else:
                metadata += _pairs(name, value)
        return _head(special, tuple(metadata))
    except ValueError as error:
        return Head(problem=str(error))


def _check(name: bytes, value: bytes) -> None:
    """Raise `ValueError` for what HTTP/2 does not allow and HTTP/1.1 could not carry."""
    if not _NAME.fullmatch(name) and name != b":status":
        raise ValueError("a header name that is none")
    if _BREAKS.search(value):
        raise ValueError("a line break within a header")


def _add_once(special: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    """Raise `ValueError` when a name says two things: which one counts, each hop guesses anew."""
    if special.setdefault(name, value) != value:
        raise ValueError(f"two values of {name.decode('ascii')}")


def _pairs(name: bytes, value: bytes) -> list[tuple[str, str | bytes]]:
    """The metadata of one header: binary ones may be several in one, separated by commas."""
    text = name.decode("ascii")
    if name.endswith(b"-bin"):
        return [(text, _binary(part)) for part in value.split(b",")]
    return [(text, value.decode("utf-8", "replace"))]


def _binary(value: bytes) -> bytes:
    """Base64 with or without padding."""
    bare = value.strip().rstrip(b"=")
    return b64decode(bare + b"=" * (-len(bare) % 4), validate=True)


def _head(special: dict[bytes, bytes], metadata: Metadata) -> Head:
    status = special.get(b"grpc-status")
    return Head(
        http_status=_http_status(special.get(b":status")),
        content_type=special.get(b"content-type", b"").decode("latin-1").lower(),
        grpc_status=None if status is None else status.decode("latin-1"),
        grpc_message=decode_message(special.get(b"grpc-message", b"")),
        encoding=special.get(b"grpc-encoding", b"").decode("latin-1"),
        metadata=metadata,
    )


def _http_status(value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) != 3 or not value.isdigit():
        raise ValueError("a :status that is no number")
    return int(value)


def decode_message(value: bytes) -> str:
    """A `grpc-message`: percent-encoded UTF-8, and read in any case.

    >>> decode_message(b"no %C3%BC"), decode_message(b"100 %")
    ('no ü', '100 %')
    """
    return unquote(value.decode("utf-8", "replace"), errors="replace")
