"""An operation of the old API as an HTTP rule of one method: which fields take what.

Belongs here: the template, the body and the answer of a rule. Does not: whether it is the right
method (`scoring`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from proxy.errors import Place
from proxy.inventory.envelopes import Envelope, unwrapped
from proxy.inventory.legacy import Operation
from proxy.inventory.pairing import inner_message, share_of
from proxy.inventory.paths import LegacyPath, parse_legacy_path
from proxy.inventory.schemas import Schemas
from proxy.inventory.words import tokens
from proxy.transcoding.bindrule import RuleError, bind_rule
from proxy.transcoding.fields import TEXT_MESSAGES
from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.httprule import HttpRule, Pattern

_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_STANDARD: Final = frozenset({"GET", *_WITH_BODY, "DELETE"})
#: Words of a path parameter that say only that it tells things apart.
_KEYS: Final = frozenset({"id", "name", "key", "slug", "code"})


@dataclass(frozen=True, slots=True)
class Fit:
    """A rule for a method. *bound* are the path's parameters with their fields.

    *by_name* says that they make one resource name together. *unbound* are parameters that no field
    takes, *faults* what else is wrong with the rule.
    """

    method: MethodDescriptor
    operation: Operation
    template: str
    bound: tuple[tuple[str, str], ...]
    unbound: tuple[str, ...]
    body: str
    response_body: str
    by_name: bool = False
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What two rules must not share: HTTP method and what the path matches."""
        return self.operation.http_method, str(parse_legacy_path(self.operation.path))


def fit(
    operation: Operation, method: MethodDescriptor, schemas: Schemas, envelope: Envelope | None
) -> Fit:
    """The best rule for *operation* that *method* can have."""
    path = parse_legacy_path(operation.path)
    body = _body(operation, method.input_type)
    singles = _single_fields(path, method.input_type)
    template, bound, unbound = _template(path, singles)
    named = None
    if unbound:
        named = _named(path, method.input_type, body)
        if named is not None:
            template, bound = named
            unbound = ()
    made = Fit(
        method,
        operation,
        template,
        bound,
        unbound,
        body,
        _response_body(operation, method.output_type, schemas, envelope),
        by_name=named is not None,
    )
    return replace(made, faults=_faults(made))


# --- the path


def _single_fields(path: LegacyPath, message: Descriptor) -> list[str | None]:
    """For each segment the field that takes it; None for a literal, "" for no field."""
    fields: list[str | None] = []
    taken: set[str] = set()
    for index, names in enumerate(path.names):
        if not names:
            fields.append(None)
            continue
        collection = path.segments[index - 1] if index and not path.names[index - 1] else ""
        found = _field_of(names, collection, message, taken) if len(names) == 1 else ""
        taken.add(found)
        fields.append(found)
    return fields


def _field_of(names: Sequence[str], collection: str, message: Descriptor, taken: set[str]) -> str:
    """The field for a parameter: of the same words, or of its collection's."""
    words, around = frozenset(tokens(names[0])), frozenset(tokens(collection))
    wanted = [words, words | around, (words - _KEYS) | {"id"}, around | {"id"}, around]
    if words - _KEYS:
        wanted.append(words - _KEYS)
    if words & _KEYS and words - _KEYS <= around:
        wanted.append(frozenset({"id"}))
    for want in wanted:
        for field in message.fields:
            if want and frozenset(tokens(field.name)) == want and field.name not in taken:
                return field.name if _takes_text(field) else ""
    return ""


def _takes_text(field: FieldDescriptor) -> bool:
    inner = field.message_type
    return not field.is_repeated and (inner is None or inner.full_name in TEXT_MESSAGES)


