"""What the keys about errors have to do with one another, once profiles and routes are together.

Belongs here: keys without effect, and holes that nothing fills. Does not: each key by itself
(`shape_errors`).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from proxy.config.draft import Check, Draft, Finding
from proxy.config.options import Defaults, Route
from proxy.config.shape import shape_of
from proxy.config.shape_errors import ErrorKeys
from proxy.config.tree import Location
from proxy.shape.holes import Document

_ERRORS: Final = "errors"


class Fault(NamedTuple):
    """A key of `errors` that is wrong beside the others; one that is *inert* has no effect."""

    key: str
    message: str
    inert: bool = True


def error_faults(keys: ErrorKeys) -> Iterator[Fault]:
    """What is wrong with the keys of one route's errors, taken together."""
    body: Document | None = keys.body
    if body is None:
        for key in ("content_type", "violation", "error"):
            if getattr(keys, key) is not None:
                yield Fault(key, "does nothing without a body")
    else:
        yield from _list_faults(keys, frozenset(body.names))
    yield from _code_faults(keys)


def _list_faults(keys: ErrorKeys, holes: frozenset[str]) -> Iterator[Fault]:
    if "errors" in holes and keys.error is None:
        message = "has {errors} without the key error, which says what each of them is"
        yield Fault("body", message, inert=False)
    for key, hole in (("error", "errors"), ("violation", "violations")):
        if getattr(keys, key) is not None and hole not in holes:
            yield Fault(key, f"does nothing: body has no {{{hole}}}")


def _code_faults(keys: ErrorKeys) -> Iterator[Fault]:
    wanting = next((key for key, holes in _holes(keys) if "legacy_code" in holes), None)
    if wanting is None and keys.codes is not None:
        yield Fault("codes", "does nothing: there is no {legacy_code}")
    if wanting is not None and keys.codes is None:
        message = "has {legacy_code} without codes, which say what it is"
        yield Fault(wanting, message, inert=False)


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
    """Each fault once, where its key is written; one without effect only if it has none at all."""
    users = Counter[Location]()
    faults: dict[Finding, tuple[int, bool]] = {}
    for location, owner in draft.owners():
        keys = _keys_of(draft, owner)
        if keys is None:
            continue
        users.update(_written(draft, location, owner, key) for key in keys.model_fields_set)
        for fault in error_faults(keys):
            finding = _written(draft, location, owner, fault.key), fault.message
            faults[finding] = faults.get(finding, (0, fault.inert))[0] + 1, fault.inert
        yield from _format_faults(draft, location, owner, keys)
    for finding, (count, inert) in faults.items():
        if not inert or count == users[finding[0]]:
            yield finding


def _keys_of(draft: Draft, owner: Defaults | Route) -> ErrorKeys | None:
    """The keys that count for *owner*: its own, those of its profile and of `defaults`."""
    defaults, profiles = draft.settings.defaults.shape, draft.settings.profiles
    is_own = isinstance(owner, Route) and "shape" in owner.model_fields_set
    if is_own and owner.shape is None:
        return None
    shape = shape_of(owner.shape if is_own else None, defaults, profiles)
    return None if shape is None else shape.errors


def _format_faults(
    draft: Draft, location: Location, owner: Defaults | Route, keys: ErrorKeys
) -> Iterator[Finding]:
    if keys.body is None or "error_format" not in owner.model_fields_set:
        return
    others = [route for _, route in draft.routes if "error_format" not in route.model_fields_set]
    if isinstance(owner, Defaults) and any(_keys_of(draft, each) is None for each in others):
        return  # Those are without a shape, and have the format.
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
