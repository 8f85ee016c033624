"""Python source that turns a message into what `orjson` is to write.

Belongs here: text of the generated printers, one function per message type. Does not: running
it (`program`). There is no second printer; a value without a JSON form raises `ValueError`.

Fields are read one by one in declaration order where most are likely to be set, and through
`ListFields` where that costs less or where extensions can be present.

Single letters in the generated code: m message, d dictionary, v value, x number,
f field descriptor.
"""

from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

from proxy.transcoding.protojson.kinds import (
    Kind,
    enum_type,
    field_kind,
    is_map,
    map_entry,
    message_kind,
)
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.parser_source import References, attribute, indented

#: What the ways of reading fields cost, in nanoseconds. Only the proportions matter.
PLAIN_COST: Final = 65
REPEATED_COST: Final = 210
LISTING_COST: Final = 250
LISTED_COST: Final = 280
#: How many fields of a large message are taken to be set.
USUALLY_SET: Final = 12

#: Real oneofs with this many fields are asked which one is set.
ASK_WHICH: Final = 3

EXPRESSIONS: Final[dict[Kind, str]] = {
    Kind.INT32: "{v}",
    Kind.UINT32: "{v}",
    Kind.INT64: "str({v})",
    Kind.UINT64: "str({v})",
    Kind.FLOAT: "float_json({v})",
    Kind.DOUBLE: "(x if (x := {v}) - x == 0.0 else float_word(x))",
    Kind.BOOL: "{v}",
    Kind.STRING: "{v}",
    Kind.BYTES: "b2a_base64({v}, newline=False).decode()",
    Kind.NULL: "None",
    Kind.MESSAGE: "{message}({v}, depth + 1)",
    Kind.TIMESTAMP: "timestamp_text({v}.seconds, {v}.nanos)",
    Kind.DURATION: "duration_text({v}.seconds, {v}.nanos)",
    Kind.FIELD_MASK: "mask_text({v}.paths)",
    Kind.STRUCT: "struct_json({v})",
    Kind.VALUE: "value_json({v})",
    Kind.LIST_VALUE: "list_json({v})",
    Kind.ANY: "any_json({v}, depth + 1)",
}

KEY_EXPRESSIONS: Final[dict[Kind, str]] = {
    Kind.STRING: "key",
    Kind.BOOL: '"true" if key else "false"',
    **dict.fromkeys((Kind.INT32, Kind.UINT32, Kind.INT64, Kind.UINT64), "str(key)"),
}


def printer_source(
    descriptor: Descriptor, function: str, refs: References, options: JsonOptions
) -> str:
    """The source of the printer of one message type."""
    if prefers_listing(descriptor):
        return _listing_source(descriptor, function, refs, options)
    lines = ["d = {}"]
    if any(field.has_presence for field in descriptor.fields):
        lines += ["has = m.HasField"]
    lines += _reading_lines(descriptor, refs, options)
    return "\n".join([f"def {function}(m, depth):", *indented([*lines, "return d"])])


def value_printer_source(function: str, value: str) -> str:
    """The source of a printer of values; *value* is an expression over `v`."""
    return f"def {function}(v, depth): return {value}"


def prefers_listing(descriptor: Descriptor) -> bool:
    """Whether `ListFields` is the cheaper or the only way to see all that is set."""
    fields = descriptor.fields
    reading = sum(REPEATED_COST if field.is_repeated else PLAIN_COST for field in fields)
    set_fields = min(len(fields) / 2, USUALLY_SET)
    return descriptor.is_extendable or reading > LISTING_COST + LISTED_COST * set_fields


def printed_name(field: FieldDescriptor, options: JsonOptions) -> str:
    """The key that the field is written under."""
    if field.is_extension:
        return f"[{field.full_name}]"
    return field.json_name if options.names == "json" else field.name


def expression(field: FieldDescriptor, refs: References, options: JsonOptions) -> str:
    """Python for the JSON of the field's value `v`."""
    if is_map(field):
        return _map_expression(field, refs, options)
    if not field.is_repeated:
        return _item(field, refs, options, "v")
    item = _item(field, refs, options, "v")
    return "v[:]" if item == "v" else f"[{item} for v in v]"


def _map_expression(field: FieldDescriptor, refs: References, options: JsonOptions) -> str:
    # A look-up per key is faster than `items()` here. A value that is needed more than once gets
    # a name through an inner `for`.
    key, value = map_entry(field)
    name = KEY_EXPRESSIONS[field_kind(key)]
    item = _item(value, refs, options, "v[key]")
    if item.count("v[key]") < 2:
        return f"{{{name}: {item} for key in v}}"
    item = _item(value, refs, options, "item")
    return f"{{{name}: {item} for key in v for item in (v[key],)}}"


