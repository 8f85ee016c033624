"""Programs of routes in the language jq, for what declarations cannot say.

Belongs here: programs as values, whether one compiles, and numbers that jq cannot hold. Does not:
running them, which is done in processes of their own (`proxy.programs`).

jq computes with double precision, and what it prints of an integer beyond 2^53 is another integer.
Such integers go in as texts with a mark before them, and texts with the mark come out as integers:
a program that passes them on does so exactly, and one that computes with them fails.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jq
import orjson

#: A character for private use: what begins with it was an integer, or began with it before.
_MARK: Final = "\ue000"
#: The integers that double precision holds, with all between them (IEEE 754).
_EXACT: Final = 1 << 53
#: What all numbers have that it does not hold: many digits, or an exponent of three.
_LARGE: Final = re.compile(rb"\d{16}|[eE]\+?\d{3}").search

#: Longest program, in characters: it travels with each call.
MAX_PROGRAM: Final = 16_384

#: What is wrong with a program that does not give exactly one value.
NO_VALUE: Final = "the program gives no value, or several"


@dataclass(frozen=True, slots=True)
class Program:
    """A jq program with its limits: seconds of one run, bytes of what it is given and gives."""

    source: str
    timeout_s: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class BindingPrograms:
    """The programs of a binding: of the bodies of requests, and of answers."""

    request: Program | None
    answer: Program | None


def check_program(source: str) -> None:
    """Raise `ValueError`, with what the compiler says, for what is no program that can be used.

    >>> check_program(".items | map({id})")
    >>> check_program(".items |")
    Traceback (most recent call last):
    ValueError: syntax error, unexpected end of file at line 1, column 8
    """
    try:
        jq.compile(source)
        jq.compile(wrapped(source))
    except ValueError as error:
        raise ValueError(_shortened(str(error))) from None


def wrapped(source: str) -> str:
    """The program that runs *source* and fails unless it gives exactly one value.

    In parentheses, where modules cannot be imported: no file is any of its business. On lines of
    its own, since its last one may be a comment.
    """
    one = f'if length == 1 then .[0] else error("{NO_VALUE}") end'
    return f"[limit(2; (\n{source}\n))] | {one}"


def _shortened(text: str) -> str:
    """The first line of what the compiler says, without the words that are always there."""
    first = text.partition("\n")[0].removeprefix("jq: error: ").rstrip(":")
    return first.replace(" <top-level>,", "")


def guarded(text: bytes) -> bytes:
    """JSON in which every integer that jq cannot hold is a text with the mark.

    Raises `ValueError` for what is no JSON, and for numbers beyond double precision altogether.

    >>> guarded(b'{"id": 7, "text": "a"}')
    b'{"id": 7, "text": "a"}'
    """
    if _is_plain(text):
        orjson.loads(text)
        return text
    value = json.loads(text, parse_float=_finite, parse_constant=_no_constant)
    return json.dumps(_guarded(value), ensure_ascii=False).encode()


def restored(text: bytes) -> bytes:
    """JSON as a program gave it, with marked texts turned back.

    >>> restored(guarded(b'[9007199254740993, 7]'))
    b'[9007199254740993, 7]'
    """
    if _MARK.encode() not in text and b"\\ue0" not in text.lower():
        return text
    return json.dumps(_restored(json.loads(text)), ensure_ascii=False).encode()


def _is_plain(text: bytes) -> bool:
    """Whether nothing in *text* can be a large number or begin with the mark."""
    return not (_LARGE(text) or _MARK.encode() in text or b"\\ue0" in text.lower())


def _guarded(value: Any) -> Any:
    match value:
        case dict():
            return {key: _guarded(inner) for key, inner in value.items()}
        case list():
            return [_guarded(inner) for inner in value]
        case bool():
            return value
        case int() if not -_EXACT <= value <= _EXACT:
            return f"{_MARK}{value}"
        case str() if value.startswith(_MARK):
            return _MARK + value
    return value


def _restored(value: Any) -> Any:
    match value:
        case dict():
            return {key: _restored(inner) for key, inner in value.items()}
        case list():
            return [_restored(inner) for inner in value]
        case str() if value.startswith(_MARK):
            rest = value[1:]
            return rest if rest.startswith(_MARK) else int(rest)
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
