"""What clients know of JSON values, and what they would lose if others took their place.

Belongs here: the JSON form of messages and fields, compared all the way down. Does not: which
values a binding has (`routing.losses`).
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.protojson.kinds import Kind, field_kind, message_kind, wrapped

#: The path of a value, "" for the whole, and what became of it in words.
Found = tuple[str, str]
#: The names by which clients know a field, the usual one first.
Spellings = Callable[[FieldDescriptor], tuple[str, ...]]

#: The full names of an old and a new message type.
_Types = tuple[str, str]

_RAW_CONTENT: Final = "raw content"


def json_name(field: FieldDescriptor) -> tuple[str, ...]:
    """The name in answers."""
    return (field.json_name,)


def proto_name(field: FieldDescriptor) -> tuple[str, ...]:
    """The name in answers of routes with `names: proto`."""
    return (field.name,)


def either_name(field: FieldDescriptor) -> tuple[str, ...]:
    """The names in requests, where both are taken, in bodies and in queries."""
    return tuple(dict.fromkeys((field.json_name, field.name)))


@dataclass(frozen=True, slots=True)
class Value:
    """What stands at one place of the JSON: how many of what.

    *form* is in words. Values of the same form differ by their fields or enum values only.
    """

    form: str
    message: Descriptor | None = None
    enum: EnumDescriptor | None = None

    @classmethod
    def of(cls, message: Descriptor) -> "Value":
        """A message."""
        kind = message_kind(message)
        return cls("object", message) if kind is Kind.MESSAGE else cls(_word(kind))

    @classmethod
    def of_field(cls, field: FieldDescriptor) -> "Value":
        """A field: one value, a list or a map of them."""
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key, value = (_element(entry.fields_by_name[name]) for name in ("key", "value"))
            return cls(f"map of {key.form} to {value.form}", value.message, value.enum)
        value = _element(field)
        return cls(f"list of {value.form}", value.message, value.enum) if _is_list(field) else value

    @classmethod
    def of_body(cls, message: Descriptor) -> "Value":
        """A message that is a whole body: there, and only there, `HttpBody` is raw content."""
        return cls(_RAW_CONTENT) if is_http_body(message) else cls.of(message)

    @classmethod
    def of_body_field(cls, field: FieldDescriptor) -> "Value":
        """A field that is a whole body."""
        raw = is_http_body(field.message_type) and not _is_list(field)
        return cls(_RAW_CONTENT) if raw else cls.of_field(field)


def _is_list(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _element(field: FieldDescriptor) -> Value:
    """A field's value, or one of its values; a wrapper's JSON is that of what it wraps."""
    kind = field_kind(field)
    if kind is Kind.MESSAGE:
        return Value("object", field.message_type)
    if kind is Kind.ENUM:
        return Value("enum", enum=field.enum_type)
    return Value(_word(field_kind(wrapped(field)) if kind is Kind.WRAPPER else kind))


def _word(kind: Kind) -> str:
    return kind.name.lower()


class Comparison:
    """Compares values, all the way down.

    *sent* says that clients send them, and lose what is not taken any more; else clients get
    them, and lose what is not there any more. Types without a loss are compared once in the life
    of the object: use one for all bindings of two snapshots, and no longer.
    """

    def __init__(
        self, spellings: Spellings, *, sent: bool = False, enums_as_numbers: bool = False
    ) -> None:
        self.spellings = spellings
        self.sent = sent
        self.enums_as_numbers = enums_as_numbers
        self._clean: set[_Types] = set()

    def __repr__(self) -> str:
        return f"<Comparison sent={self.sent} clean={len(self._clean)}>"

    def find(
        self, old: Value, new: Value, path: str, elsewhere: Collection[str] = ()
    ) -> tuple[Found, ...]:
        """What is lost with *new* at *path*, and below it.

        *elsewhere* are the fields that clients give in another part of the request, by their
        dotted proto names.
        """
        walk = _Walk(self, elsewhere, {*self._clean})
        found = tuple(walk.run(old, new, path))
        if not found:
            self._clean |= walk.seen
        return found


class _Walk:
    """One comparison from a root. *seen* are the pairs of types that were compared before.

    A pair is compared at the shortest path to it and nowhere else, so that types which hold
    themselves come to an end. Pairs on the way to a field that is given elsewhere do not count
    as seen: less of them was compared.
    """

    def __init__(
        self, comparison: Comparison, elsewhere: Collection[str], seen: set[_Types]
    ) -> None:
        self._comparison = comparison
        self._elsewhere = elsewhere
        self._queue = deque[tuple[Value, Value, str, str]]()
        self.seen = seen

    def run(self, old: Value, new: Value, path: str) -> Iterator[Found]:
        """Go through everything below two values; the path of the root within the proto is ""."""
        self._queue.append((old, new, path, ""))
        # Not by recursion: a chain of types may be longer than Python's stack.
        while self._queue:
            yield from self._visit(*self._queue.popleft())

    def _visit(self, old: Value, new: Value, path: str, proto_path: str) -> Iterator[Found]:
        if old.form != new.form:
            yield path, f"was {old.form}, is {new.form}"
        elif old.enum is not None and new.enum is not None:
            yield from ((path, text) for text in self._of_enum(old.enum, new.enum))
        elif old.message is not None and new.message is not None:
            types = old.message.full_name, new.message.full_name
            if self._is_new(types, proto_path):
                yield from self._of_fields(old.message, new.message, path, proto_path)

    def _is_new(self, types: _Types, proto_path: str) -> bool:
        if any(other.startswith(proto_path) for other in self._elsewhere):
            return True
        if types in self.seen:
            return False
        self.seen.add(types)
        return True

    def _of_fields(
        self, old: Descriptor, new: Descriptor, path: str, proto_path: str
    ) -> Iterator[Found]:
        spellings = self._comparison.spellings
        known = {name: field for field in new.fields for name in spellings(field)}
        for field in old.fields:
            own = proto_path + field.name
            if own not in self._elsewhere:
                shown = f"{path}.{spellings(field)[0]}".removeprefix(".")
                yield from self._of_field(field, new, known, shown)
                self._enqueue(field, known, shown, own)
        if self._comparison.sent:
            yield from _newly_required(old, new, path)

    def _of_field(
        self,
        field: FieldDescriptor,
        new: Descriptor,
        known: Mapping[str, FieldDescriptor],
        shown: str,
    ) -> Iterator[Found]:
        spellings = self._comparison.spellings(field)
        unknown = [name for name in spellings if name not in known]
        if len(unknown) < len(spellings):
            yield from ((shown, f"cannot be called {name} any more") for name in unknown)
            return
        renamed = new.fields_by_number.get(field.number)
        if renamed is None or Value.of_field(renamed).form != Value.of_field(field).form:
            yield shown, "is gone"
        else:
            yield shown, f"is called {self._comparison.spellings(renamed)[0]} now"

    def _enqueue(
        self, field: FieldDescriptor, known: Mapping[str, FieldDescriptor], shown: str, own: str
    ) -> None:
        """Compare the field's value with that of the first field that has one of its names."""
        for name in self._comparison.spellings(field):
            if name in known:
                values = Value.of_field(field), Value.of_field(known[name])
                self._queue.append((*values, shown, f"{own}."))
                return

    def _of_enum(self, old: EnumDescriptor, new: EnumDescriptor) -> Iterator[str]:
        if self._comparison.sent:
            names = [value.name for value in old.values if value.name not in new.values_by_name]
            yield from (f"does not take the value {name} any more" for name in names)
            return
        for number, value in old.values_by_number.items():
            successor = new.values_by_number.get(number)
            if successor is None:
                yield f"has no value {value.name} any more"
            elif successor.name != value.name and not self._comparison.enums_as_numbers:
                yield f"has {successor.name} now where it had {value.name}"


def _newly_required(old: Descriptor, new: Descriptor, path: str) -> Iterator[Found]:
    """Fields of proto2 without which a request is refused, and was not before."""
    before = {field.number for field in old.fields if field.is_required}
    for field in new.fields:
        if field.is_required and field.number not in before:
            yield f"{path}.{field.json_name}".removeprefix("."), "is required now"
