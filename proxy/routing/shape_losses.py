"""What clients would lose if a route had another shape, by the keys that say otherwise.

Belongs here: two shapes, compared key by key as they stand in files, and which of these keys are
about the messages of an RPC. Does not: what a key does to a message: whatever is said otherwise of
a field, clients read another field.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from proxy.config.base import Section
from proxy.config.shape import Profile
from proxy.config.shape_requests import ShapeRequests
from proxy.config.shape_values import FormKeys
from proxy.shape.checks import keys_of
from proxy.shape.forms import Form
from proxy.shape.names import selects, selects_field
from proxy.transcoding.protojson.kinds import Kind, element, enum_type, field_kind, reachable

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


def part_of(key: Key) -> str | None:
    """The part of an exchange that a key is about, by the key alone."""
    return "request" if key[0] in _OF_REQUESTS else "answer"


class Reach:
    """The messages of one RPC, of which most keys of a profile say nothing."""

    def __init__(self, method: MethodDescriptor) -> None:
        self._method = method
        self._types: dict[str, list[Descriptor]] = {}

    def __repr__(self) -> str:
        return f"<Reach of {self._method.full_name}>"

    def part(self, key: Key) -> str | None:
        """The part of an exchange that has something which *key* is about; None where none has."""
        about = _ABOUT.get(key[0])
        if about is None:
            return part_of(key)
        method = self._method
        for part, message in (("answer", method.output_type), ("request", method.input_type)):
            types = self._types.setdefault(part, reachable(message))
            if about(key[1:], types):
                return part
        return None


def shape_losses(
    before: Profile | None,
    after: Profile | None,
    part: Callable[[Key], str | None] = part_of,
) -> Iterator[Said]:
    """What is said otherwise, or no more; at most `MOST_KEYS`, and then how many there are more.

    *part* says which part of an exchange a key is about, and None of one that is about neither.
    """
    if before is after:
        return
    found = _found(dict(_leaves(before, ())), dict(_leaves(after, ())), part)
    yield from islice(found, MOST_KEYS)
    more = sum(1 for _ in found)
    if more:
        yield Said("answer", f"has another shape in {more} more keys")


def _found(
    was: Mapping[Key, Any], now: Mapping[Key, Any], part_of: Callable[[Key], str | None]
) -> Iterator[Said]:
    for key in sorted(was.keys() | now.keys()):
        if key[0] in _IDLE or (key in was and key in now and _is_same(was[key], now[key])):
            continue
        if key in was or not (key[0] in _MORE or "also" in key):
            part = part_of(key)
            if part is not None:
                told = f"was {_written(was, key)}, is {_written(now, key)}"
                yield Said(part, f"has another shape: {'.'.join(key)} {told}")


# What keys are about. Each takes the key behind the section, and the types of a part.


def _fields(types: Iterable[Descriptor]) -> Iterator[FieldDescriptor]:
    return (field for each in types for field in each.fields)


def _has_field(key: Key, types: Iterable[Descriptor]) -> bool:
    return any(selects_field(key[0], field) for field in _fields(types))


def _has_type(key: Key, types: Iterable[Descriptor]) -> bool:
    return any(selects(key[0], each) for each in types)


def _has_enum(key: Key, types: Iterable[Descriptor]) -> bool:
    enums = (element(field) for field in _fields(types))
    return any(selects(key[0], enum_type(e)) for e in enums if field_kind(e) is Kind.ENUM)


def _has_kind(key: Key, types: Iterable[Descriptor]) -> bool:
    name = _FORMS[key[0]]
    return any(name in keys_of(field, _ANY_FORM) for field in _fields(types))


def _has_names(_: Key, types: Iterable[Descriptor]) -> bool:
    return any(True for _ in _fields(types))


#: What the form of a field is does not count here, but for the time zone: only patterns have one.
_ANY_FORM: Final = Form(Kind.TIMESTAMP, "pattern")
#: The forms by the keys that files have for them.
_FORMS: Final = {each.alias or name: name for name, each in FormKeys.model_fields.items()}
_ABOUT: Final[Mapping[str, Callable[[Key, Iterable[Descriptor]], bool]]] = {
    "fields": _has_field,
    "nest": _has_type,
    "add": _has_type,
    "enums": _has_enum,
    "forms": _has_kind,
    "names": _has_names,
}


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
