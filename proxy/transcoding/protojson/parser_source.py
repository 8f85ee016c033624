"""Python source that puts decoded JSON into a message.

Belongs here: text of the generated parsers, one function per message type. Does not: running
it (`program`), the exact rules (`strict`). A generated function reads what a well-behaved
client sends and raises `Unexpected` for everything else; what it has done to the message by then
is of no interest, since the body goes to the strict path as a whole.

A function takes the decoded object, the message and the object's depth, empties the object, and
returns the number of JSON strings that it met, keys included. That number is what shows a
duplicate key, which the decoder hides: see `codec.structural_quotes`.

Single letters in the generated code: o object, m message, n number of strings, v value, t the
message that a value fills, c something for a moment.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from keyword import iskeyword
from math import inf
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.transcoding.protojson.kinds import (
    OPEN_ENDED,
    Kind,
    accepted_names,
    element,
    field_kind,
    is_map,
    map_entry,
    message_type,
    nullable,
    spellings,
    wrapped,
)
from proxy.transcoding.protojson.options import JsonOptions

#: Fields in one group of a generated parser. A group is skipped when none of its names is given.
GROUP: Final = 16
#: Types with more fields than this are parsed in groups.
UNGROUPED: Final = 24

_INT: Final = ("if type(v) is not int: raise Unexpected",)
_TEXT: Final = ("if type(v) is not str: raise Unexpected", "n += 1")
#: The text of a 64-bit integer is taken only as Python itself would write it.
_INT64: Final = (
    "if type(v) is str:",
    "    n += 1",
    "    c = v",
    "    v = int(c)",
    "    if str(v) != c: raise Unexpected",
    "elif type(v) is not int: raise Unexpected",
)

#: How a scalar `v` is checked and, where need be, replaced by what a field takes.
CONVERSIONS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.INT32: _INT,
    Kind.UINT32: _INT,
    Kind.INT64: _INT64,
    Kind.UINT64: _INT64,
    Kind.FLOAT: (
        "if type(v) is not float and type(v) is not int or not -FLOAT_LIMIT < v < FLOAT_LIMIT:",
        "    raise Unexpected",
    ),
    Kind.DOUBLE: ("if type(v) is not float and type(v) is not int: raise Unexpected",),
    Kind.BOOL: ("if v is not True and v is not False: raise Unexpected",),
    Kind.STRING: _TEXT,
    Kind.BYTES: (*_TEXT, "v = base64_bytes(v)"),
    Kind.ENUM: (
        "if type(v) is str:",
        "    n += 1",
        "    v = {enum}[v]",
        "elif type(v) is not int: raise Unexpected",
    ),
    Kind.NULL: ("if v is not None: raise Unexpected", "v = 0"),
}

#: How a value `v` fills a message `t`. A wrapper is not here: its value is a scalar.
FILLINGS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.MESSAGE: ("n += {message}(v, t, {depth})",),
    Kind.TIMESTAMP: (*_TEXT, "t.seconds, c = timestamp(v)", "if c: t.nanos = c"),
    Kind.DURATION: (*_TEXT, "t.seconds, c = duration(v)", "if c: t.nanos = c"),
    Kind.FIELD_MASK: (*_TEXT, "t.paths.extend(mask_paths(v))"),
    Kind.STRUCT: ("n += structs.struct(v, t, {depth})",),
    Kind.VALUE: ("n += structs.value(v, t, {depth})",),
    Kind.LIST_VALUE: ("n += structs.list_value(v, t, {depth})",),
    Kind.ANY: ("raise Unexpected",),
}

#: Kinds that may set no field of their message, which is present all the same.
MAYBE_EMPTY: Final = frozenset({Kind.MESSAGE, Kind.FIELD_MASK, Kind.STRUCT, Kind.LIST_VALUE})

#: Kinds whose conversion leaves the value as it is, so that a whole list can be passed on.
UNCHANGED: Final = frozenset(
    {Kind.INT32, Kind.UINT32, Kind.FLOAT, Kind.DOUBLE, Kind.BOOL, Kind.STRING}
)

KEY_CONVERSIONS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.STRING: (),
    Kind.BOOL: ("key = BOOL_KEYS[key]",),
    **dict.fromkeys(
        (Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64),
        ("c = int(key)", "if str(c) != key: raise Unexpected", "key = c"),
    ),
}


def _no_form(_field: FieldDescriptor, _value: str) -> str | None:
    """No value has a form of its own."""
    return None


@dataclass(frozen=True, slots=True)
class References:
    """How generated code names other generated things.

    *define* makes a thing of its own known under a name, which must say what it is. *form* gives
    Python for a value that is not written as in ProtoJSON, by its field and its name in the code.
    """

    message: Callable[[Descriptor], str]
    enum: Callable[[FieldDescriptor], str]
    names: Callable[[Iterable[str]], str]
    define: Callable[[str, object], object]
    form: Callable[[FieldDescriptor, str], str | None] = _no_form


def parser_source(
    descriptor: Descriptor, function: str, refs: References, options: JsonOptions
) -> str:
    """The source of the parser of one message type."""
    lines = [
        f"if type(o) is not dict{_depth_guard(descriptor, options)}: raise Unexpected",
        "n = len(o)",
        *_key_limit(descriptor, options),
        "pop = o.pop",
        *(f"one_{oneof.index} = False" for oneof in descriptor.oneofs if len(oneof.fields) > 1),
    ]
    for group in _groups(descriptor):
        block = [line for field in group for line in _field(descriptor, field, refs, options)]
        if len(descriptor.fields) > UNGROUPED:
            names = [name for field in group for name in spellings(descriptor, field, "json")]
            block = [f"if not {refs.names(names)}.isdisjoint(o):", *indented(block)]
        lines += block
    lines += [_rest(descriptor, refs, options), "return n"]
    return "\n".join([f"def {function}(o, m, depth):", *indented(lines)])


def field_parser_source(
    field: FieldDescriptor, function: str, refs: References, options: JsonOptions
) -> str:
    """The source of the parser of one field's value, which stands alone in a body."""
    lines = ["n = 0", *_store(field, refs, options), "return n"]
    return "\n".join([f"def {function}(v, m, depth):", *indented(lines)])


