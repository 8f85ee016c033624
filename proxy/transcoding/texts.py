"""How values are written in paths and queries, where implementations differ.

Belongs here: the choices, and the readers of text that are not ProtoJSON's. Does not: which field
has which reader (`transcoding.values`), what a JSON body may hold (`transcoding.protojson`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.protojson.kinds import Kind
from proxy.transcoding.protojson.scalars import INTEGERS, floating, integer

BoolTexts = Literal["strict", "python", "go", "lenient"]
NumberTexts = Literal["json", "decimal", "c"]
DurationTexts = Literal["proto", "go"]
MaskPaths = Literal["convert", "keep"]
ValueTexts = Literal["json", "text"]
EnumTexts = Literal["exact", "ignore_case"]
EnumNumbers = Literal["any", "known"]


@dataclass(frozen=True, slots=True)
class TextForms:
    """The choices of a route; those of `spec` unless told otherwise.

    *values* is about Value, ListValue and Struct. *maps* and *inside_well_known* say whether a
    query may name entries of maps, and fields of messages that have a text of their own.
    """

    bools: BoolTexts = "strict"
    numbers: NumberTexts = "json"
    durations: DurationTexts = "proto"
    masks: MaskPaths = "convert"
    values: ValueTexts = "json"
    enums: EnumTexts = "exact"
    enum_numbers: EnumNumbers = "any"
    maps: bool = True
    inside_well_known: bool = False


SPEC: Final = TextForms()


def _words(true: str, false: str) -> Mapping[str, bool]:
    return MappingProxyType(
        {**dict.fromkeys(true.split(), True), **dict.fromkeys(false.split(), False)}
    )


#: `python` is what Python's `str` makes of one: Google's clients in Python put it into URLs.
#: `go` is `strconv.ParseBool`; `lenient` is what the C++ library of protobuf takes, in any case.
BOOLS: Final[Mapping[BoolTexts, Mapping[str, bool]]] = MappingProxyType(
    {
        "strict": _words("true", "false"),
        "python": _words("true True", "false False"),
        "go": _words("1 t T true TRUE True", "0 f F false FALSE False"),
        "lenient": _words("1 t true y yes", "0 f false n no"),
    }
)


def bool_reader(form: BoolTexts) -> Callable[[str], bool]:
    """The reader of truth values."""
    words, fold = BOOLS[form], form == "lenient"

    def read(text: str) -> bool:
        value = words.get(text.lower() if fold else text)
        if value is None:
            raise ValueError(f"expected true or false, not {excerpt(text)}")
        return value

    return read


_DECIMAL: Final = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII).fullmatch


def integer_reader(kind: Kind) -> Callable[[str], int]:
    """The reader of integers of a *kind* as Go and C write them: `+5`, `007`, and no exponent."""
    name = INTEGERS[kind][0]

    def read(text: str) -> int:
        match = _DECIMAL(text)
        if match is None:
            raise ValueError(f"expected {name}, not {excerpt(text)}")
        return integer(kind, match[1].replace("+", "") + match[2])

    return read


_FLOAT: Final = re.compile(r"([+-]?)0*([0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?", re.ASCII).fullmatch
_HEXADECIMAL: Final = re.compile(r"[+-]?0[xX][0-9a-fA-F.]+(?:[pP][+-]?[0-9]{1,9})?", re.ASCII)


def float_reader(kind: Kind, form: NumberTexts) -> Callable[[str], float]:
    """The reader of numbers as Go and C write them: also `.5`, `5.`, `+5`, and in C `0x1p-2`."""
    hexadecimal = form == "c"

    def read(text: str) -> float:
        match = _FLOAT(text)
        if match and (match[2] or (match[3] or ".") != "." or text.lstrip("+-")[:1] == "0"):
            fraction = match[3] if match[3] not in (None, ".") else ""
            sign = "-" if match[1] == "-" else ""
            return floating(kind, f"{sign}{match[2] or '0'}{fraction}{match[4] or ''}")
        if hexadecimal and _HEXADECIMAL.fullmatch(text):
            return floating(kind, _hexadecimal(text))
        return floating(kind, text)

    return read


def _hexadecimal(text: str) -> str:
    """The decimal text of a hexadecimal one, or what is out of every range."""
    try:
        return repr(float.fromhex(text))
    except OverflowError:
        return "1e999"
    except ValueError:
        return text


_GO_UNITS: Final = MappingProxyType(
    {
        "ns": 1,
        "us": 10**3,
        "µs": 10**3,  # the micro sign, and below the Greek letter
        "μs": 10**3,
        "ms": 10**6,
        "s": 10**9,
        "m": 60 * 10**9,
        "h": 3600 * 10**9,
    }
)
_UNIT: Final = "|".join(sorted(_GO_UNITS, key=len, reverse=True))
_GO_PART: Final = re.compile(rf"([0-9]*)(?:\.([0-9]*))?({_UNIT})")
_GO_DURATION: Final = re.compile(rf"[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:{_UNIT}))+)")
#: More than anybody writes; Go's own limit is 292 years.
_LONG_DURATION: Final = 100
_MOST_NANOSECONDS: Final = 2**63 - 1


def go_nanoseconds(text: str) -> int | None:
    """A duration as `time.ParseDuration` reads it, in nanoseconds; None for what it does not.

    >>> go_nanoseconds("1h2m0.5s"), go_nanoseconds("-300ms"), go_nanoseconds("soon")
    (3720500000000, -300000000, None)
    """
    if len(text) > _LONG_DURATION or not _GO_DURATION.fullmatch(text):
        return None
    total = 0
    for whole, fraction, unit in _GO_PART.findall(text):
        scale = _GO_UNITS[unit]
        total += int(whole or 0) * scale + int(fraction or 0) * scale // 10 ** len(fraction)
    if total > _MOST_NANOSECONDS:
        return None
    return -total if text.startswith("-") else total
