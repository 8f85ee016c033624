"""Members of old JSON beside the fields of a message: by name, else by what the names mean.

Belongs here: which member is which field. Does not: how values are written (`skeleton`).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.schema import fold
from proxy.inventory.schemas import Schema, Schemas
from proxy.inventory.words import meaning
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map, message_type


class Pair(NamedTuple):
    """A member and the field that it stands for. *exact* is False for a guess by meaning."""

    owner: Descriptor
    field: FieldDescriptor
    name: str
    schema: Schema
    exact: bool


def pair_members(names: Mapping[str, object], message: Descriptor) -> dict[str, FieldDescriptor]:
    """The field of each name that has one: the same words first, then the same meaning."""
    by_fold = {fold(field.name): field for field in message.fields}
    found = {name: by_fold[fold(name)] for name in names if fold(name) in by_fold}
    taken = set(found.values())
    left = [field for field in message.fields if field not in taken]
    for name in names:
        if name not in found:
            alike = [field for field in left if meaning(field.name) == meaning(name)]
            if len(alike) == 1:
                found[name] = alike[0]
                left.remove(alike[0])
    return found


def share_of(names: Mapping[str, object], message: Descriptor) -> float:
    """How many of *names* have a field, from 0 to 1; 0 where there is no name."""
    return len(pair_members(names, message)) / len(names) if names else 0.0


def inner_message(field: FieldDescriptor) -> Descriptor | None:
    """The type of the objects that a field or its elements are, if they are objects."""
    value = element(field)
    if is_map(field) or field_kind(value) is not Kind.MESSAGE:
        return None
    return message_type(value)


def walk_pairs(
    schema: Schema,
    message: Descriptor,
    schemas: Schemas,
    _around: frozenset[tuple[int, str]] = frozenset(),
) -> Iterator[Pair]:
    """The pairs of an object and of all that is below it; what is within itself once."""
    here = (id(schema), message.full_name)
    if here in _around or len(_around) > 20:
        return
    inside = _around | {here}
    for name, field in pair_members(schema.members, message).items():
        member = schemas.member(schema, name)
        yield Pair(message, field, name, member, fold(name) == fold(field.name))
        below = inner_message(field)
        if below is not None:
            target = schemas.element(member) if member.is_list else member
            if target.is_object:
                yield from walk_pairs(target, below, schemas, inside)
