"""Schema errors to problems: the texts that people read.

Belongs here: the table from pydantic's error types to our words, and the guess at what a wrong key
was meant to be. A value is shown as it was written, so one that came from the environment stays
hidden behind its `${NAME}`.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from proxy.comparison.kinds import Kind
from proxy.config.base import Section
from proxy.config.naming import did_you_mean
from proxy.config.schema import Settings
from proxy.config.tree import Location, Tree
from proxy.config.upstreams import GrpcUpstream, Upstreams
from proxy.errors import Problem

#: Keys that belong to the design and not to this version, so no guess is offered.
_LATER_KEYS: Final = frozenset({"match"})
_NOT_YET: Final = "is not available in this version"

#: The longest piece of a value that a problem quotes, in characters.
_MAX_SHOWN: Final = 60


def schema_problems(error: ValidationError, tree: Tree, known: Set[Location]) -> list[Problem]:
    """The problems of pydantic's errors, each at its place in *tree*.

    Locations in *known* have their problem already; what follows from it is left out.
    """
    errors = error.errors(include_url=False)
    return [_problem(details, tree) for details in errors if details["loc"] not in known]


def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by the keys that files use."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def section_of(annotation: object) -> type[Section] | None:
    """The section that an annotation holds: itself, or inside a tuple or an optional."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    inner = (section_of(part) for part in get_args(annotation))
    return next((section for section in inner if section is not None), None)


def _section_at(location: Location) -> type[Section]:
    section: type[Section] = Settings
    for part in location:
        if isinstance(part, str):
            section = _section_under(section, part)
    return section


def _section_under(section: type[Section], key: str) -> type[Section]:
    info = keys_of(section).get(key)
    if info is None and section is Upstreams:
        return GrpcUpstream
    return (section_of(info.annotation) if info else None) or section


@dataclass(frozen=True, slots=True)
class _Refusal:
    """One of pydantic's errors, with the refused value as people shall see it, "" for none."""

    details: ErrorDetails
    shown: str
    from_environment: bool

    @property
    def context(self) -> dict[str, Any]:
        """What the error's text is made of."""
        return self.details.get("ctx", {})

    def wants(self, what: str) -> str:
        """The sentence that says what must stand in place of the value."""
        return f"must be {what}, not {self.shown}" if self.shown else f"must be {what}"


def _problem(details: ErrorDetails, tree: Tree) -> Problem:
    location, kind = _without_mark(details["loc"]), details["type"]
    refusal = _Refusal(details, _shown(details, tree), location in tree.templates)
    place = tree.key_place(location) if kind == "extra_forbidden" else tree.place(location)
    text = _TEXTS.get(kind, _own_text)
    return Problem(place, refusal.wants(_WANTED[kind]) if kind in _WANTED else text(refusal))


def _without_mark(location: Location) -> Location:
    """The location without what pydantic adds to it when a key of a table is refused."""
    return location[:-1] if location[-1:] == ("[key]",) else location


def _shown(details: ErrorDetails, tree: Tree) -> str:
    """A scalar value as written, cut; nothing for lists and mappings."""
    value: object = tree.templates.get(details["loc"], details["input"])
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        return ""
    text = str(value)
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f"'{shown}'" if isinstance(value, str) else shown


def _own_text(refusal: _Refusal) -> str:
    """The text of a check of ours, or pydantic's where the table has no row."""
    message = refusal.details["msg"]
    return f"{message}, not {refusal.shown}" if refusal.shown else message


def _text_wanted(refusal: _Refusal) -> str:
    return f"must be text; put {refusal.shown} into quotes" if refusal.shown else "must be text"


def _unknown_key(refusal: _Refusal) -> str:
    *around, key = refusal.details["loc"]
    if key in _LATER_KEYS:
        return _NOT_YET
    return f"unknown key{did_you_mean(str(key), keys_of(_section_at(tuple(around))))}"


def _choice(refusal: _Refusal) -> str:
    given = refusal.details["input"]
    if refusal.context["expected"] == "True":
        return refusal.wants("true")
    choices = refusal.context["expected"].replace("'", "").replace(" or ", ", ")
    return refusal.wants(f"one of {choices}") + did_you_mean(str(given), choices.split(", "))


def _window(refusal: _Refusal) -> str:
    """Why a text is no window; the reason quotes the text, which may have to stay hidden."""
    if refusal.from_environment:
        return refusal.wants("a window such as Mon-Thu 09:00-16:00 Europe/Berlin")
    return f"is no window: {refusal.context['why']}"


def _kind(refusal: _Refusal) -> str:
    guess = did_you_mean(str(refusal.details["input"]), [*Kind])
    return refusal.wants(f"a kind of difference such as {Kind.MISSING_FIELD}") + guess


def _missing(refusal: _Refusal) -> str:
    return f"{refusal.details['loc'][-1]} is required"


#: What must stand in place of a value of the wrong type.
_WANTED: Final[dict[str, str]] = {
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "int_type": "a whole number",
    "model_type": "a mapping of keys",
    "tuple_type": "a list",
}
_TEXTS: Final[dict[str, Callable[[_Refusal], str]]] = {
    "extra_forbidden": _unknown_key,
    "greater_than_equal": lambda refusal: refusal.wants(f"at least {refusal.context['ge']}"),
    "kind": _kind,
    "less_than_equal": lambda refusal: refusal.wants(f"at most {refusal.context['le']}"),
    "literal_error": _choice,
    "missing": _missing,
    "secret": lambda refusal: refusal.details["msg"],
    "string_too_short": lambda _: "must not be empty",
    "string_type": _text_wanted,
    "url_secret": lambda refusal: refusal.details["msg"],
    "window": _window,
}
