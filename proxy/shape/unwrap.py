"""Envelopes of requests: what stands around the message in a body, taken off.

Belongs here: where the holes of an envelope are, and reading a body through them, fast and
strictly. Does not: the message inside (`parser_source`, `unshape`), envelopes of answers
(`envelope`).

Members of the document that are no holes may be left out or be anything: nothing is read from them.
A hole must be there. It is the whole value of a member, in objects alone: what stands in a list or
in a longer text cannot be told from what is around it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.envelope import root_of
from proxy.shape.forms_source import named
from proxy.shape.holes import Document, Hole, Members, Text
from proxy.shape.options import Envelope
from proxy.shape.parser_source import ParserSource
from proxy.shape.printer_source import Steps, field_steps
from proxy.shape.unshape import ShapedParser, ShapedWalk
from proxy.transcoding.binding import Body
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson.codec import Shared, TwoPaths, holds_floating
from proxy.transcoding.protojson.faults import cut, joined
from proxy.transcoding.protojson.kinds import nullable
from proxy.transcoding.protojson.parser_source import References, indented
from proxy.transcoding.protojson.reader import JsonValue


@dataclass(frozen=True, slots=True)
class Whole:
    """A hole that is the message itself."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A member that may be anything."""


#: What a member of an envelope is: the message, a field of it, nothing, or an object of such.
Content = Whole | Steps | Ignored | dict[str, "Content"]


class Shell:
    """The envelope of one type's requests: by key what each member is. Immutable."""

    def __init__(
        self, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
    ) -> None:
        """Raises `ValueError` for a document that cannot be taken off."""
        root = root_of(message, field, envelope)
        if field is not None and root is not field:
            raise ValueError(
                f"the body is the field {field.name} by the rule, and not {envelope.root}"
            )
        self.message = message
        self.name = named("unwrap", (message.full_name, root and root.name, envelope))
        whole: Content = Whole() if root is None else (root,)
        content = _content(message, whole, envelope.body)
        if not isinstance(content, dict):
            raise ValueError("the envelope of requests must be an object")
        self.content: dict[str, Content] = content

    def __repr__(self) -> str:
        return f"<Shell of {self.message.full_name}>"

    def place_of(self, body: Body | FieldDescriptor) -> tuple[str, ...] | None:
        """The keys that lead to what is the body by the rule, None when nothing does."""
        wanted: Content = Whole() if isinstance(body, Body) else (body,)
        return next(_places(self.content, wanted, ()), None)


def _places(
    content: dict[str, Content], wanted: Content, around: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for key, inner in content.items():
        if inner == wanted:
            yield (*around, key)
        elif isinstance(inner, dict):
            yield from _places(inner, wanted, (*around, key))


def _content(message: Descriptor, whole: Content, document: Document) -> Content:
    content = document.content
    if isinstance(content, Members):
        return {key: _content(message, whole, inner) for key, inner in content.pairs}
    if isinstance(content, Text):
        match content.pieces:
            case (Hole(""),):
                return whole
            case (Hole(name),) if not name.startswith("@"):
                return field_steps(message, name)
    if any(True for _ in document.names):
        raise ValueError("a hole of a request's envelope must be a whole member of an object")
    return Ignored()


# Fast


def unwrapping_source(shell: Shell, source: ParserSource, refs: References) -> str:
    """The source that reads a decoded body through its envelope: `function(o, m, depth)`."""
    lines = list(_object_lines(shell.content, "o", 0, source, refs, shell.message))
    check = "if type(o) is not dict: raise Unexpected"
    whole = [check, "n = len(o)", *source.key_limit("o"), *source.flags, *lines, "return n"]
    return "\n".join([f"def {shell.name}(o, m, depth):", *indented(whole)])


def _object_lines(
    content: dict[str, Content],
    o: str,
    level: int,
    source: ParserSource,
    refs: References,
    message: Descriptor,
) -> Iterator[str]:
    pop, depth = f"pop_{o}", f"depth + {level}"
    yield f"{pop} = {o}.pop"
    for position, (key, inner) in enumerate(content.items()):
        if isinstance(inner, Ignored):
            yield from source.passed_over(key, pop, depth)
        elif isinstance(inner, dict):
            name = f"{o}{position}"
            yield f"{name} = {pop}({key!r}, None)"
            yield f"if type({name}) is not dict: raise Unexpected"
            yield f"n += len({name})"
            yield from source.key_limit(name)
            yield from _object_lines(inner, name, level + 1, source, refs, message)
        else:
            yield f"v = {pop}({key!r}, None)"
            # A member that is missing, and null in place of an object, are for the strict path.
            yield "if v is None: raise Unexpected"
            if isinstance(inner, Whole):
                yield f"n += {refs.message(message)}(v, m, {depth} + 1)"
            else:
                yield from source.reached(inner, depth)
    yield source.rest(o, content, depth)


# Strictly


def unwrap(walk: ShapedWalk, shell: Shell, message: Any, value: JsonValue) -> None:
    """Put a body into the message that it is for, through its envelope. Raises `RequestError`."""
    _unwrap_object(walk, shell.content, message, value, "")


def _unwrap_object(
    walk: ShapedWalk, content: dict[str, Content], message: Any, value: JsonValue, path: str
) -> None:
    members = walk.members(value, path)
    for key, inner in content.items():
        place = joined(path, cut(key))
        if isinstance(inner, Ignored):
            walk.check(members.get(key), place)
        elif key not in members:
            raise RequestError("the member is missing", field=place)
        elif isinstance(inner, dict):
            _unwrap_object(walk, inner, message, members[key], place)
        elif isinstance(inner, Whole):
            _unwrap_whole(walk, message, members[key], place)
        else:
            _unwrap_field(walk, inner, message, members[key])
    for name, member in members.items():
        if name not in content:
            walk.skip(member, name, path)


def _unwrap_whole(walk: ShapedWalk, message: Any, value: JsonValue, place: str) -> None:
    if value is None:
        raise RequestError("expected an object, not null", field=place)
    walk.message(message, value, "")


def _unwrap_field(walk: ShapedWalk, steps: Steps, message: Any, value: JsonValue) -> None:
    *through, known = steps
    path = ".".join(step.name for step in steps)
    value = walk.entries.value(known)(value, path)
    if value is None and not nullable(known):
        return
    for step in through:
        message = getattr(message, step.name)
        message.SetInParent()
    walk.field(message, known, value, path)


class UnwrappingCodec(TwoPaths):
    """Reads the bodies of one type in their envelope."""

    def __init__(
        self,
        shell: Shell,
        shared: Shared,
        strict: ShapedParser,
        read: Callable[[Any, Any, int], int],
    ) -> None:
        super().__init__(shared, floating=holds_floating(shell.message))
        self.shell = shell
        self._strict = strict
        self._class: Any = message_class(shell.message)
        self._read = read

    def __repr__(self) -> str:
        return f"<UnwrappingCodec of {self.shell!r}>"

    def parse_fast(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read what the generated code takes. Raises one of `GIVE_UP` for anything else."""
        message: Message = self._class()
        self._finder(body, self._read(orjson.loads(body), message, 1))
        return message, ()

    def parse_strictly(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a body by the exact rules; returns and raises as `parse` does."""
        return self._strict.read(
            self.shell.message,
            body,
            lambda walk, message, value: unwrap(walk, self.shell, message, value),
        )
