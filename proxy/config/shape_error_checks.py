"""What the keys about errors have to do with one another, once profiles and routes are together.

Belongs here: keys without effect, and holes that nothing fills. Does not: each key by itself
(`shape_errors`).
"""

from collections.abc import Iterator
from typing import Any, Final

from proxy.config.draft import Check, Draft, Finding
from proxy.config.options import Defaults, Route
from proxy.config.shape import shape_of
from proxy.config.shape_errors import ErrorKeys
from proxy.config.tree import Location
from proxy.shape.holes import Document

_ERRORS: Final = "errors"


def error_faults(keys: ErrorKeys) -> Iterator[tuple[str, str]]:
    """The keys of `errors` that are wrong beside the others, each with what is."""
    body: Document | None = keys.body
    if body is None:
        for key in ("content_type", "violation", "error"):
            if getattr(keys, key) is not None:
                yield key, "does nothing without a body"
        holes = frozenset[str]()
    else:
        holes = frozenset(body.names)
        yield from _list_faults(keys, holes)
    yield from _code_faults(keys)


def _list_faults(keys: ErrorKeys, holes: frozenset[str]) -> Iterator[tuple[str, str]]:
    if "errors" in holes and keys.error is None:
        yield "body", "has {errors} without the key error, which says what each of them is"
    for key, hole in (("error", "errors"), ("violation", "violations")):
        if getattr(keys, key) is not None and hole not in holes:
            yield key, f"does nothing: body has no {{{hole}}}"


def _code_faults(keys: ErrorKeys) -> Iterator[tuple[str, str]]:
    wanting = next((key for key, holes in _holes(keys) if "legacy_code" in holes), None)
    if wanting is None and keys.codes is not None:
        yield "codes", "does nothing: there is no {legacy_code}"
    if wanting is not None and keys.codes is None:
        yield wanting, "has {legacy_code} without codes, which say what it is"


def _holes(keys: ErrorKeys) -> Iterator[tuple[str, frozenset[str]]]:
    """The keys whose values have holes, with those holes."""
    for key in ("body", "violation", "error"):
        document: Document | None = getattr(keys, key)
        if document is not None:
            yield key, frozenset(document.names)
    messages = keys.messages
    if messages is not None:
        tables: tuple[Any, ...] = (messages.reasons, messages.http, messages.names)
        yield "messages", frozenset(n for t in tables for text in t.values() for n in text.names)


def _errors_agree(draft: Draft) -> Iterator[Finding]:
    """Each fault once, where its key is written; what entries share has it at one place."""
    told: set[Finding] = set()
    for location, owner in draft.owners():
        for finding in _faults_of(draft, location, owner):
            if finding not in told:
                told.add(finding)
                yield finding


def _faults_of(draft: Draft, location: Location, owner: Defaults | Route) -> Iterator[Finding]:
    given = "shape" in owner.model_fields_set
    if isinstance(owner, Route) and not given and "error_format" not in owner.model_fields_set:
        return  # It has what `defaults` has.
    defaults, profiles = draft.settings.defaults.shape, draft.settings.profiles
    if isinstance(owner, Defaults) or not given:
        shape = shape_of(None, defaults, profiles)
    else:
        shape = None if owner.shape is None else shape_of(owner.shape, defaults, profiles)
    keys = None if shape is None else shape.errors
    if keys is None:
        return
    for key, message in error_faults(keys):
        yield _written(draft, location, owner, key), message
    if keys.body is not None and "error_format" in owner.model_fields_set:
        place = draft.tree.place(_written(draft, location, owner, "body"))
        yield (*location, "error_format"), f"does nothing: errors have the body at {place}"


def _written(draft: Draft, location: Location, owner: Defaults | Route, key: str) -> Location:
    """Where the key that counts for *owner* is written."""
    defaults = draft.settings.defaults.shape
    named = [each.profile for each in (owner.shape, defaults) if each is not None and each.profile]
    places: list[Location] = [(*location, "shape", _ERRORS, key)]
    places += [("profiles", name, _ERRORS, key) for name in named[:1]]
    places.append(("defaults", "shape", _ERRORS, key))
    return next((each for each in places if each in draft.tree.places), places[0])


CHECKS: Final[tuple[Check, ...]] = ((frozenset({"defaults", "profiles"}), _errors_agree),)