def indented(lines: Iterable[str]) -> list[str]:
    """The lines one level further in."""
    return [f"    {line}" for line in lines]


def _groups(descriptor: Descriptor) -> list[list[FieldDescriptor]]:
    fields = list(descriptor.fields)
    size = GROUP if len(fields) > UNGROUPED else UNGROUPED
    return [fields[start : start + size] for start in range(0, len(fields), size)]


def _rest(descriptor: Descriptor, refs: References, options: JsonOptions) -> str:
    """The line for members that no field has taken."""
    if options.unknown_fields == "reject":
        return "if o: raise Unexpected"
    return f"if o: n += dropped.members(o, {refs.names(accepted_names(descriptor))}, depth)"


def _key_limit(descriptor: Descriptor, options: JsonOptions) -> list[str]:
    known = options.unknown_fields == "reject"
    if known and 2 * len(descriptor.fields) <= options.max_object_keys:
        return []
    return [f"if n > {options.max_object_keys}: raise Unexpected"]


def _field(
    descriptor: Descriptor, field: FieldDescriptor, refs: References, options: JsonOptions
) -> list[str]:
    absent = "ABSENT" if nullable(field) else "None"
    names = spellings(descriptor, field, options.names)
    if not names:
        return []
    lines = [f"v = pop({names[0]!r}, {'ABSENT' if names[1:] else absent})"]
    if names[1:]:
        lines += [f"if v is ABSENT: v = pop({names[1]!r}, {absent})"]
    return [*lines, f"if v is not {absent}:", *indented(_store(field, refs, options, oneof=True))]


def _store(
    field: FieldDescriptor, refs: References, options: JsonOptions, *, oneof: bool = False
) -> list[str]:
    """Lines that put the value `v` into its field of the message `m`."""
    if is_map(field):
        return _map(field, refs, options)
    if field.is_repeated:
        return _list(field, refs)
    lines = _singular(field, refs)
    group = field.containing_oneof
    if oneof and group is not None and len(group.fields) > 1:
        taken = f"one_{group.index}"
        return [f"if {taken}: raise Unexpected", f"{taken} = True", *lines]
    return lines


