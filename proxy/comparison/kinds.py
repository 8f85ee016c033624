"""The kinds of difference between two answers, and what to do about each.

A kind says what is unequal, not how bad that is: which kinds block a cutover is each gate's to
say. The names are stable: they are metric labels, configuration words and report fields.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """What is unequal. Legacy is what clients know; *missing* and *extra* are seen from there."""

    STATUS_CODE = "status_code"
    STATUS_CLASS = "status_class"
    HEADER = "header"
    CONTENT_TYPE = "content_type"
    MISSING_FIELD = "missing_field"
    EXTRA_FIELD = "extra_field"
    NULL_VS_ABSENT = "null_vs_absent"
    DEFAULT_VS_ABSENT = "default_vs_absent"
    TYPE = "type"
    INT64_STRING = "int64_string"
    NUMBER_REPR = "number_repr"
    ENUM_REPR = "enum_repr"
    BYTES_ENCODING = "bytes_encoding"
    TIMESTAMP_FORMAT = "timestamp_format"
    KEY_CASE = "key_case"
    LIST_LENGTH = "list_length"
    LIST_ORDER = "list_order"
    VALUE = "value"
    ERROR_BODY = "error_body"
    EMPTY_VS_BODY = "empty_vs_body"
    UNPARSABLE = "unparsable"


#: One line for each kind: which setting or change ends it.
HINTS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.STATUS_CODE: "map the gRPC code to the status that legacy gives",
        Kind.STATUS_CLASS: "one side refuses what the other accepts: mend the server",
        Kind.HEADER: "pass the metadata on with response_metadata, or leave it out of the list",
        Kind.CONTENT_TYPE: "answer with the media type that legacy has",
        Kind.MISSING_FIELD: "fill the field in the gRPC server, or add it to the message",
        Kind.EXTRA_FIELD: "clients will see a new field; leave it out if they are strict",
        Kind.NULL_VS_ABSENT: "set unset in the shape: one side writes null, and the other nothing",
        Kind.DEFAULT_VS_ABSENT: "set emit_defaults: true, or zero in the shape",
        Kind.TYPE: "the JSON type changed: give the field the type that clients know",
        Kind.INT64_STRING: "set int64_as_numbers: true, or int64 in the shape",
        Kind.NUMBER_REPR: "the same number, written otherwise: harmless to JSON parsers",
        Kind.ENUM_REPR: "set enums_as_numbers, or enum in the shape, as legacy has it",
        Kind.BYTES_ENCODING: "set bytes in the shape as legacy has it; ProtoJSON has base64",
        Kind.TIMESTAMP_FORMAT: "set timestamp or duration in the shape as legacy has it",
        Kind.KEY_CASE: "set names: proto, names in the shape, or json_name in the proto",
        Kind.LIST_LENGTH: "one side has more elements: look at filters, pages and limits",
        Kind.LIST_ORDER: "sort alike, or compare with use: set or use: list",
        Kind.VALUE: "the values differ: mend the server or its data",
        Kind.ERROR_BODY: "errors look otherwise; clients that read them will notice",
        Kind.EMPTY_VS_BODY: "one side has a body and the other none",
        Kind.UNPARSABLE: "a body is not the JSON that its content type promises",
    }
)

#: Where paths of what clients send begin: there the other side is the message, and no server.
_OF_REQUESTS: Final = "request:"
_LOST: Final = "the message has no such member: add it, or ignore it by a rule or unknown_fields"
_CHANGED: Final = "the message cannot hold it as clients send it: look at the type of the field"


def hint(path: str, kind: Kind) -> str:
    """One line that says which setting or change ends a difference of *kind* at *path*.

    >>> hint("request:?utm_source", Kind.MISSING_FIELD)
    'the message has no such member: add it, or ignore it by a rule or unknown_fields'
    >>> hint("$.total", Kind.INT64_STRING)
    'set int64_as_numbers: true, or int64 in the shape'
    """
    if path.startswith(_OF_REQUESTS) and kind is not Kind.UNPARSABLE:
        return _LOST if kind is Kind.MISSING_FIELD else _CHANGED
    return HINTS[kind]
