"""Legacy forms of URLs: what old clients append to a path or spell otherwise, and how it is undone.

Belongs here: the settings of one route as a value, and texts of paths. Does not: which binding a
path belongs to (`routing.legacy_urls`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import RequestError

#: The methods that a parameter of a POST may stand for: those that HTML forms cannot send. A
#: parameter that could make a GET of a POST would walk around every check of methods before us.
OVERRIDABLE: Final = ("PUT", "PATCH", "DELETE")


class Quirk(StrEnum):
    """A legacy form, as the metric and the log name it."""

    TRAILING_SLASH = "trailing_slash"
    SUFFIX = "suffix"
    CASE = "case"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class MethodParameter:
    """A parameter of a POST that names the method meant, in the query or a form's body."""

    name: str = "_method"
    in_query: bool = True
    in_form: bool = True
    methods: frozenset[str] = frozenset(OVERRIDABLE)


@dataclass(frozen=True, slots=True)
class UrlQuirks:
    """The legacy forms that a route takes beside its own URLs.

    *suffixes* are texts behind the last segment, such as `.json`.
    """

    trailing_slash: bool = False
    ignore_case: bool = False
    suffixes: tuple[str, ...] = ()
    method: MethodParameter | None = None


@dataclass(frozen=True, slots=True, order=True)
class PathForm:
    """One combination of what can be legacy about a path; "" is no suffix."""

    ignore_case: bool = False
    suffix: str = ""
    trailing_slash: bool = False

    @property
    def quirks(self) -> tuple[Quirk, ...]:
        """What of it is counted."""
        said = (
            (self.trailing_slash, Quirk.TRAILING_SLASH),
            (bool(self.suffix), Quirk.SUFFIX),
            (self.ignore_case, Quirk.CASE),
        )
        return tuple(quirk for is_so, quirk in said if is_so)

    @property
    def strips(self) -> int:
        """How much of the end of a path it takes away."""
        return len(self.suffix) + self.trailing_slash


def path_forms(quirks: UrlQuirks) -> Iterator[PathForm]:
    """All combinations of a route's legacy forms, without the one in which nothing is legacy.

    >>> [form.quirks for form in path_forms(UrlQuirks(trailing_slash=True, suffixes=(".json",)))]
    [(<Quirk.TRAILING_SLASH: 'trailing_slash'>,), (<Quirk.SUFFIX: 'suffix'>,), \
(<Quirk.TRAILING_SLASH: 'trailing_slash'>, <Quirk.SUFFIX: 'suffix'>)]
    """
    for folds in _choices(quirks.ignore_case):
        for suffix in ("", *quirks.suffixes):
            for slash in _choices(quirks.trailing_slash):
                if folds or suffix or slash:
                    yield PathForm(folds, suffix, slash)


def _choices(allowed: bool) -> tuple[bool, ...]:
    return (False, True) if allowed else (False,)


def stripper(form: PathForm) -> Callable[[str], str | None]:
    """What takes the end of *form* from a raw path; it gives None for a path without that end.

    A slash stands last, and one is taken, not several. A suffix is found however it is escaped,
    as literals are, in any case where the form ignores case; it is taken once, and never makes
    the last segment empty.

    >>> strip = stripper(PathForm(suffix=".json", trailing_slash=True))
    >>> strip("/zones/a.json/"), strip("/zones/a%2Ejson/"), strip("/zones/.json/")
    ('/zones/a', '/zones/a', None)
    """
    pattern = "".join(map(_escaped_or_not, form.suffix)) + ("/" if form.trailing_slash else "")
    flags = re.ASCII | (re.IGNORECASE if form.ignore_case else re.NOFLAG)
    found = re.compile(rf"(?<=[^/]){pattern}\Z", flags).search

    def strip(path: str) -> str | None:
        # What is searched is the end alone: a pattern looked for in a whole long path costs more.
        start = max(0, len(path) - 3 * len(form.suffix) - 2)
        match = found(path, start)
        return None if match is None else path[: match.start()]

    return strip if form.strips else lambda path: path


def _escaped_or_not(character: str) -> str:
    hexadecimal = "".join(
        f"[{digit.lower()}{digit.upper()}]" if digit.isalpha() else digit
        for digit in f"{ord(character):02X}"
    )
    return f"(?:{re.escape(character)}|%{hexadecimal})"


def overridden_method(values: Iterable[str]) -> str | None:
    """The method that the parameter's *values* in one request name, None when it is not there.

    In capitals, as methods are; a text that is no method is handed on, and is none of a route.
    Raises `RequestError` when it is given twice: another server may read the other one.
    """
    given = list(values)
    if len(given) > 1:
        raise RequestError("the parameter that names the method is given twice")
    return given[0].upper() if given and given[0].isascii() else None
