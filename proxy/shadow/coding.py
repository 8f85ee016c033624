"""Content codings of captured bodies, undone within a limit.

Belongs here: gzip and deflate (RFC 9110 §8.4.1). Does not: bodies that are on their way to
somebody (`server.reading`, `exchange.compression`).
"""

import zlib
from typing import Final

from proxy.comparison.documents import Document

#: What zlib is to expect, by coding. "deflate" is zlib's format, but some send the bare stream.
_WINDOW: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_BARE: Final = -15
_NO_CODING: Final = frozenset({"", "identity"})
#: Codings of one body: more than one is unusual, and each may blow up what the one before made.
_MAX_CODINGS: Final = 2


class Undecodable(ValueError):
    """A body that stays coded; *reason* is a word for the metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def codings_of(headers: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The codings of a body in the order of undoing, lower case.

    >>> codings_of((("Content-Encoding", "deflate, GZIP"), ("content-encoding", "identity")))
    ('gzip', 'deflate')
    """
    values = [value for name, value in headers if name.lower() == "content-encoding"]
    named = [part.strip().lower() for part in ",".join(values).split(",")]
    return tuple(name for name in reversed(named) if name not in _NO_CODING)


def decoded(body: bytes, codings: tuple[str, ...], max_bytes: int) -> bytes:
    r"""*body* without its *codings*, which are in the order of undoing.

    Raises `Undecodable`: "coding" for one that is not known or bytes that are none of it,
    "response_too_large" for more than *max_bytes* on any step.

    >>> decoded(b"as it is", (), 8)
    b'as it is'
    """
    if len(codings) > _MAX_CODINGS:
        raise Undecodable("coding")
    for coding in codings:
        if coding not in _WINDOW:
            raise Undecodable("coding")
        body = _inflated(body, coding, max_bytes)
    if len(body) > max_bytes:
        raise Undecodable("response_too_large")
    return body


def _inflated(body: bytes, coding: str, max_bytes: int) -> bytes:
    window = _WINDOW[coding]
    if coding == "deflate" and not _has_zlib_header(body):
        window = _BARE
    inflater = zlib.decompressobj(window)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Undecodable("coding") from error
    if len(plain) > max_bytes:
        raise Undecodable("response_too_large")
    if not inflater.eof or inflater.unused_data:
        # Cut short, or something behind its end: nobody can say what a client makes of that.
        raise Undecodable("coding")
    return plain


def _has_zlib_header(body: bytes) -> bool:
    """Whether *body* begins as RFC 1950 §2.2 says."""
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def plain_document(document: Document, max_bytes: int) -> Document:
    """*document* with its body as a client reads it: without content coding. Raises `Undecodable`.

    The headers stay, since a client sees them too. A body that broke off stays as it is: nothing
    is read of it.
    """
    codings = codings_of(document.headers)
    if not codings or not document.complete or not document.body:
        return document
    body = decoded(document.body, codings, max_bytes)
    return Document(document.http_status, document.headers, body)
