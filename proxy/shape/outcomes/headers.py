"""Response headers from texts with holes: what gets in, and how.

Belongs here: names that may be set, values that are safe, URLs. Does not: `ETag` (`tags`), `Link`
(`links`), what a hole names (`names`).

A value can come from anybody who may write into the backend. So nothing but printable ASCII gets
into a header, a URL takes everything else in percent-encoding, and a header of which a hole has
nothing to show, or nothing that is safe, is left out.
"""

import re
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import quote

from proxy.shape.holes import Hole, Text, as_text
from proxy.shape.outcomes.fields import field_at, fitting, http_date
from proxy.shape.outcomes.names import Subject, Value, value_of
from proxy.shape.outcomes.options import HeaderOptions
from proxy.transcoding.binding import Binding
from proxy.transcoding.metadata import is_denied
from proxy.transcoding.protojson import Codecs

#: Bytes of a header's value: clients and proxies commonly take 8 KiB of all headers together.
MAX_VALUE_BYTES: Final = 4096

#: Headers whose value is a URL (RFC 9110 §8.7, §10.2.2), and those that are a time there.
URLS: Final = frozenset({"location", "content-location"})
TIMES: Final = frozenset({"last-modified", "expires", "sunset", "retry-after"})
#: Headers that are made otherwise, with what makes them.
_MADE: Final = {
    "etag": "etag says what it is",
    "date": "the proxy sets it",
    "vary": "the proxy sets it",
}
_OURS: Final = "x-cutover-"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What of a whole URL stays as it is: its own characters, and what is encoded already.
_URL_CHARACTERS: Final = "%/:?#[]@!$&'()*+,;=~"
_LITERAL_OF_URL: Final = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*")
_DOTS: Final = frozenset({".", ".."})


def name_fault(name: str) -> str:
    """Why no answer can be given the header *name*, "" if one can.

    >>> name_fault("Location"), name_fault("ETag"), name_fault("Content-Length")
    ('', 'must not be set here: etag says what it is', 'must not be set: it is of the message')
    """
    key = name.lower()
    if not _TOKEN.fullmatch(name):
        return "is not a header name"
    if key in _MADE:
        return f"must not be set here: {_MADE[key]}"
    if key.startswith(_OURS) or is_denied(key):
        return "must not be set: it is of the message"
    return ""


def text_fault(name: str, text: Text) -> str:
    """Why *text* cannot be the value of a header *name*, "" if it can.

    >>> text_fault("Location", Text.parse("/zones/{id}?q=a b"))
    'has characters that a URL cannot have'
    """
    literals = "".join(piece for piece in text.pieces if isinstance(piece, str))
    if not text.pieces or not (literals.isascii() and (literals.isprintable() or not literals)):
        return "must be printable ASCII characters"
    if name.lower() in URLS and not _LITERAL_OF_URL.fullmatch(literals):
        return "has characters that a URL cannot have"
    return ""


def based(url: str, origin: str) -> str:
    """*url* with *origin* before it, where it begins with one slash and no more."""
    return origin + url if url.startswith("/") and not url.startswith("//") else url


class AnswerHeader:
    """A header of answers, compiled."""

    __slots__ = ("_fill", "_is_url", "name", "on")

    def __init__(
        self, name: str, on: frozenset[int], fill: Callable[[Subject], str | None]
    ) -> None:
        self.name = name
        self.on = on
        self._fill = fill
        self._is_url = name.lower() in URLS

    def __repr__(self) -> str:
        return f"<AnswerHeader {self.name}>"

    @classmethod
    def compile(
        cls,
        options: HeaderOptions,
        binding: Binding,
        codecs: Codecs | None,
        *,
        pages: Collection[str],
    ) -> "AnswerHeader":
        """Compile a header. Raises `Misfit` for a hole that names nothing."""
        key, text = ("headers", options.name), Text.parse(options.text)
        values = {n: value_of(n, binding, codecs, pages=pages, key=key) for n in text.names}
        if options.name.lower() in TIMES and len(text.pieces) == 1:
            values |= _times(text, binding, key)
        is_url = options.name.lower() in URLS
        encode = _encoding(text, slashes=options.slashes) if is_url else as_text
        return cls(options.name, options.on, lambda subject: filled(text, values, encode, subject))

    def value(self, subject: Subject) -> str | None:
        """Its value for an answer; None when it is left out."""
        if self.on and subject.http_status not in self.on:
            return None
        text = self._fill(subject)
        if text is None or len(text) > MAX_VALUE_BYTES:
            return None
        text = based(text, subject.origin) if self._is_url else text.strip(" ")
        return text if text and text.isascii() and text.isprintable() else None


def filled(
    text: Text,
    values: dict[str, Value],
    encode: Callable[[object], str],
    subject: Subject,
) -> str | None:
    """The text with its holes filled, None where one of them has nothing."""
    pieces: list[str] = []
    for piece in text.pieces:
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        value = values[piece.name](subject)
        filled = "" if value is None else encode(value)
        if not filled:
            return None
        pieces.append(filled)
    return "".join(pieces)


def _times(text: Text, binding: Binding, key: tuple[str, ...]) -> dict[str, Value]:
    """The values of a time that stands alone: HTTP has a form of its own for it."""
    [piece] = text.pieces
    if not isinstance(piece, Hole) or piece.name.startswith("@"):
        return {}
    field = fitting(key, lambda: field_at(binding.method.output_type, piece.name))
    date_of = http_date(field)
    return {} if date_of is None else {piece.name: lambda subject: date_of(subject.message)}


def _encoding(text: Text, *, slashes: bool) -> Callable[[object], str]:
    """How values stand in a URL: as one segment, as several, or as all of it."""
    if len(text.pieces) == 1:
        return whole_url
    return segments if slashes else segment


def whole_url(value: object) -> str:
    """A value that is a URL by itself, with all escaped that a URL cannot have."""
    return quote(as_text(value), safe=_URL_CHARACTERS)


def segment(value: object) -> str:
    """A value as one segment. Those of dots are none: clients walk up and down by them."""
    text = as_text(value)
    return "" if text in _DOTS else quote(text, safe="")


def segments(value: object) -> str:
    """A value as segments, its slashes between them; "" for one with a segment of dots.

    And for one that begins with a slash: behind another, what follows would be the name of a host.
    """
    text = as_text(value)
    is_path = not text.startswith("/") and _DOTS.isdisjoint(text.split("/"))
    return quote(text, safe="/") if is_path else ""
