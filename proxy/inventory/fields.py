"""What an operation of the old API has in its requests and answers, held against its binding.

Belongs here: parameters, members of bodies and answers, the fields of the RPC's messages. Does
not: paths and HTTP methods (`mapping`), names under a shape (`names`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.schema import fold
from proxy.inventory.bodies import Body, answer_body, request_body
from proxy.inventory.findings import Finding, FindingKind, Subject
from proxy.inventory.legacy import Parameter, Where
from proxy.inventory.names import Key, is_listed, json_kinds, word_of
from proxy.inventory.new_fields import without_legacy
from proxy.inventory.paths import parse_legacy_path
from proxy.inventory.schemas import Schema
from proxy.transcoding.binding import Body as BodyRule
from proxy.transcoding.protojson.kinds import Kind, element, field_kind
from proxy.transcoding.query import SYSTEM_PARAMETERS

#: Findings of one operation; a document that has nothing to do with the proto has one per member.
MAX_FINDINGS: Final = 500

_PASSED_PREFIX: Final = "grpc-metadata-"
#: Members that are looked at in one body: schemas that use each other widely have more paths than
#: anybody reads.
MAX_MEMBERS: Final = 20_000
#: A JSON type that a client takes for another without noticing.
_ALIKE: Final[Mapping[str, frozenset[str]]] = {
    "number": frozenset({"integer", "number"}),
    "integer": frozenset({"integer"}),
}


def find_differences(subject: Subject) -> list[Finding]:
    """All findings of one operation, requests first."""
    found: list[Finding] = []
    for finding in _findings(subject):
        if len(found) == MAX_FINDINGS:
            break
        found.append(finding)
    return found


def _findings(subject: Subject) -> Iterator[Finding]:
    seen: set[FieldDescriptor] = {
        variable.fields[-1] for variable in subject.binding.variables if variable.fields
    }
    yield from _of_path(subject)
    yield from _of_query(subject, seen)
    yield from _of_headers(subject)
    yield from _of_request_body(subject, seen)
    yield from without_legacy(subject, seen)
    yield from _of_answer(subject)


# --- the path


def _of_path(subject: Subject) -> Iterator[Finding]:
    """Parameters in segments that no variable takes: their values are lost."""
    path = parse_legacy_path(subject.operation.path)
    count = len(path.segments)
    taken: set[int] = set()
    for bound in subject.binding.variables:
        end = bound.variable.end
        taken |= set(range(bound.variable.start, end if end >= 0 else count + end + 1))
    for index, names in enumerate(path.names):
        if index not in taken:
            detail = "the template has a wildcard there and no variable"
            yield from (Finding(FindingKind.NO_FIELD, Where.PATH, name, detail) for name in names)


# --- the query and headers


def _of_query(subject: Subject, seen: set[FieldDescriptor]) -> Iterator[Finding]:
    for parameter in subject.operation.parameters_in(Where.QUERY):
        name = parameter.name
        if name in SYSTEM_PARAMETERS or name in subject.extras.parameters:
            continue
        key = query_key(subject, name)
        if key is None:
            yield Finding(FindingKind.NO_FIELD, Where.QUERY, name, _query_hint(subject, name))
            continue
        if key.field is not None:
            seen.add(key.field)
            yield from _parameter_type(parameter, key)


def query_key(subject: Subject, name: str) -> Key | None:
    """The field that a query parameter gives; None where the rule's body takes all fields."""
    if _body_takes_all(subject):
        return None
    renamed = subject.renames.get(name)
    if renamed is not None:
        name = subject.names.layouts.path(subject.takes, renamed) or ""
    return subject.names.query(subject.takes, name, brackets=subject.brackets)


def _body_takes_all(subject: Subject) -> bool:
    """Whether nothing is left for the query."""
    return (
        subject.binding.body is BodyRule.WHOLE and not subject.target.request.options.merges_query
    )


def _query_hint(subject: Subject, name: str) -> str:
    if _body_takes_all(subject):
        return "the body takes all fields of the message"
    return _hint(name, subject.names.read(subject.takes))