def _item(field: FieldDescriptor, refs: References, options: JsonOptions, value: str) -> str:
    own = refs.form(field, value)
    if own is not None:
        return own
    if field.message_type is not None:
        return message_expression(field.message_type, refs, options, value)
    kind = field_kind(field)
    if kind is Kind.ENUM:
        return value if options.enums_as_numbers else f"{refs.enum(field)}.get({value}, {value})"
    if kind in {Kind.INT64, Kind.UINT64} and options.int64_as_numbers:
        return value
    return EXPRESSIONS[kind].format(v=value)


def message_expression(
    descriptor: Descriptor, refs: References, options: JsonOptions, value: str = "v"
) -> str:
    """Python for the JSON of the message that the variable *value* holds."""
    kind = message_kind(descriptor)
    if kind is Kind.WRAPPER:
        return _item(descriptor.fields_by_name["value"], refs, options, f"{value}.value")
    message = refs.message(descriptor) if kind is Kind.MESSAGE else ""
    return EXPRESSIONS[kind].format(v=value, message=message)


# Field by field


def _reading_lines(descriptor: Descriptor, refs: References, options: JsonOptions) -> list[str]:
    lines: list[str] = []
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is None or len(oneof.fields) < ASK_WHICH:
            lines += _reading(field, refs, options)
        elif field is oneof.fields[0]:
            lines += _asking(oneof, refs, options)
    return lines


def _reading(field: FieldDescriptor, refs: References, options: JsonOptions) -> list[str]:
    value = f"v = {attribute(field)}"
    store = f"d[{printed_name(field, options)!r}] = {expression(field, refs, options)}"
    if field.has_presence:
        lines = [f"if has({field.name!r}):", f"    {value}", f"    {store}"]
        if options.emit_unset and may_be_null(field):
            lines += [f"else: d[{printed_name(field, options)!r}] = None"]
        return lines
    if options.emit_defaults:
        return [value, store]
    return [value, f"if {is_set(field)}: {store}"]


def may_be_null(field: FieldDescriptor) -> bool:
    """Whether null can be written for the field when it is not set.

    Not for members of a oneof, of which all but one would be, and not for optional fields, which
    the protobuf runtimes have as oneofs of one.
    """
    return field.has_presence and field.containing_oneof is None and not field.is_extension


def is_set(field: FieldDescriptor) -> str:
    """Python for whether the value `v` of a field without presence is not its default."""
    floating = field_kind(field) in {Kind.FLOAT, Kind.DOUBLE}
    return "v or minus_zero(v)" if floating and not field.is_repeated else "v"


def _asking(oneof: OneofDescriptor, refs: References, options: JsonOptions) -> list[str]:
    lines = [f"which = m.WhichOneof({oneof.name!r})", "if which is None: pass"]
    for field in oneof.fields:
        store = f"d[{printed_name(field, options)!r}] = {expression(field, refs, options)}"
        lines += [f"elif which == {field.name!r}:", f"    v = {attribute(field)}", f"    {store}"]
    return lines


# Through ListFields


def _listing_source(
    descriptor: Descriptor, function: str, refs: References, options: JsonOptions
) -> str:
    fields = list(descriptor.fields)
    printers = {field: f"{function}_{field.number}" for field in fields}
    table = [
        f"    {field.number}: ({printed_name(field, options)!r}, {name}),"
        for field, name in printers.items()
    ]
    lines = [
        f"d = {_defaults(fields, options)}",
        "for f, v in m.ListFields():",
        f"    entry = {function}_table.get(f.number) or extension(f)",
        "    d[entry[0]] = entry[1](v, depth)",
        "return d",
    ]
    return "\n".join(
        [
            *(
                value_printer_source(name, expression(field, refs, options))
                for field, name in printers.items()
            ),
            f"{function}_table = {{",
            *table,
            "}",
            f"def {function}(m, depth):",
            *indented(lines),
        ]
    )


def _defaults(fields: list[FieldDescriptor], options: JsonOptions) -> str:
    pairs = (
        f"{printed_name(field, options)!r}: {_default(field, options)}"
        for field in fields
        if (options.emit_unset and may_be_null(field))
        or (options.emit_defaults and not field.has_presence)
    )
    return "{" + ", ".join(pairs) + "}"


def _default(field: FieldDescriptor, options: JsonOptions) -> str:
    """Python for the JSON of the default value of a field, null when it has presence."""
    if field.has_presence:
        return "None"
    if field.is_repeated:
        return "{}" if is_map(field) else "[]"
    kind = field_kind(field)
    if kind is Kind.ENUM and not options.enums_as_numbers:
        return repr(enum_type(field).values_by_number[0].name)
    quoted = kind in {Kind.INT64, Kind.UINT64} and not options.int64_as_numbers
    return {Kind.BYTES: "''", Kind.NULL: "None"}.get(kind) or repr(
        str(field.default_value) if quoted else field.default_value
    )
