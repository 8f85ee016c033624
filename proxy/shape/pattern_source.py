"""The parts of timestamp patterns, and the source of the functions that write and read one.

Belongs here: what each directive says, and generated code for a pattern. Does not: what patterns
are good for, slow and exact reading (`forms_patterns`).
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple, cast

from proxy.transcoding.protojson.moments import (
    DAY_S,
    FIRST_S,
    LAST_S,
    MINUTE_S,
    MINUTES,
    NANOS,
    SECOND_NS,
    SECOND_S,
    TWO_DIGITS,
    date_text,
    day_start_s,
)

#: Offsets that are kept as number: there are not many.
OFFSETS: Final = 256

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT_MONTHS: Final = tuple(name[:3] for name in MONTHS)
SHORT_DAYS: Final = tuple(name[:3] for name in DAYS)

_DIRECTIVE: Final = re.compile(r"%(-?[a-zA-Z]|[369]f|:z|%)?")
_SHORTHANDS: Final = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}
_OFFSET: Final = re.compile(r"[+-](?:[01]\d|2[0-3]):?[0-5]\d", re.ASCII).fullmatch
#: Month names and their numbers as texts.
_MONTH_NUMBERS: Final = {
    name: TWO_DIGITS[number]
    for names in (SHORT_MONTHS, MONTHS)
    for number, name in enumerate(names, 1)
}


class Part(NamedTuple):
    """One directive: what it says, Python for its text, the pattern that reads it.

    In the Python, d is the date as ISO 8601 has it, t the time `HH:MM`, s the second of the day, n
    the nanoseconds, day counts from 1970-01-01, o is the offset in seconds.
    """

    says: str
    python: str
    expression: str


PARTS: Final[dict[str, Part]] = {
    "Y": Part("year", "d[:4]", r"\d{4}"),
    "m": Part("month", "d[5:7]", r"\d\d"),
    "-m": Part("month", "str(int(d[5:7]))", r"\d\d?"),
    "b": Part("month_name", "SHORT_MONTHS[int(d[5:7]) - 1]", "|".join(SHORT_MONTHS)),
    "B": Part("month_name", "MONTHS[int(d[5:7]) - 1]", "|".join(MONTHS)),
    "d": Part("day", "d[8:]", r"\d\d"),
    "-d": Part("day", "str(int(d[8:]))", r"\d\d?"),
    "a": Part("weekday", "SHORT_DAYS[(day + 3) % 7]", "|".join(SHORT_DAYS)),
    "A": Part("weekday", "DAYS[(day + 3) % 7]", "|".join(DAYS)),
    "H": Part("hour", "t[:2]", r"\d\d"),
    "-H": Part("hour", "str(s // 3600)", r"\d\d?"),
    "I": Part("hour12", "TWO_DIGITS[(s // 3600 + 11) % 12 + 1]", r"\d\d"),
    "-I": Part("hour12", "str((s // 3600 + 11) % 12 + 1)", r"\d\d?"),
    "p": Part("half", "('AM' if s < 43200 else 'PM')", "AM|PM"),
    "M": Part("minute", "t[3:]", r"\d\d"),
    "S": Part("second", "TWO_DIGITS[s % 60]", r"\d\d"),
    "f": Part("fraction", "f'{n // 1000:06d}'", r"\d{6}"),
    "3f": Part("fraction", "f'{n // 1000000:03d}'", r"\d{3}"),
    "6f": Part("fraction", "f'{n // 1000:06d}'", r"\d{6}"),
    "9f": Part("fraction", "f'{n:09d}'", r"\d{9}"),
    "z": Part("offset", "offset_text(o, '')", r"[+-]\d{4}"),
    ":z": Part("offset", "offset_text(o, ':')", r"[+-]\d\d:\d\d"),
    "K": Part("offset", "(offset_text(o, ':') if o else 'Z')", r"Z|[+-]\d\d:\d\d"),
}

Pieces = tuple[str | Part, ...]

#: Characters of the parts that always have the same number of them and can be cut out.
_WIDTHS: Final = {
    **{PARTS[name]: 2 for name in "mdHMS"},
    PARTS["Y"]: 4,
    PARTS["b"]: 3,
    PARTS["a"]: 3,
    PARTS["f"]: 6,
    PARTS["3f"]: 3,
    PARTS["6f"]: 6,
    PARTS["9f"]: 9,
    PARTS["z"]: 5,
    PARTS[":z"]: 6,
}
#: What the quick reader has to find: a whole moment.
_WHOLE: Final = frozenset({"year", "day", "hour", "minute", "second"})


def offset_text(offset_s: int, colon: str) -> str:
    """An offset from UTC. Raises `ValueError` for one with seconds, as before time zones.

    >>> offset_text(-12_600, ":")
    '-03:30'
    """
    minutes, seconds = divmod(abs(offset_s), 60)
    if seconds:
        raise ValueError("a Timestamp has an offset of seconds in its time zone")
    sign = "-" if offset_s < 0 else "+"
    return f"{sign}{minutes // 60:02d}{colon}{minutes % 60:02d}"


@lru_cache(maxsize=OFFSETS)
def offset_s(text: str) -> int:
    """The offset that a text says, in seconds. Raises `ValueError` for one that is none.

    >>> offset_s("-0330"), offset_s("+02:00"), offset_s("Z")
    (-12600, 7200, 0)
    """
    if text == "Z":
        return 0
    if not _OFFSET(text):
        raise ValueError(text)
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[0] == "-" else seconds


#: What generated code can see.
_NAMES: Final[dict[str, object]] = {
    "DAYS": DAYS,
    "MINUTES": MINUTES,
    "MINUTE_S": MINUTE_S,
    "MONTHS": MONTHS,
    "MONTH_NUMBERS": _MONTH_NUMBERS,
    "NANOS": NANOS,
    "SECOND_S": SECOND_S,
    "SHORT_DAYS": SHORT_DAYS,
    "SHORT_MONTHS": SHORT_MONTHS,
    "TWO_DIGITS": TWO_DIGITS,
    "date_text": date_text,
    "day_start_s": day_start_s,
    "offset_s": offset_s,
    "offset_text": offset_text,
}

Writer = Callable[[int, int], str]
Reader = Callable[[str], tuple[int, int]]


def pieces_of(pattern: str) -> Iterator[str | Part]:
    """The literal texts and the parts of a pattern. Raises `ValueError` for a bad directive."""
    for short, meaning in _SHORTHANDS.items():
        pattern = re.sub(rf"(?<!%)((?:%%)*){short}", rf"\g<1>{meaning}", pattern)
    end = 0
    for found in _DIRECTIVE.finditer(pattern):
        if found.start() > end:
            yield pattern[end : found.start()]
        end = found.end()
        if found[1] == "%":
            yield "%"
        elif found[1] not in PARTS:
            raise ValueError(f"{pattern[found.start() : end + 1]} is no directive of {pattern}")
        else:
            yield PARTS[found[1]]
    if pattern[end:]:
        yield pattern[end:]


def writer_of(pieces: Pieces, offset_at: Callable[[int], int] | None) -> Writer:
    """What writes a moment: seconds since the epoch, and nanoseconds.

    *offset_at* gives the offset of the time zone at a moment, None is for UTC.
    """
    joined = " + ".join(p.python if isinstance(p, Part) else repr(p) for p in pieces)
    # Dates and times that stand together are together already.
    joined = joined.replace("d[:4] + '-' + d[5:7] + '-' + d[8:]", "d")
    joined = joined.replace("t[:2] + ':' + t[3:]", "t")
    local = "seconds" if offset_at is None else "seconds + o"
    lines = [
        "def write(seconds, n):",
        f"    if not 0 <= n < {SECOND_NS}: raise ValueError('a Timestamp is out of range')",
        "    o = 0" if offset_at is None else "    o = offset_at(seconds)",
        f"    day, s = divmod({local}, {DAY_S})",
        "    d = date_text(day)",
        "    t = MINUTES[s // 60]",
        f"    return {joined}",
    ]
    return cast(Writer, _compiled(lines, "write", {"offset_at": offset_at}))


def quick_reader_of(pieces: Pieces, *, is_utc: bool) -> Reader | None:
    """What reads the texts of a pattern that have all parts at fixed places, None for others.

    It raises `ValueError` or `KeyError` for anything that is not surely right.
    """
    cut: dict[str, str] = {}
    checks: list[str] = []
    at = 0
    for piece in pieces:
        if piece == PARTS["K"] and is_utc:
            piece = "Z"  # noqa: PLW2901  other offsets are for the slow reader
        width = len(piece) if isinstance(piece, str) else _WIDTHS.get(piece, 0)
        if not width:
            return None
        here = f"x[{at}:{at + width}]"
        if isinstance(piece, str):
            checks.append(f"{here} != {piece!r}")
        else:
            cut[piece.says] = here
        at += width
    has_month = "month" in cut or "month_name" in cut
    if not (has_month and cut.keys() >= _WHOLE and (is_utc or "offset" in cut)):
        return None
    return cast(Reader, _compiled(_reading(cut, [f"len(x) != {at}", *checks]), "read", {}))


def _reading(cut: dict[str, str], checks: list[str]) -> list[str]:
    month = cut.get("month") or f"MONTH_NUMBERS[{cut['month_name']}]"
    lines = [
        "def read(x):",
        f"    if {' or '.join(checks)}: raise ValueError(x)",
        f"    s = day_start_s({cut['year']} + '-' + {month} + '-' + {cut['day']})",
    ]
    if "weekday" in cut:
        found = f"SHORT_DAYS[(s // {DAY_S} + 3) % 7]"
        lines.append(f"    if {cut['weekday']} != {found}: raise ValueError(x)")
    lines += [
        f"    s += MINUTE_S[{cut['hour']} + ':' + {cut['minute']}] + SECOND_S[{cut['second']}]"
    ]
    if "offset" in cut:
        lines += [
            f"    s -= offset_s({cut['offset']})",
            f"    if not {FIRST_S} <= s <= {LAST_S}: raise ValueError(x)",
        ]
    if "fraction" not in cut:
        return [*lines, "    return s, 0"]
    return [
        *lines,
        f"    n = {cut['fraction']}",
        "    if not (n.isascii() and n.isdecimal()): raise ValueError(x)",
        "    return s, int(n) * NANOS[len(n)]",
    ]


def _compiled(lines: list[str], name: str, more: dict[str, object]) -> object:
    namespace = {**_NAMES, **more}
    exec("\n".join(lines), namespace)  # noqa: S102  made here from a table
    return namespace[name]
