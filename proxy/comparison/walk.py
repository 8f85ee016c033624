"""The walk over two answers at once: level by level, each value once.

Belongs here: what is looked at in which order, and what is noted of it. Does not: which kind of
difference two scalars are (`comparison.notations`), which elements of lists belong together
(`comparison.lists`), status and headers (`comparison.comparator`).

Nothing recurses, so that no answer is too deep for Python; depth and the number of values have
limits of their own.
"""

from collections.abc import Hashable, Mapping
from typing import Final

from proxy.comparison.agreement import agrees
from proxy.comparison.documents import Difference
from proxy.comparison.excerpts import NOTHING, Found, Nothing, excerpt
from proxy.comparison.filled import Filled
from proxy.comparison.kinds import Kind
from proxy.comparison.lists import Pairing, pair_sets, pair_up
from proxy.comparison.notations import classify, is_default
from proxy.comparison.places import TYPE_KEY, Place
from proxy.comparison.reading import Ambiguous, Json
from proxy.comparison.rules import Check, Held, Ignore, ListBy, Present, Set
from proxy.comparison.schema import Form, fold
from proxy.comparison.signatures import Signatures, keys_of, list_keys

#: Most differences of one comparison, one for each path and kind.
MOST_DIFFERENCES: Final = 64
#: Most values that a comparison looks at, and most levels: what no answer within the caps on
#: bodies has, unless somebody made it so.
MOST_VALUES: Final = 500_000
MOST_LEVELS: Final = 200
#: Lists within so many lists, and their elements, are first compared as wholes, which is fast but
#: looks at all below.
WHOLE_LISTS: Final = 3


class OverBudget(Exception):
    """The answers are larger or deeper than a comparison may be."""