def _template(
    path: LegacyPath, fields: Sequence[str | None]
) -> tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]:
    pieces, bound, unbound = list[str](), list[tuple[str, str]](), list[str]()
    for segment, names, field in zip(path.segments, path.names, fields, strict=True):
        if field is None:
            pieces.append(segment)
        elif field:
            pieces.append(f"{{{field}}}")
            bound.append((names[0], field))
        else:
            pieces.append("*")
            unbound += names
    return _joined(pieces, path), tuple(bound), tuple(unbound)


def _named(
    path: LegacyPath, message: Descriptor, body: str
) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    """One variable for a resource name (AIP-122): from the first collection to the last parameter.

    It fills `name`, or that of the resource in the body.
    """
    places = [index for index, names in enumerate(path.names) if names]
    field = _name_field(message, body)
    if field is None or not places or not all(_is_in_collection(path, each) for each in places):
        return None
    begin, end = places[0] - 1, places[-1] + 1
    inside = "/".join(path.segments[begin:end])
    pieces = [*path.segments[:begin], f"{{{field}={inside}}}", *path.segments[end:]]
    names = [name for names in path.names for name in names]
    return _joined(pieces, path), tuple((name, field) for name in names)


def _is_in_collection(path: LegacyPath, place: int) -> bool:
    """Whether a literal says what the parameter at *place* is one of."""
    return place > 0 and not path.names[place - 1]


def _name_field(message: Descriptor, body: str) -> str | None:
    own = message.fields_by_name.get("name")
    if own is not None:
        return "name" if _takes_text(own) else None
    inner = inner_message(message.fields_by_name[body]) if body not in ("", "*") else None
    return f"{body}.name" if inner is not None and "name" in inner.fields_by_name else None


def _joined(pieces: Sequence[str], path: LegacyPath) -> str:
    return "/" + "/".join(pieces) + (f":{path.verb}" if path.verb else "")


# --- bodies


def _body(operation: Operation, message: Descriptor) -> str:
    """The body selector: a field of the request where the members are those of that field."""
    if operation.http_method not in _WITH_BODY:
        return ""
    content = operation.body
    raw = [each.name for each in message.fields if _is_raw(each)]
    if content is None or not (content.is_json or content.is_form):
        return raw[0] if raw and content is not None else "*"
    members = dict.fromkeys(content.schema.members)
    if content.schema.is_list:
        lists = [each.name for each in message.fields if each.is_repeated and inner_message(each)]
        return lists[0] if len(lists) == 1 else "*"
    shares = {"*": share_of(members, message)}
    for field in message.fields:
        inner = inner_message(field)
        if inner is not None and not field.is_repeated:
            shares[field.name] = share_of(members, inner)
    return max(shares, key=lambda name: (shares[name], name == "*"))


def _is_raw(field: FieldDescriptor) -> bool:
    return field.message_type is not None and is_http_body(field.message_type)


def _response_body(
    operation: Operation, message: Descriptor, schemas: Schemas, envelope: Envelope | None
) -> str:
    """The one list of an answer, where the old answer is nothing but an array."""
    content = operation.answer
    if content is None or not content.is_json or (envelope and envelope.fits(content.schema)):
        return ""
    if not unwrapped(content.schema, envelope, schemas).is_list:
        return ""
    return list_field(message)


def list_field(message: Descriptor) -> str:
    """The only list of messages in a message, "" for none or several."""
    lists = [each.name for each in message.fields if each.is_repeated and inner_message(each)]
    return lists[0] if len(lists) == 1 else ""


# --- the rule


def _faults(made: Fit) -> tuple[str, ...]:
    """Why a rule would be refused at load."""
    if made.operation.http_method not in _STANDARD:
        return (f"HTTP rules have no {made.operation.http_method} but by `custom`",)
    pattern = Pattern(made.operation.http_method, made.template)
    rule = HttpRule(
        made.method.full_name, pattern, made.body, made.response_body, (), Place("a rule")
    )
    try:
        bind_rule(made.method, rule, pattern, fully_decode=False)
    except RuleError as error:
        return error.reasons
    return ()
