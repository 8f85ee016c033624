"""Placeholders: what stands for a value that may not be kept, of the same type and form.

Belongs here: texts and numbers one by one. Does not: which values they stand for (`redaction`).

A placeholder follows from the form of its value alone: two values of one form have the same one.
So a redacted request still takes the way through the transcoder that it took, and two redacted
answers can be compared in all but their values. What it tells is what is known of an example of a
difference, too: type, length and form.
"""

import re
from collections.abc import Callable
from typing import Any, Final

_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?P<part>\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)
_HTTP_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_ISO_DURATION: Final = re.compile(r"-?P(?=[\dT])[\dYMWDTHS.]+")
_SECONDS: Final = re.compile(r"-?\d+(?:\.\d+)?s")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DIGIT: Final = re.compile(r"\d")

_DATE: Final = "2001-02-03"
_TIME: Final = "04:05:06"


def text_for(text: str) -> str:
    """The placeholder of a text.

    Times, durations, numbers, addresses and codes stay such; what is none of them becomes letters
    where it has letters and digits where it has digits. An empty text stays empty.

    >>> text_for("kim@example.com"), text_for("192.0.2.17"), text_for("0042")
    ('aaa@aaaaaaa.aaa', '111.1.1.11', '1111')
    >>> text_for("2026-11-22T21:56:01.822+01:00"), text_for("P1DT12H"), text_for("-90.25s")
    ('2001-02-03T04:05:06.111+00:00', 'P1DT11H', '-11.11s')
    """
    if _HTTP_DATE.fullmatch(text):
        return f"Sat, 03 Feb 2001 {_TIME} GMT"
    moment = _MOMENT.fullmatch(text)
    if moment is not None:
        return _moment(text, moment)
    if _ISO_DURATION.fullmatch(text) or _SECONDS.fullmatch(text):
        return _DIGIT.sub("1", text)
    if _NUMBER.fullmatch(text):
        return _digits(text)
    return "".join(map(_character, text))


def _moment(text: str, found: re.Match[str]) -> str:
    if len(text) == len(_DATE):
        return _DATE
    part, zone = _DIGIT.sub("1", found["part"] or ""), _DIGIT.sub("0", found["zone"] or "")
    return f"{_DATE}{text[len(_DATE)]}{_TIME}{part}{zone.replace('-', '+')}"


def _digits(text: str) -> str:
    """A number of as many digits; zero stays zero, since many have it for nothing."""
    mantissa, letter, exponent = text.partition("e") if "e" in text else text.partition("E")
    if not mantissa.strip("-0."):
        return text
    return _DIGIT.sub("1", mantissa) + letter + exponent


def _character(character: str) -> str:
    if character.isdigit():
        return "1"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character if character.isascii() else "a"


def number_for(number: int | float) -> int | float:
    """The placeholder of a number: of as many digits, and zero for zero.

    >>> number_for(-1795384561), number_for(0), number_for(2.75)
    (-1111111111, 0, 1.11)
    """
    if not number or number != number or number in (float("inf"), float("-inf")):
        return number
    kind: Callable[[str], int | float] = int if isinstance(number, int) else float
    return kind(_digits(repr(number)))


def value_for(value: Any) -> Any:
    """The placeholder of a JSON scalar. Truth is false, and null null.

    >>> value_for(True), value_for(None), value_for("on")
    (False, None, 'aa')
    """
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return text_for(value)
    return value if value is None else number_for(value)
