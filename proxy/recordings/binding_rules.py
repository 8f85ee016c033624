"""What is harmless in the exchanges of a binding: what its schema and its shape declare.

Belongs here: collecting it. Does not: hiding the rest (`redaction`).
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.recordings.redaction import RedactionRules, Segments
from proxy.routing.table import RouteBinding
from proxy.shape.holes import Document, Members
from proxy.shape.layout import Layouts, Member
from proxy.shape.options import ShapeOptions
from proxy.transcoding.protojson.kinds import Kind, element, message_kind, reachable
from proxy.transcoding.template import PathTemplate

#: The members of errors in the forms that are known by name, and of messages within `Any`.
_OF_ERRORS: Final = (
    *("code", "message", "details", "status", "error", "errors", "@type", "type", "title"),
    *("detail", "instance", "reason", "domain", "metadata", "fieldViolations", "field"),
    *("description", "violations", "result", "grpc_code", "http_code", "http_status"),
)
#: Texts for truth in queries and in forms of bools.
_TRUTH: Final = ("true", "false", "True", "False")


def redaction_rules(
    target: RouteBinding, kept: tuple[str, ...], errors: Document | None = None
) -> RedactionRules:
    """The rules of a binding; *kept* are paths to be kept, *errors* is the body of its errors."""
    binding = target.binding
    roots = (binding.method.input_type, binding.method.output_type)
    types = {each.full_name: each for root in roots for each in _types(root)}
    fields = [known for each in types.values() for known in each.fields]
    shape = target.response.shape
    shaped = shape if isinstance(shape, ShapeOptions) else None
    members = [*_members(target, shaped, types.values())]
    documents = [*_documents(shaped), *(() if errors is None else (errors,))]
    return RedactionRules(
        names=frozenset(
            chain(
                (name for known in fields for name in (known.name, known.json_name)),
                (name for member in members for name in (member.key, *member.names)),
                chain.from_iterable(map(_keys, documents)),
                _OF_ERRORS,
                _parameters(shaped),
            )
        ),
        words=frozenset(
            chain(
                (value.name for enum in _enums(fields) for value in enum.values),
                (str(text) for member in members for text in _table(member)),
                _TRUTH,
            )
        ),
        private=frozenset(chain.from_iterable(_private(fields, members))),
        kept=kept,
        segments=segments_of(binding.template),
        verb=binding.template.verb,
    )


def segments_of(template: PathTemplate) -> Segments:
    """Says of each segment of a raw path which variable takes it, None for a literal.

    >>> from proxy.transcoding.template import parse_template
    >>> segments_of(parse_template("/v1/{name=zones/**}:check"))("/v1/zones/a/b:check")
    [None, None, 'name', 'name']
    """

    def segments(path: str) -> list[str | None]:
        count = path.count("/")
        owners: list[str | None] = [""] * count
        for variable in template.variables:
            end = variable.end if variable.end >= 0 else count + variable.end + 1
            owners[variable.start : end] = [".".join(variable.field_path)] * max(
                0, end - variable.start
            )
        for index, segment in enumerate(template.segments[:count]):
            if segment not in ("*", "**"):
                owners[index] = None
        return owners

    return segments


def _types(root: Descriptor) -> list[Descriptor]:
    return reachable(root) if message_kind(root) is Kind.MESSAGE else []


def _members(
    target: RouteBinding, shape: ShapeOptions | None, types: Iterable[Descriptor]
) -> Iterator[Member]:
    if shape is None:
        return
    layouts = Layouts(shape.messages, target.response.options)
    for each in types:
        for member in layouts.of(each).members:
            yield member
            yield from member.members


def _documents(shape: ShapeOptions | None) -> Iterator[Document]:
    if shape is None:
        return
    yield from (each.body for each in (shape.answer, shape.request) if each is not None)
    yield from (each.document for each in shape.additions)


def _keys(document: Document) -> Iterator[str]:
    content = document.content
    if isinstance(content, Members):
        for key, inner in content.pairs:
            yield key
            yield from _keys(inner)
    elif isinstance(content, tuple):
        for inner in content:
            yield from _keys(inner)


def _parameters(shape: ShapeOptions | None) -> Iterator[str]:
    if shape is not None and shape.requests is not None:
        yield from shape.requests.control
        for name, _ in shape.requests.query.renames:
            yield from name.replace("]", "").split("[")


def _enums(fields: list[FieldDescriptor]) -> Iterator[EnumDescriptor]:
    """The enums whose names are nobody's secret."""
    for known in map(element, fields):
        enum = known.enum_type
        if enum is not None and not any(v.GetOptions().debug_redact for v in enum.values):
            yield enum


def _table(member: Member) -> Iterator[object]:
    if member.form is not None:
        yield from (legacy for _, legacy in member.form.table if isinstance(legacy, str))


def _private(fields: list[FieldDescriptor], members: list[Member]) -> Iterator[tuple[str, ...]]:
    for known in fields:
        if _is_private(known):
            yield known.name, known.json_name
    for member in members:
        if any(map(_is_private, member.steps)):
            yield member.names


def _is_private(known: FieldDescriptor) -> bool:
    value = element(known)
    values = () if value.enum_type is None else value.enum_type.values
    return any(each.GetOptions().debug_redact for each in (known, value, *values))
