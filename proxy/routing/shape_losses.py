"""What clients would lose if a route had another shape, by the keys that say otherwise.

Belongs here: two shapes, compared key by key as they stand in files. Does not: what a key does to a
message: whatever is said otherwise of a field, clients read another field.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from proxy.config.base import Section
from proxy.config.shape import Profile
from proxy.config.shape_requests import ShapeRequests

#: Keys that are told of one route; the rest is counted. A new profile has dozens.
MOST_KEYS: Final = 5

#: Characters of a value that is told: longer ones are programs.
MOST_CHARACTERS: Final = 40

_ASKED: Final = frozenset(each.alias or name for name, each in ShapeRequests.model_fields.items())
#: Where something more takes nothing away: members, headers, and ways to ask.
_MORE: Final = frozenset({"add", "headers", "etag", *_ASKED})
_OF_REQUESTS: Final = frozenset({"request", "validate", *_ASKED})
#: What changes nothing by itself.
_IDLE: Final = frozenset({"lossy"})

Key = tuple[str, ...]


class Said(NamedTuple):
    """A key that is said otherwise: whether it is about the "request" or the "answer", and how."""

    part: str
    message: str


def shape_losses(before: Profile | None, after: Profile | None) -> Iterator[Said]:
    """What is said otherwise, or no more; at most `MOST_KEYS`, and then how many there are more."""
    if before is after:
        return
    found = _found(dict(_leaves(before, ())), dict(_leaves(after, ())))
    yield from islice(found, MOST_KEYS)
    more = sum(1 for _ in found)
    if more:
        yield Said("answer", f"has another shape in {more} more keys")


def _found(was: Mapping[Key, Any], now: Mapping[Key, Any]) -> Iterator[Said]:
    for key in sorted(was.keys() | now.keys()):
        if key[0] in _IDLE or (key in was and key in now and _is_same(was[key], now[key])):
            continue
        if key in was or not (key[0] in _MORE or "also" in key):
            part = "request" if key[0] in _OF_REQUESTS else "answer"
            told = f"was {_written(was, key)}, is {_written(now, key)}"
            yield Said(part, f"has another shape: {'.'.join(key)} {told}")


def _is_same(was: Any, now: Any) -> bool:
    """Whether both are the same JSON: true is not 1."""
    return type(was) is type(now) and bool(was == now)


def _leaves(value: Any, path: Key) -> Iterator[tuple[Key, Any]]:
    """What is given, with the keys that lead to it; lists count as wholes."""
    if isinstance(value, Section):
        fields = type(value).model_fields
        for name in value.model_fields_set & fields.keys():
            yield from _leaves(getattr(value, name), (*path, fields[name].alias or name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif path:
        yield path, value


def _written(values: Mapping[Key, Any], key: Key) -> str:
    """A value as it stands in a file, if it is short enough to be told."""
    if key not in values:
        return "not given"
    value = values[key]
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return "another text"
    return str(value) if isinstance(value, int | float | str) else "another value"
