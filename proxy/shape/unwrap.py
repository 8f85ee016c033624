"""Envelopes of requests: what stands around the message in a body, taken off.

Belongs here: reading a body through its envelope, fast and strictly. Does not: the envelope
(`shells`), the message inside (`parser_source`, `unshape`), envelopes of answers (`envelope`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.parser_source import ParserSource
from proxy.shape.printer_source import Steps
from proxy.shape.shells import Content, Ignored, Shell, Whole
from proxy.shape.unknown import ShapedUnknown
from proxy.shape.unshape import ShapedParser, ShapedWalk
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson.codec import Shared, TwoPaths, holds_floating
from proxy.transcoding.protojson.faults import cut, excerpt, joined
from proxy.transcoding.protojson.kinds import nullable
from proxy.transcoding.protojson.parser_source import References, indented
from proxy.transcoding.protojson.reader import JsonValue

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
            raise RequestError(f"the member {excerpt(key)} is missing", field=place)
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
        self._unknown = ShapedUnknown(strict.entries)
        self._class: Any = message_class(shell.message)
        self._read = read

    def __repr__(self) -> str:
        return f"<UnwrappingCodec of {self.shell!r}>"

    def parse_fast(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read what the generated code takes. Raises one of `GIVE_UP` for anything else."""
        message: Message = self._class()
        strings = self._read(orjson.loads(body), message, 1)
        if self._finder(body, strings) is None:
            return message, ()
        return message, self._unknown.of_envelope(self.shell, orjson.loads(body))

    def parse_strictly(self, body: bytes) -> tuple[Message, tuple[str, ...]]:
        """Read a body by the exact rules; returns and raises as `parse` does."""
        return self._strict.read(
            self.shell.message,
            body,
            lambda walk, message, value: unwrap(walk, self.shell, message, value),
        )
