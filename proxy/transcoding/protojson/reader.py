"""The exact JSON reader: every key, every digit, and nothing that RFC 8259 does not allow.

Belongs here: JSON text to values that still show what was written. Does not: fields. The
grammar is the standard library's, through hooks that keep pairs and number text; depth, UTF-8
and the words NaN and Infinity, where it is lax, are checked here.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, NoReturn, TypeAlias

from proxy.errors import RequestError
from proxy.transcoding.protojson.faults import excerpt


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class JsonObject:
    """A JSON object as written: its pairs in order, a key as often as it was given."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[str, "JsonValue"]]) -> None:
        self.pairs = pairs


JsonValue: TypeAlias = "bool | str | Number | list[JsonValue] | JsonObject | None"

#: A string, closed or not, or a bracket. Strings first, so that brackets inside do not count.
BRACKETS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


def read(body: bytes, max_depth: int) -> JsonValue:
    """Read one JSON value. Raises `RequestError` for anything else."""
    text = decoded(body)
    if too_deep(text, max_depth):
        raise RequestError(f"the JSON is nested deeper than {max_depth} levels")
    try:
        value: JsonValue = DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"the body is not valid JSON at {place}: {reason}") from None
    return value


def decoded(body: bytes) -> str:
    """The body as text. Raises `RequestError` when it is not UTF-8 or has a byte order mark."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not valid UTF-8 at byte {error.start + 1}") from None
    if text.startswith("\ufeff"):
        raise RequestError("the body starts with a byte order mark, which JSON does not allow")
    return text


def too_deep(text: str, limit: int) -> bool:
    """Whether arrays and objects are nested deeper than *limit* levels.

    >>> too_deep('[["[[[[" ]]', 2), too_deep('{"a": [{', 2)
    (False, True)
    """
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for match in BRACKETS.finditer(text):
        first = match.group()[0]
        if first in "[{":
            depth += 1
            if depth > limit:
                return True
        elif first in "]}":
            depth -= 1
    return False


def has_surrogate(text: str) -> bool:
    """Whether the text has half of a surrogate pair, which no protobuf string can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def describe(value: JsonValue) -> str:
    """The value in a few words, for messages.

    >>> describe(Number("1.5")), describe("abc"), describe([])
    ('1.5', '"abc"', 'an array')
    """
    if isinstance(value, Number):
        return excerpt(value)[1:-1]
    if isinstance(value, str):
        return excerpt(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "an array"
    return "null" if value is None else "an object"


def _refuse_constant(word: str) -> NoReturn:
    raise RequestError(f"the body is not valid JSON: {word} must be written in double quotes")


DECODER: Final = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_int=Number,
    parse_float=Number,
    parse_constant=_refuse_constant,
)