def _parameter_type(parameter: Parameter, key: Key) -> Iterator[Finding]:
    """Text is read into any type; what no text gives, and lists into one value, are not."""
    field = key.field
    if field is None:
        return
    if field_kind(element(field)) in (Kind.MESSAGE, Kind.ANY) and not parameter.schema.is_object:
        detail = f"is {word_of(field)}, which a query gives by the fields inside"
        yield Finding(FindingKind.TYPE, Where.QUERY, parameter.name, detail)
    elif parameter.schema.is_list and not field.is_repeated:
        detail = f"a list in the old API, one {word_of(field)} in the proto"
        yield Finding(FindingKind.TYPE, Where.QUERY, parameter.name, detail)


def _of_headers(subject: Subject) -> Iterator[Finding]:
    for where, detail in (
        (Where.HEADER, "it is not in request_headers"),
        (Where.COOKIE, "cookies do not become metadata"),
    ):
        for parameter in subject.operation.parameters_in(where):
            if where is Where.COOKIE or not _passes(parameter.name.lower(), subject.headers):
                yield Finding(FindingKind.NOT_PASSED, where, parameter.name, detail)


def _passes(name: str, headers: Collection[str]) -> bool:
    return name in headers or name.startswith(_PASSED_PREFIX)


# --- bodies


def _of_request_body(subject: Subject, seen: set[FieldDescriptor]) -> Iterator[Finding]:
    content = subject.operation.body
    if content is None:
        return
    if subject.binding.body is BodyRule.NONE:
        yield Finding(FindingKind.NO_BODY, Where.BODY, "", _BODIES[_unexpected(subject)])
        return
    body = request_body(subject.binding, content)
    if not isinstance(subject.binding.body, BodyRule):
        seen.add(subject.binding.body)
    if body is None:
        return
    yield from _Walk(subject, Where.BODY, seen).walk(_without_files(subject, content.schema), body)


def _without_files(subject: Subject, schema: Schema) -> Schema:
    """A form without the files that the shape takes."""
    rest = {name: node for name, node in schema.members.items() if name not in subject.extras.files}
    return replace(schema, members=rest)


def _unexpected(subject: Subject) -> str:
    return subject.target.request.options.unexpected_body


#: What becomes of a body where the rule has none.
_BODIES: Final[Mapping[str, str]] = {
    "reject": "the rule has no body: one that is not empty is answered with 400",
    "empty": "the rule has no body: one with members is answered with 400",
    "ignore": "the rule has no body: it is passed over",
}


def _of_answer(subject: Subject) -> Iterator[Finding]:
    content = subject.operation.answer
    if content is None or not content.is_json or content.schema.is_binary:
        return
    unwrapped = answer_body(subject.target, content.schema, subject.names, subject.schemas)
    for path in unwrapped.unknown:
        yield Finding(FindingKind.NO_FIELD, Where.ANSWER, path, "it is in no envelope of the shape")
    if unwrapped.body is not None:
        seen: set[FieldDescriptor] = set()
        walk = _Walk(subject, Where.ANSWER, seen)
        yield from walk.walk(unwrapped.schema, unwrapped.body, unwrapped.path)


