"""Bodies to JSON that still shows what was written: every digit, and keys that were given twice.

Belongs here: character sets, the grammar, the framings of streams. Does not: what the values mean
(`comparison.notations`).

A body is read as clients read it: a byte order mark is skipped, and a key that is given again
with an equal value counts once. One with another value does not: parsers disagree about which to
take, so it is kept as `Ambiguous`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

#: Numbers are the bytes of their text, which keeps them apart from strings and compares fast.
Json: TypeAlias = "bool | str | bytes | list[Json] | dict[str, Json] | Ambiguous | None"

#: Character sets that a content type may name, by the codec's name; others are not read.
CHARSETS: Final[Mapping[str, str]] = {
    "": "utf-8-sig",
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8-sig"),
    **dict.fromkeys(("iso-8859-1", "latin1", "windows-1252"), "cp1252"),
    "iso-8859-15": "iso-8859-15",
    **{name: name for name in ("utf-16", "utf-16le", "utf-16be", "utf-32")},
}

_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)


class Unreadable(ValueError):
    """A body that is no JSON document."""


class TooDeep(ValueError):
    """A body that is nested deeper than the reader goes: far deeper than any comparison."""


class Ambiguous:
    """A member whose key was given again, with another value."""

    __slots__ = ("values",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, values: Sequence[Json]) -> None:
        self.values = values

    def __repr__(self) -> str:
        return f"<Ambiguous of {len(self.values)} values>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ambiguous) and self.values == other.values


def read(body: bytes, content_type: str = "") -> Json:
    """Read one JSON value. Raises `Unreadable` or `TooDeep`.

    >>> read(b'{"a": 1.0, "b": "1.0"}')
    {'a': b'1.0', 'b': '1.0'}
    """
    return parse(decoded(body, content_type))


def decoded(body: bytes, content_type: str) -> str:
    """The body as text, by the content type's character set. Raises `Unreadable`."""
    match = _CHARSET.search(content_type)
    charset = CHARSETS.get(match[1].lower() if match else "")
    if charset is None:
        raise Unreadable("the character set is not known")
    try:
        return body.decode(charset)
    except UnicodeDecodeError:
        raise Unreadable(f"the body is not {charset}") from None


def parse(text: str) -> Json:
    """Read one JSON value from text. Raises `Unreadable` or `TooDeep`."""
    try:
        value: Json = DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(error.msg) from None
    except RecursionError:
        raise TooDeep from None
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _mark_repeated(members, pairs)
    return members


def _mark_repeated(members: dict[str, Json], pairs: list[tuple[str, Json]]) -> None:
    """Put all values of a key in its place where they are not all equal."""
    given: dict[str, list[Json]] = {}
    for key, value in pairs:
        given.setdefault(key, []).append(value)
    for key, values in given.items():
        if any(value != values[0] for value in values[1:]):
            members[key] = Ambiguous(values)


def _refuse_constant(word: str) -> NoReturn:
    raise Unreadable(f"{word} is not JSON")


DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=str.encode,
    parse_float=str.encode,
    parse_constant=_refuse_constant,
)


def read_stream(body: bytes, content_type: str) -> list[Json]:
    """The messages of a stream, in whichever framing the content type says.

    A late error of NDJSON and of server-sent events is a message `{"error": …}` in both. Raises
    `Unreadable` or `TooDeep`.
    """
    framing = FRAMINGS.get(media_type(content_type), _array)
    return framing(decoded(body, content_type))


def media_type(content_type: str) -> str:
    """The media type without parameters, in lower case.

    >>> media_type('Application/JSON; charset="utf-8"')
    'application/json'
    """
    return content_type.partition(";")[0].strip(" \t").lower()


def _array(text: str) -> list[Json]:
    value = parse(text)
    return value if isinstance(value, list) else [value]


def _lines(text: str) -> list[Json]:
    return [parse(line) for line in text.split("\n") if line.strip()]


def _events(text: str) -> list[Json]:
    """Server-sent events (WHATWG HTML, section 9.2.6); those without data mean nothing."""
    events = re.split(r"\n\n+", text.replace("\r\n", "\n").replace("\r", "\n"))
    return [value for event in events for value in _event(event)]


def _event(event: str) -> list[Json]:
    fields = [line.partition(":") for line in event.split("\n")]
    data = [value.removeprefix(" ") for name, _, value in fields if name == "data"]
    if not data:
        return []
    value = parse("\n".join(data))
    failed = any(name == "event" and kind.strip() == "error" for name, _, kind in fields)
    return [{"error": value} if failed else value]


#: How the messages of a stream stand in its body; everything else is a JSON array.
FRAMINGS: Final[Mapping[str, Callable[[str], list[Json]]]] = {
    **dict.fromkeys(
        ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl"),
        _lines,
    ),
    "text/event-stream": _events,
}
