"""What a canary goes by: which clients are in one, which never, and what the others are drawn by.

Belongs here: the options of a route's canary, checked and compiled. Does not: the percent, which
moves while the proxy runs (`position`), nor the order in which they count (`decision`).
"""

import re
from dataclasses import dataclass
from typing import Final

from proxy.cutover.sticky import Caller, StickySource

_TESTS: Final = ("exact", "prefix", "regex", "present")


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """A test of one header, the first of its name: exactly one of the four is given.

    *regex* is for the whole value; its author answers for the time it takes. *present* says
    whether the header is there at all, empty or not.

    >>> HeaderMatch("x-canary", exact="always", prefix="al")
    Traceback (most recent call last):
    ValueError: x-canary needs one of exact, prefix, regex, present; it has exact, prefix
    """

    name: str
    exact: str | None = None
    prefix: str | None = None
    regex: re.Pattern[str] | None = None
    present: bool | None = None

    def __post_init__(self) -> None:
        given = [test for test in _TESTS if getattr(self, test) is not None]
        if len(given) != 1:
            needed, has = ", ".join(_TESTS), ", ".join(given) or "none"
            raise ValueError(f"{self.name} needs one of {needed}; it has {has}")

    def matches(self, caller: Caller) -> bool:
        """Whether the header of *caller* passes."""
        value = caller.headers.get(self.name)
        if self.present is not None:
            return (value is not None) is self.present
        return value is not None and self._passes(value)

    def _passes(self, value: str) -> bool:
        if self.exact is not None:
            return value == self.exact
        if self.prefix is not None:
            return value.startswith(self.prefix)
        return self.regex is not None and self.regex.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class ValueList:
    """Callers by name: those of whom *source* says one of *values*."""

    source: StickySource
    values: frozenset[str]

    def has(self, caller: Caller) -> bool:
        """Whether *caller* is on the list."""
        return self.source.of(caller) in self.values


@dataclass(frozen=True, slots=True)
class Canary:
    """The canary of a route: routes of one *group* decide alike about one sticky key.

    *sticky* are the sources of the key, the first that has one wins. Whoever passes one test of
    *match*, or is on the list *allow*, is in at any percent; whoever is on *deny* never is.
    *pin_ttl_s* is how long a key stays on the side that answered its last write, None for not at
    all.

    Raises `ValueError` for a group that is empty or has a NUL, which ends it in the hash.
    """

    group: str
    sticky: tuple[StickySource, ...]
    match: tuple[HeaderMatch, ...] = ()
    allow: ValueList | None = None
    deny: ValueList | None = None
    pin_ttl_s: float | None = None

    def __post_init__(self) -> None:
        if not self.group or "\0" in self.group:
            raise ValueError(f"{self.group!r} is no name of a group")

    def denies(self, caller: Caller) -> bool:
        """Whether *caller* is kept out at any percent."""
        return self.deny is not None and self.deny.has(caller)

    def matches(self, caller: Caller) -> bool:
        """Whether a header forces *caller* in."""
        return bool(self.match) and any(test.matches(caller) for test in self.match)

    def allows(self, caller: Caller) -> bool:
        """Whether *caller* is in by name."""
        return self.allow is not None and self.allow.has(caller)