class Walk:
    """One comparison of two bodies, and what it has found.

    With *errors* every difference is an `error_body`, one for each path. *values* counts what was
    looked at.
    """

    #: Whether two containers that may differ in all that they hold are one hit, looked at no more.
    PASSES_OVER = True

    __slots__ = (
        *("_errors", "_filled", "_found", "_later", "_signatures"),
        *("hits", "truncated", "values"),
    )

    def __init__(self, *, errors: bool = False) -> None:
        self._errors = errors
        self._found: dict[tuple[str, Kind], tuple[int, Found, Found]] = {}
        self._later: list[tuple[Place, Json, Json]] = []
        self._signatures = Signatures(self._spend)
        self._filled = Filled(self._spend)
        self.hits: dict[int, int] = {}
        self.truncated = False
        self.values = 0

    def __repr__(self) -> str:
        return f"<Walk of {self.values} values, {len(self._found)} differences>"

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that was found, ordered by path and kind."""
        return tuple(
            Difference(path, kind, times, excerpt(legacy), excerpt(grpc))
            for (path, kind), (times, legacy, grpc) in sorted(
                self._found.items(), key=lambda item: item[0]
            )
        )

    def compare(self, place: Place, legacy: Json, grpc: Json) -> None:
        """Walk both from the place of the whole. Raises `OverBudget`."""
        if legacy == grpc:
            self._filled.add(place, legacy)
            return
        self._pair(place, legacy, grpc)
        for _ in range(MOST_LEVELS):
            level, self._later = self._later, []
            for each in level:
                self._containers(*each)
            if not self._later:
                return
        raise OverBudget

    def report(self, path: str, kind: Kind, legacy: Found, grpc: Found) -> None:
        """Note one difference; the first of its path and kind is kept to be shown."""
        key = (path, Kind.ERROR_BODY if self._errors else kind)
        before = self._found.get(key)
        if before is not None:
            self._found[key] = (before[0] + 1, *before[1:])
        elif len(self._found) < MOST_DIFFERENCES:
            self._found[key] = (1, legacy, grpc)
        else:
            self.truncated = True

    # Values

    def _pair(self, place: Place, legacy: Json, grpc: Json) -> None:
        """Two values of one place: now, or at the next level when both are containers."""
        if place.leaf is not None and legacy is not None:
            self._filled.leaves.add(place.leaf)
        kind = type(legacy)
        if kind is type(grpc) and (kind is dict or kind is list):
            self._later.append((place, legacy, grpc))
        elif legacy != grpc:
            self._unequal(place, legacy, grpc)

    def _unequal(self, place: Place, legacy: Json, grpc: Json) -> None:
        """Two unequal values, not both objects and not both lists."""
        self._filled.add(place, legacy)
        if self._forgiven(place, legacy, grpc):
            return
        separator = place.type.writing.separator
        if separator is not None and isinstance(legacy, str) and isinstance(grpc, str):
            self._lists(place, listed(legacy, separator), listed(grpc, separator))
            return
        kinds = self._kinds(place, legacy, grpc)
        for kind in kinds[:1] if self._errors else kinds:
            self.report(place.path, kind, legacy, grpc)

    def _kinds(self, place: Place, legacy: Json, grpc: Json) -> tuple[Kind, ...]:
        if isinstance(legacy, Ambiguous) or isinstance(grpc, Ambiguous):
            return (Kind.UNPARSABLE,)
        if legacy is not None and grpc is not None:
            return classify(place.type, legacy, grpc)
        value = grpc if legacy is None else legacy
        return (Kind.DEFAULT_VS_ABSENT if is_default(place.type, value) else Kind.VALUE,)

    def _missing(self, place: Place, value: Json) -> None:
        """A value that gRPC does not have."""
        self._filled.add(place, value)
        if not self._forgiven(place, value, None):
            kind = lack(place, value, Kind.MISSING_FIELD)
            self.report(place.path, kind, value, NOTHING)

    def _extra(self, place: Place, value: Json) -> None:
        """A value that legacy does not have."""
        if not self._forgiven(place, None, value):
            kind = lack(place, value, Kind.EXTRA_FIELD)
            self.report(place.path, kind, NOTHING, value)

    def _forgiven(self, place: Place, legacy: Json, grpc: Json) -> bool:
        held = place.held
        if held is None or not agrees(held.check, legacy, grpc, place.type.writing.moment):
            return False
        self._hit(held)
        return True

    def _hit(self, held: Held) -> None:
        self.hits[held.index] = self.hits.get(held.index, 0) + 1

    def _report_there(self, place: Place, kind: Kind, legacy: Found, grpc: Found) -> None:
        """Note a difference between two values that are there, unless anything may be there."""
        if place.held is not None and isinstance(place.held.check, (Ignore, Present)):
            self._hit(place.held)
        else:
            self.report(place.path, kind, legacy, grpc)

    # Objects and lists

    def _containers(self, place: Place, legacy: Json, grpc: Json) -> None:
        held = place.held
        if (
            self.PASSES_OVER
            and held is not None
            and isinstance(held.check, (Ignore, Present))
            and not place.rules
        ):
            self._filled.add(place, legacy)
            if legacy != grpc:
                self._hit(held)
        elif isinstance(legacy, list) and isinstance(grpc, list):
            self._lists(place, legacy, grpc)
        elif isinstance(legacy, dict) and isinstance(grpc, dict):
            self._spend(len(legacy) + len(grpc))
            self._objects(place, legacy, grpc)

    def _objects(self, place: Place, legacy: dict[str, Json], grpc: dict[str, Json]) -> None:
        form = place.type.form
        if form is Form.ANY and type_name(legacy) == type_name(grpc):
            place = place.typed(legacy.get(TYPE_KEY)) or place
            form = place.type.form
        if form is Form.MESSAGE:
            self._messages(place, legacy, grpc)
        elif form is Form.MAP:
            self._maps(place, legacy, grpc)
        else:
            # No schema; or an object on both sides where the schema has none.
            self._open(place, legacy, grpc)

    def _messages(self, place: Place, legacy: dict[str, Json], grpc: dict[str, Json]) -> None:
        self._filled.note(place, legacy)
        other, later = grpc.get, self._later
        lacking = False
        for key, ours in legacy.items():
            theirs = other(key, NOTHING)
            if isinstance(theirs, Nothing):
                lacking = True
                continue
            kind = type(ours)
            if kind is type(theirs) and (kind is dict or kind is list):
                later.append((place.find(key), ours, theirs))
            elif ours != theirs:
                self._unequal(place.find(key), ours, theirs)
        if lacking or len(legacy) != len(grpc):
            self._unmatched(place, legacy, grpc)

    def _open(self, place: Place, legacy: dict[str, Json], grpc: dict[str, Json]) -> None:
        """Objects without a schema: places are made only for what needs a closer look."""
        lacking = False
        for key, ours in legacy.items():
            theirs = grpc.get(key, NOTHING)
            if isinstance(theirs, Nothing):
                lacking = True
            elif isinstance(ours, (dict, list)) or ours != theirs:
                self._pair(place.find(key), ours, theirs)
        if lacking or len(legacy) != len(grpc):
            self._unmatched(place, legacy, grpc)

    def _unmatched(self, place: Place, legacy: dict[str, Json], grpc: dict[str, Json]) -> None:
        """The members whose keys only one side has: in another case, or not there."""
        theirs: dict[str, tuple[str, Place]] = {}
        for key in grpc:
            if key not in legacy:
                name, below = self._identity(place, key, grpc)
                theirs[name if name not in theirs else f"={key}"] = (key, below)
        for key, value in legacy.items():
            if key in grpc:
                continue
            name, below = self._identity(place, key, legacy)
            other, its = theirs.pop(name, (None, below))
            if other is None:
                self._missing(below, value)
            else:
                below = min(below, its, key=lambda each: each.path)
                self._report_there(below, Kind.KEY_CASE, key, other)
                self._pair(below, value, grpc[other])
        for key, below in theirs.values():
            self._extra(below, grpc[key])

    def _identity(self, place: Place, key: str, members: Mapping[str, Json]) -> tuple[str, Place]:
        """What a key means without its case, and its place.

        A field that the object has under its other name too is not the one that this key means.
        """
        below = place.find(key)
        if place.type.form is not Form.MESSAGE:
            return fold(key), below
        if any(other != key and other in members for other in below.keys):
            below = place.unknown(key)
        return below.step, below

    def _maps(self, place: Place, legacy: dict[str, Json], grpc: dict[str, Json]) -> None:
        """Maps, whose keys are data; in order, so that no server's order decides what is shown."""
        below = place.element
        for key in sorted(legacy.keys() | grpc.keys()):
            if key not in grpc:
                self._missing(below, legacy[key])
            elif key not in legacy:
                self._extra(below, grpc[key])
            else:
                self._pair(below, legacy[key], grpc[key])

    def _lists(self, place: Place, legacy: list[Json], grpc: list[Json]) -> None:
        self._spend(len(legacy) + len(grpc))
        as_wholes = place.lists < WHOLE_LISTS
        if as_wholes and legacy == grpc:
            self._filled.add(place, legacy)
            return
        element, pairing = place.element, self._pairing(place, legacy, grpc)
        settled = [legacy[left] for left in pairing.only_legacy]
        for left, right in pairing.pairs:
            ours, theirs = legacy[left], grpc[right]
            if as_wholes and ours == theirs:
                settled.append(ours)
            else:
                self._pair(element, ours, theirs)
        self._filled.add_all([(element, each) for each in settled])
        as_set = place.held is not None and isinstance(place.held.check, Set)
        alone = pairing.only_legacy or pairing.only_grpc
        if alone if as_set else len(legacy) != len(grpc):
            self._report_there(place, Kind.LIST_LENGTH, legacy, grpc)
        if pairing.moved or (as_set and len(legacy) != len(grpc) and not alone):
            self._moved(place, legacy, grpc)

    def _moved(self, place: Place, legacy: list[Json], grpc: list[Json]) -> None:
        if place.held is not None and isinstance(place.held.check, (Set, ListBy)):
            self._hit(place.held)
        else:
            self._report_there(place, Kind.LIST_ORDER, legacy, grpc)

    def _pairing(self, place: Place, legacy: list[Json], grpc: list[Json]) -> Pairing:
        """Which elements belong together: by their key, where they have one, or by all of them."""
        if len(legacy) == len(grpc) == 1:
            return Pairing([(0, 0)])
        element = place.element
        check = None if place.held is None else place.held.check
        keys = None if isinstance(check, Set) else self._keys(element, check, legacy, grpc)
        if keys is not None:
            return pair_up(*keys, keyed=True)
        tokens = self._signatures.of(element, legacy), self._signatures.of(element, grpc)
        return pair_sets(*tokens) if isinstance(check, Set) else pair_up(*tokens)

    def _keys(
        self, element: Place, check: Check | None, legacy: list[Json], grpc: list[Json]
    ) -> tuple[list[Hashable], list[Hashable]] | None:
        if not isinstance(check, ListBy) or check.key is None:
            return list_keys(element, legacy, grpc)
        ours, theirs = (keys_of(element, side, check.key) for side in (legacy, grpc))
        return None if ours is None or theirs is None else (ours, theirs)

    @property
    def fields(self) -> frozenset[str]:
        """The paths of response fields that legacy has filled."""
        return self._filled.fields

    def _spend(self, count: int) -> None:
        self.values += count
        if self.values > MOST_VALUES:
            raise OverBudget


def lack(place: Place, value: Json, kind: Kind) -> Kind:
    """What it is when a value is not there: *kind*, unless its absence means the same."""
    if value is None:
        return Kind.NULL_VS_ABSENT
    return Kind.DEFAULT_VS_ABSENT if is_default(place.type, value) else kind


def listed(text: str, separator: str) -> list[Json]:
    """The values of a list in one text: of an empty one none.

    >>> listed("A,MX", ","), listed("", ",")
    (['A', 'MX'], [])
    """
    return [*text.split(separator)] if text else []


def type_name(value: Mapping[str, Json]) -> str | None:
    """The full name of the type that an Any says it holds."""
    url = value.get(TYPE_KEY)
    return url.rpartition("/")[2] if isinstance(url, str) else None
