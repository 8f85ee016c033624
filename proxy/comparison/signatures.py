"""Tokens of list elements: equal for elements that mean the same, however they are written.

Belongs here: what an element means as a whole, and its key where it has one. Does not: pairing
(`comparison.lists`).

Each object and list gets a number, the same for equal ones: children first, so that one step looks
at members and numbers only. Numbers are kept while a comparison lasts, so that lists in lists cost
no more than lists. What a rule lets differ is left out, as are nulls and defaults.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, TypeAlias

from proxy.comparison.notations import meaning
from proxy.comparison.places import TYPE_KEY, Place
from proxy.comparison.reading import Json
from proxy.comparison.rules import ListBy, Set
from proxy.comparison.schema import Form, fold
from proxy.transcoding.protojson.kinds import Kind as FieldKind

#: An object or list of JSON.
Container: TypeAlias = "dict[str, Json] | list[Json]"

#: Members that name an element, the likeliest first, when no two elements have the same.
NATURAL_KEYS: Final = ("id", "uid", "uuid", "key", "name")


class Signatures:
    """The tokens of one comparison; *spend* is told how many values were looked at."""

    __slots__ = ("_numbers", "_spend", "_tokens")

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        #: By the identity of an object or list, all of which outlive the comparison.
        self._tokens: dict[int, Hashable] = {}
        self._numbers: dict[Hashable, tuple[int]] = {}

    def __repr__(self) -> str:
        return f"<Signatures of {len(self._tokens)} values>"

    def of(self, element: Place, values: Sequence[Json]) -> list[Hashable]:
        """One token for each element."""
        tokens, numbers = self._tokens, self._numbers
        self._spend(len(values))
        waiting = [
            (element, value)
            for value in values
            if isinstance(value, (dict, list)) and id(value) not in tokens
        ]
        for place, value in waiting:  # which grows on the way
            self._spend(len(value))
            waiting += [each for each in _containers(place, value) if id(each[1]) not in tokens]
        for place, value in reversed(waiting):
            whole = self._whole(place, value)
            tokens[id(value)] = numbers.setdefault(whole, (len(numbers),))
        return [self._token(element, value) for value in values]

    def _token(self, place: Place, value: Json) -> Hashable:
        """A value's token; None for what may as well not be there."""
        if place.lenient:
            return None
        kind, type_ = type(value), place.type
        if (kind is dict or kind is list) and type_.form is not Form.SCALAR:
            return self._tokens[id(value)] if value or not type_.implicit else None
        return meaning(type_, value)

    def _whole(self, place: Place, value: Container) -> Hashable:
        """What an object or list means; the tokens of what is in it are there."""
        if isinstance(value, dict):
            return self._object(place, value)
        return self._list(place, value)

    def _object(self, place: Place, value: dict[str, Json]) -> Hashable:
        place, token = _object_place(place, value), self._token
        members, form = place.members, place.type.form
        pairs = []
        for key, item in value.items():
            below = members.get(key) or place.find(key)
            found = token(below, item)
            if found is not None:
                name = below.step if form is Form.MESSAGE else fold(key)
                pairs.append((key if form is Form.MAP else name, found))
        return frozenset(pairs)

    def _list(self, place: Place, value: list[Json]) -> Hashable:
        element = place.element
        elements = [self._token(element, item) for item in value]
        check = None if place.held is None else place.held.check
        if isinstance(check, Set):
            return frozenset(elements)
        unordered = isinstance(check, ListBy)
        return frozenset(Counter(elements).items()) if unordered else tuple(elements)


def _containers(place: Place, value: Container) -> list[tuple[Place, Container]]:
    """The objects and lists in an object or list, with their places."""
    if isinstance(value, list):
        element = place.element
        return [(element, item) for item in value if isinstance(item, (dict, list))]
    place = _object_place(place, value)
    members = place.members
    return [
        (members.get(key) or place.find(key), item)
        for key, item in value.items()
        if isinstance(item, (dict, list))
    ]


def _object_place(place: Place, value: Mapping[str, Json]) -> Place:
    """The place of an object: of an Any, that of the type that it says it holds."""
    if place.type.form is Form.ANY:
        return place.typed(value.get(TYPE_KEY)) or place
    return place


def keys_of(element: Place, values: Sequence[Json], name: str) -> list[Hashable] | None:
    """What the member *name* of each element means; None unless all have it, each another one."""
    place = element.find(name)
    spellings = [key for key, member in element.members.items() if member is place] or [name]
    keys: list[Hashable] = []
    for value in values:
        if not isinstance(value, dict):
            return None
        found = next((value[key] for key in spellings if key in value), None)
        if found is None or isinstance(found, (dict, list)):
            return None
        keys.append(meaning(place.type, found))
    return keys if None not in keys and len(set(keys)) == len(keys) else None


def list_keys(
    element: Place, legacy: Sequence[Json], grpc: Sequence[Json]
) -> tuple[list[Hashable], list[Hashable]] | None:
    """What names the elements of both lists, when their message has such a member.

    One that is called so, `NATURAL_KEYS`; or else one of the first texts of the message, when all
    elements of the shorter list are named as elements of the other are.
    """
    for name in _candidates(element):
        ours, theirs = keys_of(element, legacy, name), keys_of(element, grpc, name)
        if ours is None or theirs is None:
            continue
        common = len(set(ours).intersection(theirs))
        if name in NATURAL_KEYS or common == min(len(ours), len(theirs)):
            return ours, theirs
    return None


#: How many texts of a message are tried as the name of its elements.
MOST_TRIED: Final = 2


def _candidates(element: Place) -> list[str]:
    """The members that may name an element. One that a rule lets differ names nothing."""
    if element.type.form is not Form.MESSAGE:
        return []
    usable = {
        key: place.type.kind
        for key, place in element.members.items()
        if place.type.form is Form.SCALAR and place.held is None
    }
    named = [name for name in NATURAL_KEYS if name in usable]
    texts = [key for key, kind in usable.items() if kind is FieldKind.STRING and key not in named]
    return named + texts[:MOST_TRIED]