def _singular(field: FieldDescriptor, refs: References) -> list[str]:
    if field.message_type is None:
        return [*_conversion(field, refs), assignment(field)]
    present = ["t.SetInParent()"] if field_kind(field) in MAYBE_EMPTY else []
    return [f"t = {attribute(field)}", *present, *_filling(field, refs, "depth + 1")]


def _list(field: FieldDescriptor, refs: References) -> list[str]:
    check, items = "if type(v) is not list: raise Unexpected", attribute(field)
    if field.message_type is not None:
        body = ["t = add()", *_filling(field, refs, "depth + 2")]
        return [check, f"add = {items}.add", "for v in v:", *indented(body)]
    body = _conversion(field, refs)
    if field_kind(field) in UNCHANGED:
        return [check, "c = v", "for v in v:", *indented(body), f"{items}.extend(c)"]
    return [check, f"add = {items}.append", "for v in v:", *indented([*body, "add(v)"])]


def _map(field: FieldDescriptor, refs: References, options: JsonOptions) -> list[str]:
    key, value = map_entry(field)
    if value.message_type is not None:
        body = ["t = items[key]", *_filling(value, refs, "depth + 2")]
    else:
        body = [*_conversion(value, refs), "items[key] = v"]
    return [
        f"if type(v) is not dict or len(v) > {options.max_object_keys}: raise Unexpected",
        "n += len(v)",
        f"items = {attribute(field)}",
        "for key, v in v.items():",
        *indented([*KEY_CONVERSIONS[field_kind(key)], *body]),
    ]


def _conversion(field: FieldDescriptor, refs: References) -> list[str]:
    kind = field_kind(field)
    enum = refs.enum(field) if kind is Kind.ENUM else ""
    return [line.format(enum=enum) for line in CONVERSIONS[kind]]


def _filling(field: FieldDescriptor, refs: References, depth: str) -> list[str]:
    kind = field_kind(field)
    if kind is Kind.WRAPPER:
        return [*_conversion(wrapped(field), refs), "t.value = v"]
    message = refs.message(message_type(field)) if kind is Kind.MESSAGE else ""
    return [line.format(message=message, depth=depth) for line in FILLINGS[kind]]


def attribute(field: FieldDescriptor) -> str:
    """Python for the field of the message `m`."""
    return f"getattr(m, {field.name!r})" if iskeyword(field.name) else f"m.{field.name}"


def assignment(field: FieldDescriptor) -> str:
    """Python that sets the field of the message `m` to `v`."""
    name = field.name
    return f"setattr(m, {name!r}, v)" if iskeyword(name) else f"m.{name} = v"


# Depth


def _depth_guard(descriptor: Descriptor, options: JsonOptions) -> str:
    """A check of the depth, for types whose JSON has no bound of its own.

    Such a type answers for itself and for the bounded values of its fields; the check may send
    a body to the strict path too early, never too late.
    """
    depths: dict[str, float] = {}
    if levels(descriptor, depths) <= options.max_depth:
        return ""
    below = max(_bounded_levels(field, depths, options) for field in descriptor.fields)
    return f" or depth > {options.max_depth - below}"


def _bounded_levels(field: FieldDescriptor, depths: dict[str, float], options: JsonOptions) -> int:
    whole = _field_levels(field, depths)
    return int(whole) if whole <= options.max_depth else int(field.is_repeated)


def levels(descriptor: Descriptor, known: dict[str, float]) -> float:
    """How many levels of objects and arrays the JSON of a type can have; infinity for any.

    *known* holds what is worked out already. A type that is still being worked out is below
    itself, so its JSON has no bound.
    """
    if descriptor.full_name not in known:
        known[descriptor.full_name] = inf
        below = [_field_levels(field, known) for field in descriptor.fields]
        known[descriptor.full_name] = 1 + max(below, default=0)
    return known[descriptor.full_name]


def _field_levels(field: FieldDescriptor, known: dict[str, float]) -> float:
    kind = field_kind(element(field))
    if kind in OPEN_ENDED:
        return inf
    own = levels(message_type(element(field)), known) if kind is Kind.MESSAGE else 0
    return own + int(field.is_repeated)
