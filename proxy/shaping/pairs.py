"""Pairs of answers, and where the two of a pair are not the same JSON.

Belongs here: reading pairs, and counting. Does not: what would make them the same (`search`).

This is stricter than a mirror's comparison, which knows that `"7"` and `7` may mean the same: a
shape has to make them the same to the letter. Only the order of members is nobody's business.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

#: Differences of one pair that are counted; more say no more.
MOST: Final = 1000


class BadPair(ValueError):
    """A line that is no pair. The message says why."""


class Pair(NamedTuple):
    """The old host's answer and gRPC's, which is ProtoJSON without a shape."""

    legacy: Any
    grpc: Any


class Unequal(NamedTuple):
    """One difference: *path* with `[*]` for any element, and both values; `ABSENT` for none."""

    path: str
    legacy: Any
    grpc: Any

    @property
    def size(self) -> int:
        """How many values differ: of an object that one side has alone, all that are in it.

        Were it one, a shape that hides an object would be as good as one that writes it right.

        >>> Unequal("$", 7, "7").size, Unequal("$", {"a": 1, "b": [2, 3]}, ABSENT).size
        (1, 3)
        """
        is_on_both = self.legacy is not ABSENT and self.grpc is not ABSENT
        return _values(self.legacy) + _values(self.grpc) - is_on_both


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


def read_pairs(text: str) -> Iterator[Pair]:
    r"""The pairs of lines of JSON. Raises `BadPair` with the line.

    >>> [*read_pairs('{"legacy": {"id": 7}, "grpc": {"id": "7"}}\n')]
    [Pair(legacy={'id': 7}, grpc={'id': '7'})]
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadPair(f"line {number} is no JSON: {error}") from None
        if not isinstance(values, dict) or not {"legacy", "grpc"} <= values.keys():
            raise BadPair(f"line {number} has no members legacy and grpc")
        yield Pair(values["legacy"], values["grpc"])


def differences(legacy: Any, grpc: Any) -> list[Unequal]:
    """Where two JSON values are not the same, at most `MOST`.

    >>> differences({"id": 7, "a": [1]}, {"id": "7", "a": [1, 2]})
    [Unequal(path='$.id', legacy=7, grpc='7'), Unequal(path='$.a[*]', legacy=absent, grpc=2)]
    """
    found: list[Unequal] = []
    waiting: list[tuple[str, Any, Any]] = [("$", legacy, grpc)]
    while waiting and len(found) < MOST:
        path, ours, theirs = waiting.pop()
        if isinstance(ours, dict) and isinstance(theirs, dict):
            keys = dict.fromkeys([*ours, *theirs])
            waiting += [
                (f"{path}.{key}", ours.get(key, ABSENT), theirs.get(key, ABSENT))
                for key in reversed(keys)
            ]
        elif isinstance(ours, list) and isinstance(theirs, list):
            count = max(len(ours), len(theirs))
            waiting += [
                (f"{path}[*]", _at(ours, index), _at(theirs, index))
                for index in reversed(range(count))
            ]
        elif not _is_same(ours, theirs):
            found.append(Unequal(path, ours, theirs))
    return found


def _values(value: Any) -> int:
    """The values in one that are no objects or lists; an empty one counts itself."""
    count, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list) and each:
            waiting += each.values() if isinstance(each, dict) else each
        else:
            count += each is not ABSENT
    return count


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else ABSENT


def _is_same(ours: Any, theirs: Any) -> bool:
    """Whether two values are the same JSON: true is no number, and 1.0 is 1."""
    return isinstance(ours, bool) == isinstance(theirs, bool) and bool(ours == theirs)
