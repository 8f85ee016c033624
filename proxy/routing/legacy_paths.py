"""What the API's own names are called under a shape, and names of parameters there.

Belongs here: hints for paths that were written by the proto, parameters by their legacy names. Does
not: whether a path leads anywhere (`routing.field_paths`), where fields stand (`shape.layout`).
"""

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.paths import ELEMENT, VALUE, Part, PathPattern, Step, name_of
from proxy.config.naming import did_you_mean
from proxy.shape.codecs import codecs_of
from proxy.shape.envelope import BodyPaths
from proxy.shape.layout import Layouts
from proxy.shape.options import ShapeOptions
from proxy.shape.queries import LegacyNames, ShapedTables
from proxy.shape.request_options import RequestShape
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson import JsonOptions
from proxy.transcoding.protojson.kinds import (
    Kind,
    accepted_names,
    element,
    field_kind,
    is_map,
    message_type,
)
from proxy.transcoding.texts import TextForms

#: How lists and maps stand in the paths of `shape.layout`.
_BRACKETS: Final = {ELEMENT: "[*]", VALUE: "[{*}]"}


class LegacyNaming:
    """What the names of one binding's fields are under its shape."""

    def __init__(self, binding: Binding, shape: ShapeOptions, json: JsonOptions) -> None:
        self._binding = binding
        self._shape = shape
        self._json = json
        self._layouts = Layouts(shape.messages, json)

    def __repr__(self) -> str:
        return f"<LegacyNaming of {self._binding.rpc}>"

    def parameter(self, name: str) -> str | None:
        """The proto path of the field that a parameter's name means, None for no field.

        Raises `RequestError` for a field that no parameter gives.
        """
        message = self._binding.method.input_type
        codecs = codecs_of(message.file.pool, self._json, self._shape)
        tables = ShapedTables(codecs, self._layouts, TextForms())
        query = (self._shape.requests or RequestShape()).query
        found = LegacyNames(tables, message, query).find(name)
        if found is None:
            return None
        return found.path if found.key is None else f"{found.path}[{found.key}]"

    def parameter_guess(self, name: str) -> str:
        """A parameter that may be meant, as the end of a sentence, "" for none."""
        message = self._binding.method.input_type
        fields = _fields(message, name.split("."))
        legacy = fields and self._layouts.path(message, ".".join(each.name for each in fields))
        if legacy:
            return f"; did you mean {legacy}?"
        return did_you_mean(name, [key for key, _ in self._keys(message)])

    def _keys(self, message: Descriptor) -> list[tuple[str, object]]:
        return [(".".join(keys), member) for keys, member in self._layouts.of(message).leaves()]

    def path_of(self, pattern: PathPattern) -> str | None:
        """What a path by the proto is under the shape, in words; None where it is no such path."""
        sent = pattern.part is Part.REQUEST
        method = self._binding.method
        message = method.input_type if sent else method.output_type
        field = self._binding.body if sent else self._binding.response_body
        body = field if isinstance(field, FieldDescriptor) else None
        steps = pattern.steps
        for prefix in ((), _own_step(body)):
            proto = _proto_path(message, (*prefix, *steps))
            if proto is not None:
                envelope = self._shape.request if sent else self._shape.answer
                paths = BodyPaths(self._layouts, message, body, envelope)
                return _told(paths.path(proto), pattern)
        return None


def _told(legacy: str | None, pattern: PathPattern) -> str:
    if legacy is None:
        return "the shape leaves this field out"
    dot = "" if not legacy or legacy.startswith("[") else "."
    written = legacy.replace("[{*}]", VALUE)
    return f"under the shape it is {pattern.part}${dot}{written}"


def _own_step(field: FieldDescriptor | None) -> tuple[Step, ...]:
    return () if field is None else (f".{field.name}",)


def _fields(message: Descriptor, names: list[str]) -> list[FieldDescriptor]:
    """The fields that names by the proto lead through, none where they lead nowhere."""
    found: list[FieldDescriptor] = []
    inside: Descriptor | None = message
    for name in names:
        field = None if inside is None else accepted_names(inside).get(name)
        if field is None:
            return []
        found.append(field)
        inside = message_type(field) if field_kind(field) is Kind.MESSAGE else None
    return found


def _proto_path(message: Descriptor, steps: tuple[Step, ...]) -> str | None:
    """The proto path of steps by the proto's names, as `Layouts.path` takes it."""
    path, inside = "", message
    described = True
    for step in steps:
        if step in _BRACKETS:
            path += _BRACKETS[step]
            continue
        field = accepted_names(inside).get(name_of(step)) if described else None
        if field is None:
            return None
        path = f"{path}.{field.name}" if path else field.name
        value = element(field)
        described = field_kind(value) is Kind.MESSAGE
        inside = message_type(value) if described else inside
        if is_map(field):
            described = described and field_kind(value) is Kind.MESSAGE
    return path or None