class _Walk:
    """A schema beside what stands in its place; what is within itself once."""

    def __init__(self, subject: Subject, where: Where, seen: set[FieldDescriptor]) -> None:
        self._subject = subject
        self._schemas = subject.schemas
        self._where = where
        self._reading = where is Where.BODY
        self._seen = seen
        #: The schemas and messages around the one that is looked at: those within themselves end.
        self._around: list[tuple[str | int, str]] = []
        self._left = MAX_MEMBERS

    def walk(self, schema: Schema, body: Body, path: str = "") -> Iterator[Finding]:
        """Everything below one value."""
        if schema.is_list:
            if not body.is_list and schema.items is not None:
                detail = f"an array in the old API, one {body.word} here"
                yield Finding(FindingKind.TYPE, self._where, path, detail)
            schema, path = self._schemas.element(schema), f"{path}[]"
        elif body.is_list and schema.kind:
            yield Finding(
                FindingKind.TYPE, self._where, path, f"{_an(schema.kind)} there, an array here"
            )
        if body.message is not None and (schema.is_object or not schema.kind):
            yield from self._message(schema, body.message, path)

    def _message(self, schema: Schema, message: Descriptor, path: str) -> Iterator[Finding]:
        pair = (schema.name or id(schema), message.full_name)
        if pair in self._around or field_kinded(message):
            return
        self._around.append(pair)
        names = self._subject.names
        keys = names.read(message) if self._reading else names.written(message)
        if self._reading:
            # What answers have in addition may come back, and is not read.
            made = {name for name in schema.members if names.is_made(message, name)}
            rest = {name: node for name, node in schema.members.items() if name not in made}
            schema = replace(schema, members=rest)
        yield from self._members(schema, keys, path)
        self._around.pop()

    def _members(self, schema: Schema, keys: dict[str, Key], path: str) -> Iterator[Finding]:
        met: set[str] = set()
        self._left -= len(schema.members)
        for name, node in schema.members.items() if self._left > 0 else ():
            inner, key, where = self._schemas.read(node), keys.get(name), _joined(path, name)
            if self._reading and inner.read_only:
                continue
            if key is None:
                same = _same_words(name, keys)
                met |= {same.name} if same is not None else set()
                detail = _hint(name, keys)
                yield Finding(FindingKind.NO_FIELD, self._where, where, detail)
                continue
            met.add(key.name)
            yield from self._member(inner, key, where)
        if schema.is_object and not self._reading and self._left > 0:
            yield from self._new_members(keys, met, path)

    def _new_members(self, keys: dict[str, Key], met: set[str], path: str) -> Iterator[Finding]:
        """What answers have, and the document has not: strict clients may stumble."""
        for name, key in keys.items():
            if key.name not in met and key.field is not None:
                detail = f"{word_of(key.field)}, {name} in answers"
                where = _joined(path, key.field.name)
                yield Finding(FindingKind.NO_LEGACY, self._where, where, detail)

    def _member(self, schema: Schema, key: Key, path: str) -> Iterator[Finding]:
        if key.field is not None:
            self._seen.add(key.field)
        yield from self._type(schema, key, path)
        inside = self._subject.names.inside(key, reading=self._reading)
        below = self._below(schema)
        if inside is None or below is None:
            return
        at = f"{path}[]" if schema.is_list else path
        if key.member.inner is not None:
            yield from self._message(below, key.member.inner, at)
        else:
            yield from self._members(below, inside, at)

    def _below(self, schema: Schema) -> Schema | None:
        """The schema of the objects at a member: of its elements, of its values, or its own."""
        if schema.is_list:
            schema = self._schemas.element(schema)
        elif schema.values is not None and not schema.is_object:
            schema = self._schemas.read(schema.values)
        return schema if schema.is_object else None

    def _type(self, schema: Schema, key: Key, path: str) -> Iterator[Finding]:
        """The JSON of one member; requests may be written in more ways than answers are."""
        if not schema.kind or key.field is None:
            return
        listed = is_listed(key)
        if schema.is_list != listed:
            ours = "an array" if listed else f"one {word_of(key.field)}"
            detail = f"{_an(schema.kind)} in the old API, {ours} here"
            yield Finding(FindingKind.TYPE, self._where, path, detail)
        elif not self._reading and not _is_map_key(key):
            element_schema = self._schemas.element(schema) if listed else schema
            yield from self._value(element_schema.kind, key, key.field, path)

    def _value(self, kind: str, key: Key, field: FieldDescriptor, path: str) -> Iterator[Finding]:
        ours = json_kinds(key)
        if kind and ours and not ours & _ALIKE.get(kind, frozenset({kind})):
            detail = f"{kind} in the old API, {' or '.join(sorted(ours))} here ({word_of(field)})"
            yield Finding(FindingKind.TYPE, self._where, path, detail)


# --- words


def field_kinded(message: Descriptor) -> bool:
    """Whether the JSON of a message is not an object of its fields."""
    return message.full_name.startswith(("google.protobuf.", "google.api.HttpBody"))


def _is_map_key(key: Key) -> bool:
    field = key.field
    return field is not None and field.message_type is not None and element(field) is not field


def _same_words(name: str, keys: Mapping[str, Key]) -> Key | None:
    """The key that is spelled otherwise only."""
    return next((key for each, key in keys.items() if fold(each) == fold(name)), None)


def _hint(name: str, keys: Mapping[str, Key]) -> str:
    """A key that is spelled otherwise only, or is near."""
    same = _same_words(name, keys)
    if same is not None:
        return f"{same.name} here"
    near = get_close_matches(name, list(keys), n=1, cutoff=0.75)
    return f"perhaps {near[0]}" if near else ""


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _an(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aio" else f"a {kind}"
