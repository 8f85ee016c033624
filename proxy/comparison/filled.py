"""Which fields legacy has filled in one answer, for coverage.

Belongs here: gathering the paths, where values are compared and where they need not be. Does not:
which fields count (`comparison.schema`), comparing (`comparison.walk`).
"""

from collections.abc import Callable
from typing import TypeAlias

from proxy.comparison.places import Place
from proxy.comparison.reading import Json
from proxy.comparison.schema import Form

#: A value with its place.
Inside: TypeAlias = "tuple[Place, Json]"


class Filled:
    """The fields of one answer. *leaves* are paths that are known; *spend* is told of each value.

    Members of messages are noted by their keys; which fields these are is looked up at the end.
    """

    __slots__ = ("_keys", "_spend", "leaves")

    def __init__(self, spend: Callable[[int], None]) -> None:
        self._spend = spend
        self._keys: dict[Place, set[str]] = {}
        self.leaves: set[str] = set()

    def __repr__(self) -> str:
        return f"<Filled {len(self.leaves)} leaves, members of {len(self._keys)} places>"

    @property
    def fields(self) -> frozenset[str]:
        """The paths of all fields that were filled."""
        noted = (place.find(key) for place, keys in self._keys.items() for key in keys)
        return frozenset(self.leaves.union(below.leaf for below in noted if below.leaf is not None))

    def add(self, place: Place, value: Json) -> None:
        """Gather what a value fills, itself and all that is in it."""
        self.add_all([(place, value)])

    def add_all(self, waiting: list[Inside]) -> None:
        """Gather what some values fill; the list grows on the way."""
        for below, item in waiting:
            if item is None:
                continue
            if below.leaf is not None:
                self.leaves.add(below.leaf)
            elif below.fills and isinstance(item, (dict, list)):
                self._spend(len(item))
                waiting += self._inside(below, item)

    def note(self, place: Place, value: dict[str, Json]) -> None:
        """Note the members of a message, and nothing below them."""
        if not place.fills:
            return
        keys = self._keys.get(place)
        if keys is None:
            keys = self._keys[place] = set()
        if keys.issuperset(value):
            return  # as nearly all elements of a list
        if None in value.values():
            keys.update(key for key, item in value.items() if item is not None)
        else:
            keys.update(value)

    def _inside(self, place: Place, value: dict[str, Json] | list[Json]) -> list[Inside]:
        """What is in a container and may fill more; what fills but itself is noted at once."""
        if isinstance(value, list):
            return self._elements(place.element, value)
        if place.type.form is not Form.MESSAGE:
            return [(place.find(key), item) for key, item in value.items()]
        self.note(place, value)
        members = place.members
        if members.keys() >= value.keys():
            return [(members[key], value[key]) for key in place.wide if key in value]
        places = [(place.find(key), item) for key, item in value.items()]
        return [each for each in places if each[0].fills]

    def _elements(self, element: Place, values: list[Json]) -> list[Inside]:
        if element.leaf is None:
            return [(element, item) for item in values]
        if values.count(None) < len(values):
            self.leaves.add(element.leaf)
        return []
