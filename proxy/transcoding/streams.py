"""Streams of messages as one HTTP body: the three framings, and which one a client asked for.

Belongs here: bytes around JSON, and reading `Accept`. Does not: the JSON (`transcoding.response`),
the error's JSON (`transcoding.errorbody`), sending (`exchange`).
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How messages stand one after another: `opening`, `first`, `next` …, then `closing`.

    A stream without messages is `opening` and `closing`. The bodies are compact JSON: no line
    break outside a string's escapes, which is what lets a line end a message.
    """

    name: str
    content_type: str
    opening: bytes = b""
    closing: bytes = b""
    #: What to send on an idle connection, where the format has something that means nothing.
    keep_alive: bytes | None = None
    before_first: bytes = b""
    before_next: bytes = b""
    after_each: bytes = b""
    #: What stands around the JSON of a late error; None where nothing can say it.
    around_error: tuple[bytes, bytes] | None = None
    #: The type by which `Accept` names the format, where answers are sent as another one.
    asked_as: str = ""

    def first(self, body: bytes) -> bytes:
        """The chunk of the first message."""
        return self.before_first + body + self.after_each

    def next(self, body: bytes) -> bytes:
        """The chunk of any later message."""
        return self.before_next + body + self.after_each

    def error(self, status_body: bytes) -> bytes | None:
        """The last chunk of a stream that fails after its header was sent; no `closing` follows.

        None when the format cannot say so: the connection has to be aborted then, since a stream
        that ends properly would look complete.
        """
        if self.around_error is None:
            return None
        before, after = self.around_error
        return before + status_body + after


ARRAY: Final = StreamFormat(
    "array", "application/json", opening=b"[", closing=b"]", before_next=b","
)

NDJSON: Final = StreamFormat(
    "ndjson",
    "application/x-ndjson",
    after_each=b"\n",
    around_error=(b'{"error":', b"}\n"),
)

#: Server-sent events (WHATWG HTML, section 9.2).
SSE: Final = StreamFormat(
    "sse",
    "text/event-stream",
    keep_alive=b":\n\n",
    before_first=b"data: ",
    before_next=b"data: ",
    after_each=b"\n\n",
    around_error=(b"event: error\ndata: ", b"\n\n"),
)

FORMATS: Final[dict[str, StreamFormat]] = {
    stream_format.name: stream_format for stream_format in (ARRAY, NDJSON, SSE)
}


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """The formats in which a route streams, and the one that counts when a client names none.

    There is one format where clients have no choice.
    """

    default: StreamFormat
    formats: tuple[StreamFormat, ...]

    @classmethod
    def compile(
        cls,
        name: str,
        *,
        by_accept: bool = True,
        in_result: bool = False,
        as_json: bool = False,
    ) -> "StreamChoice":
        """The choice with the format *name* as default, and the only one unless *by_accept*.

        With *in_result* messages are written `{"result": MESSAGE}` in streams of lines and events;
        with *as_json* lines are sent as `application/json`.
        """
        formats = {each.name: each for each in FORMATS.values()}
        if as_json:
            formats["ndjson"] = replace(
                NDJSON, content_type=ARRAY.content_type, asked_as=NDJSON.content_type
            )
        if in_result:
            formats |= {each.name: _in_result(each) for each in formats.values()}
        chosen = tuple(formats.values()) if by_accept else (formats[name],)
        return cls(formats[name], chosen)

    def of(self, accept: str) -> StreamFormat:
        """The format for a client that sends *accept*, which is "" for one that sends none."""
        if len(self.formats) == 1:
            return self.default
        return choose_format(accept, self.default, self.formats)


def _in_result(frames: StreamFormat) -> StreamFormat:
    """*frames* with messages that tell themselves from errors; an array has no errors in it."""
    if frames.around_error is None:
        return frames
    before, after = frames.around_error
    named = b"" if frames.name == NDJSON.name else b'{"error":'
    return replace(
        frames,
        before_first=frames.before_first + b'{"result":',
        before_next=frames.before_next + b'{"result":',
        after_each=b"}" + frames.after_each,
        around_error=(before + named, b"}" + after if named else after),
    )


def choose_format(
    accept: str,
    default: StreamFormat,
    formats: Collection[StreamFormat] = tuple(FORMATS.values()),
) -> StreamFormat:
    """The format that `Accept` prefers (RFC 9110 section 12.5.1), *default* when it names none.

    The highest quality wins; among equals a type that is named wins over one that a wildcard
    covers, then *default*, then the first in the header. *accept* is the field's value, several
    joined by commas, "" without one. Elements that cannot be read are ignored.

    There is no 406: a client that only accepts what no stream can be was answered by the old host
    and gets *default*, as section 12.4.1 permits.

    >>> choose_format("text/event-stream, */*;q=0.1", ARRAY).name
    'sse'
    >>> choose_format("text/html, */*;q=0.8", ARRAY).name
    'array'
    """
    if not accept:
        return default
    ranges = list(_media_ranges(accept))
    ranked = {
        (*_preference(each, ranges, default), -place): each for place, each in enumerate(formats)
    }
    best = max(ranked)
    return ranked[best] if best[0] > 0 else default


#: The quality, how exactly the type is named, whether it is the default, minus the place in the
#: header: the greatest is what the client wants most.
_Preference = tuple[float, int, bool, int]

_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_RANGE: Final = re.compile(rf"({_NAME})/({_NAME})")
_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class _MediaRange:
    """One element of `Accept`. Parameters other than `q` tell our formats not apart."""

    type: str
    subtype: str
    quality: float
    position: int

    def specificity(self, content_type: str) -> int:
        """How exactly the range names *content_type*: 3 in full, 2 by type, 1 by `*/*`, or 0."""
        main, _, sub = content_type.partition("/")
        if (self.type, self.subtype) == (main, sub):
            return 3
        if self.subtype != "*":
            return 0
        return {main: 2, "*": 1}.get(self.type, 0)


def _preference(
    stream_format: StreamFormat, ranges: Sequence[_MediaRange], default: StreamFormat
) -> _Preference:
    """How much a client wants a format; the most exact range decides, not the most generous."""
    is_default = stream_format is default
    asked_as = stream_format.asked_as or stream_format.content_type
    fits = [(each.specificity(asked_as), each) for each in ranges]
    exactness = max((specificity for specificity, _ in fits), default=0)
    if exactness == 0:
        return (0.0, 0, is_default, 0)
    quality, order = max(
        (each.quality, -each.position) for specificity, each in fits if specificity == exactness
    )
    return (quality, exactness, is_default, order)


def _media_ranges(accept: str) -> Iterator[_MediaRange]:
    """The elements that can be read, in order."""
    for position, element in enumerate(_split(accept, ",")):
        media_range, *parameters = (part.strip(" \t") for part in _split(element, ";"))
        named = _RANGE.fullmatch(media_range.lower())
        quality = _quality(parameters)
        if named and quality is not None and (named[1] != "*" or named[2] == "*"):
            yield _MediaRange(named[1], named[2], quality, position)


def _quality(parameters: Sequence[str]) -> float | None:
    """The weight among the parameters, 1 without one, None when it cannot be read."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.lower() == "q":
            return float(value) if _QUALITY.fullmatch(value) else None
    return 1.0


def _split(text: str, separator: str) -> Iterator[str]:
    """Split at separators outside quoted strings (RFC 9110 section 5.6.4); linear in the text."""
    if '"' not in text:
        yield from text.split(separator)
        return
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == '"':
            quoted = not quoted
        elif quoted:
            escaped = character == "\\"
        elif character == separator:
            yield text[start:index]
            start = index + 1
    yield text[start:]
