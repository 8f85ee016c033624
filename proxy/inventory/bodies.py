"""What stands in the bodies of a binding: which message, and where in the envelope.

Belongs here: from a rule and a shape to the message that a schema is held against. Does not:
comparing the two (`fields`).
"""

from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.inventory.legacy import Content
from proxy.inventory.names import Names, word_of
from proxy.inventory.schemas import Schema, Schemas
from proxy.routing.table import RouteBinding
from proxy.shape.holes import Document, Members, Text
from proxy.transcoding.binding import Binding
from proxy.transcoding.binding import Body as BodyRule
from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map, message_type


@dataclass(frozen=True, slots=True)
class Body:
    """What a body is: a message, a list of something, or a value without members."""

    word: str
    message: Descriptor | None
    is_list: bool = False

    @classmethod
    def of_field(cls, field: FieldDescriptor) -> "Body":
        """The body that is one field."""
        is_list = field.is_repeated and not is_map(field)
        has_members = not is_map(field) and field_kind(element(field)) is Kind.MESSAGE
        return cls(word_of(field), message_type(field) if has_members else None, is_list)


def request_body(binding: Binding, content: Content) -> Body | None:
    """What a request's body is; None for bytes that are passed on, and where there is none."""
    rule = binding.body
    if rule is BodyRule.WHOLE:
        message = binding.method.input_type
        return Body(message.name, message)
    if isinstance(rule, BodyRule) or content.schema.is_binary:
        return None
    inner = rule.message_type
    return None if inner is not None and is_http_body(inner) else Body.of_field(rule)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is left of an answer without its envelope.

    *body* is None for what has no members to look at; *path* leads to it, *unknown* are paths of
    the old envelope that the shape does not have.
    """

    schema: Schema
    body: Body | None
    path: str = ""
    unknown: tuple[str, ...] = ()


def answer_body(target: RouteBinding, schema: Schema, names: Names, schemas: Schemas) -> Answer:
    """Take the envelope off, as the route's shape puts it on."""
    binding = target.binding
    message = binding.method.output_type
    if is_http_body(message):
        return Answer(schema, None)
    envelope = names.layouts.shape.answer
    field = binding.response_body
    if envelope is not None and envelope.root is not None:
        owner = message if field is None else field.message_type
        field = None if owner is None else owner.fields_by_name.get(envelope.root)
    body = Body(message.name, message) if field is None else Body.of_field(field)
    if binding.cardinality.response_streams:
        body = Body(body.word, body.message, is_list=schema.is_list)
    if envelope is None:
        return Answer(schema, body)
    return _unwrapped(schema, envelope.body, body, schemas)


def _unwrapped(schema: Schema, document: Document, body: Body, schemas: Schemas) -> Answer:
    """Go to the hole for the message, noting members that the envelope lacks on the way."""
    path, unknown = "", list[str]()
    while isinstance(document.content, Members):
        members = dict(document.content.pairs)
        unknown += [_joined(path, name) for name in schema.members if name not in members]
        step = next((key for key, inner in members.items() if "" in inner.names), None)
        if step is None:
            return Answer(schema, None, path, tuple(unknown))
        schema, document = schemas.member(schema, step), members[step]
        path = _joined(path, step)
    is_hole = isinstance(document.content, Text)
    return Answer(schema, body if is_hole else None, path, tuple(unknown))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
