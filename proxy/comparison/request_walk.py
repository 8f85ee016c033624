"""The walk over what a client sent and what its message has of it, printed.

Belongs here: which differences are none between a text and the message that was read from it. Does
not: captures and query parameters (`comparison.request_texts`), printing (`comparison.requests`).

The forms that ProtoJSON reads alike, numbers and texts of numbers, names and numbers of enums, both
spellings of a key, a default and nothing, are one value in a message. What is left was lost or
changed on the way: fields that no message has, digits that no field holds. A rule is only needed
for what is left, and has hits only there.
"""

from collections.abc import Mapping
from typing import Final

from proxy.comparison.excerpts import Found
from proxy.comparison.kinds import Kind
from proxy.comparison.notations import is_one_value
from proxy.comparison.places import Place
from proxy.comparison.reading import Json
from proxy.comparison.schema import Form
from proxy.comparison.walk import Walk, lack

#: Kinds that are told of a value that has changed; all others are a form of it.
_CHANGES: Final = frozenset({Kind.TYPE, Kind.UNPARSABLE})


class RequestWalk(Walk):
    """One comparison of a body with its message; *legacy* is what was sent.

    Without *tell_unknown* fields that the message has not are no differences.
    """

    __slots__ = ("_tell_unknown",)

    #: Whether anything in them is lost, and a rule is needed, only a closer look tells.
    PASSES_OVER = False

    def __init__(self, *, tell_unknown: bool) -> None:
        super().__init__()
        self._tell_unknown = tell_unknown

    def _containers(self, place: Place, legacy: Json, grpc: Json) -> None:
        if not place.computed:
            super()._containers(place, legacy, grpc)

    def _unequal(self, place: Place, legacy: Json, grpc: Json) -> None:
        if not place.computed and not is_one_value(place.type, legacy, grpc):
            super()._unequal(place, legacy, grpc)

    def _kinds(self, place: Place, legacy: Json, grpc: Json) -> tuple[Kind, ...]:
        kind = super()._kinds(place, legacy, grpc)[-1]
        return (kind if kind in _CHANGES else Kind.VALUE,)

    def _identity(self, place: Place, key: str, members: Mapping[str, Json]) -> tuple[str, Place]:
        """A field by either of its names, and by no other: in another case it was not read."""
        if place.type.form is Form.MESSAGE and key not in place.members:
            below = place.unknown(key)
            return below.step, below
        return super()._identity(place, key, members)

    def _missing(self, place: Place, value: Json) -> None:
        is_lost = lack(place, value, Kind.MISSING_FIELD) is Kind.MISSING_FIELD
        if is_lost and not place.computed and (place.is_known or self._tell_unknown):
            super()._missing(place, value)

    def _extra(self, place: Place, value: Json) -> None:
        """The path's captures and defaults are in the message beside the body."""

    def _report_there(self, place: Place, kind: Kind, legacy: Found, grpc: Found) -> None:
        if kind is not Kind.KEY_CASE:
            super()._report_there(place, kind, legacy, grpc)
