"""Regular expressions of operators: which are taken, and how much text they see.

Belongs here: keeping matching from taking for ever. Does not: what a match means
(`comparison.rules`).

Python's matcher tries alternatives one after another, and some short patterns, such as `(a+)+b`,
take exponential time. They are refused by their form: what is repeated may hold no alternatives
and no part of variable length, nothing refers back or looks around, and parts of variable length
are few. What is left takes at worst polynomial time, in text whose length is bounded.
"""

import re
from dataclasses import dataclass, field
from typing import Final

#: Longest text that is matched, in characters; longer text matches nothing.
LONGEST_MATCHED: Final = 256
#: Most parts of a pattern that repeat without a bound, and most of variable length at all.
MOST_UNBOUNDED: Final = 4
MOST_VARIABLE: Final = 12
#: A larger bound is as good as none.
LARGE: Final = 64

#: A pattern, token by token: an escape, a set, a group's head, a quantifier, anything else.
_TOKEN: Final = re.compile(
    r"""(?P<escape>\\.)
    | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
    | (?P<open>\((?:\?(?P<head>:|P<\w+>|.))?)
    | (?P<close>\))
    | (?P<either>\|)
    | (?P<repeat>[*+?]|\{(?P<low>\d*),?(?P<high>\d*)\})(?P<manner>[?+]?)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a pattern that is to match a whole text. Raises `ValueError` with the reason.

    >>> check_pattern("[0-9a-f]{8}(-[0-9a-f]{4})?").fullmatch("0123abcd-4567") is not None
    True
    >>> check_pattern("(a+)+b")
    Traceback (most recent call last):
    ValueError: column 5: what is repeated may hold no | and no part of variable length
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    _Form(pattern).check()
    return compiled


@dataclass(slots=True)
class _Group:
    """What is inside of the group that is being read."""

    varies: bool = False


@dataclass(slots=True)
class _Form:
    pattern: str
    groups: list[_Group] = field(default_factory=lambda: [_Group()])
    closed: _Group | None = None
    unbounded: int = 0
    variable: int = 0

    def check(self) -> None:
        for match in _TOKEN.finditer(self.pattern):
            closed, self.closed = self.closed, None
            kind = match.lastgroup if match["repeat"] is None else "repeat"
            if match["open"]:
                self._open(match)
            elif kind == "close":
                self._close()
            elif kind == "either":
                self.groups[-1].varies = True
            elif kind == "repeat":
                self._repeat(match, closed)
            elif match["escape"] and match["escape"][1] in "123456789":
                raise ValueError(f"column {match.start() + 1}: it may not refer back")

    def _open(self, match: re.Match[str]) -> None:
        if match["head"] is not None and not match["head"].startswith((":", "P<")):
            raise ValueError(f"column {match.start() + 1}: only groups (…), (?:…), (?P<name>…)")
        self.groups.append(_Group())

    def _close(self) -> None:
        self.closed = self.groups.pop()
        self.groups[-1].varies |= self.closed.varies

    def _repeat(self, match: re.Match[str], group: _Group | None) -> None:
        low, high = _bounds(match)
        if high != 1 and group is not None and group.varies:
            reason = "what is repeated may hold no | and no part of variable length"
            raise ValueError(f"column {match.start() + 1}: {reason}")
        if low == high:
            return
        self.groups[-1].varies = True
        self.variable += 1
        self.unbounded += high > LARGE
        if self.unbounded > MOST_UNBOUNDED or self.variable > MOST_VARIABLE:
            raise ValueError(f"column {match.start() + 1}: too many parts of variable length")


def _bounds(match: re.Match[str]) -> tuple[int, int]:
    """How often at least and at most; without a bound it is more than `LARGE`."""
    symbol = match["repeat"]
    if symbol in ("*", "+", "?"):
        return int(symbol == "+"), 1 if symbol == "?" else LARGE + 1
    low = int(match["low"] or 0)
    if "," not in symbol:
        return low, low
    return low, int(match["high"] or LARGE + 1)
