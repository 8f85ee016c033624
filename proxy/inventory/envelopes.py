"""The envelope around the answers of an old API: `{"success": true, "result": …}`.

Belongs here: finding it in the schemas of all answers. Does not: putting it on (`shape`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.inventory.legacy import Operation
from proxy.inventory.schemas import Schema, Schemas

#: The fewest answers that make an envelope, and the share of answers that must have it.
MIN_ANSWERS: Final = 3
MIN_SHARE: Final = 0.6
#: Stands for a value of which nothing is known; null is one.
_UNTOLD: Final = object()


@dataclass(frozen=True, slots=True)
class Envelope:
    """Members that answers have in common; *payload* is the one that differs between them.

    *constants* are members with the value that they seem to have always; *others* are members of
    which nothing can be said. *share* is that of the answers that have it.
    """

    payload: str
    members: frozenset[str]
    constants: dict[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    share: float = 1.0

    def fits(self, schema: Schema) -> bool:
        """Whether an answer has this envelope."""
        return self.payload in schema.members and self.members <= set(schema.members)


def unwrapped(schema: Schema, envelope: Envelope | None, schemas: Schemas) -> Schema:
    """What is in the envelope, or the schema itself when it has none."""
    if envelope is None or not envelope.fits(schema):
        return schema
    return schemas.member(schema, envelope.payload)


def find_envelope(operations: Iterable[Operation], schemas: Schemas) -> Envelope | None:
    """The envelope that most answers have; None when there is none."""
    answers = [
        each.answer.schema
        for each in operations
        if each.answer is not None and each.answer.is_json and each.answer.schema.is_object
    ]
    counts = Counter(name for answer in answers for name in answer.members)
    wanted = max(MIN_ANSWERS, MIN_SHARE * len(answers))
    common = [name for name, count in counts.items() if count >= wanted]
    kinds = {name: len(_kinds(name, answers, schemas)) for name in common}
    most = max(kinds.values(), default=0)
    payloads = [name for name, count in kinds.items() if count == most]
    if most < 2 or len(payloads) != 1 or len(common) < 2:
        return None
    return _envelope(payloads[0], common, answers, schemas)


def _kinds(name: str, answers: Iterable[Schema], schemas: Schemas) -> set[object]:
    """What a member is in different answers, told apart by its members, elements and type.

    Where it is only said to be null it is nothing of its own.
    """
    found = [schemas.member(each, name) for each in answers if name in each.members]
    nothing = Schema(nullable=True)
    return {_kind(each, schemas) for each in found if each != nothing}


def _kind(schema: Schema, schemas: Schemas) -> object:
    if schema.is_list:
        return "array", _kind(schemas.element(schema), schemas) if schema.items else None
    return schema.kind, frozenset(schema.members)


def _envelope(payload: str, common: list[str], answers: list[Schema], schemas: Schemas) -> Envelope:
    constants: dict[str, Any] = {}
    others: list[str] = []
    first = next(each for each in answers if {*common} <= set(each.members))
    for name in common:
        value = _constant(schemas.member(first, name))
        if name != payload and value is not _UNTOLD:
            constants[name] = value
        elif name != payload:
            others.append(name)
    members = frozenset(common)
    share = sum(members <= set(each.members) for each in answers) / len(answers)
    extra = {name for each in answers if members <= set(each.members) for name in each.members}
    return Envelope(payload, members, constants, (*others, *sorted(extra - members)), share)


def _constant(schema: Schema) -> Any:
    """What a member of a good answer holds, where that can be told.

    What may be null and is nothing else that is told is there for errors, mostly.
    """
    if schema.kind == "array":
        return []
    if len(schema.enum) == 1:
        return schema.enum[0]
    if schema.kind == "boolean":
        return schema.examples[0] if schema.examples else True
    return None if schema.nullable else _UNTOLD
