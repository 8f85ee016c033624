"""Struct, Value and ListValue on the fast path: decoded JSON to messages, and messages to JSON.

Belongs here: the three types whose JSON is any JSON. The message classes are those of one pool,
so there is one `StructParser` per pool; printing needs no class.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from proxy.transcoding.protojson.options import JsonOptions


class Unexpected(ValueError):
    """The fast path met something that is for the strict path to judge."""


class StructParser:
    """Turns decoded JSON into constructor arguments.

    A `Struct` becomes a message, since the constructor of its parent takes a dictionary for
    native values; a `Value` and a `ListValue` become dictionaries of their fields. Every method
    takes the depth that a container would have, and returns the number of strings with its
    result, keys included.
    """

    def __init__(self, pool: DescriptorPool, options: JsonOptions) -> None:
        self._pool = pool
        self._max_depth = options.max_depth
        self._max_keys = options.max_object_keys

    @cached_property
    def _struct(self) -> Callable[..., Any]:
        # On first need: a pool without Struct has no field that would ask for it.
        return GetMessageClass(self._pool.FindMessageTypeByName("google.protobuf.Struct"))

    def struct(self, value: Any, depth: int) -> tuple[Any, int]:
        """A `Struct` from a dictionary."""
        if type(value) is not dict or depth > self._max_depth or len(value) > self._max_keys:
            raise Unexpected
        strings = len(value)
        fields = {}
        for key, member in value.items():
            fields[key], inner = self.value(member, depth + 1)
            strings += inner
        return self._struct(fields=fields), strings

    def list_value(self, value: Any, depth: int) -> tuple[dict[str, Any], int]:
        """A `ListValue` from a list."""
        if type(value) is not list or depth > self._max_depth:
            raise Unexpected
        strings = 0
        values = []
        for item in value:
            fields, inner = self.value(item, depth + 1)
            values.append(fields)
            strings += inner
        return {"values": values}, strings

    def value(self, value: Any, depth: int) -> tuple[dict[str, Any], int]:
        """A `Value` from any JSON."""
        kind = type(value)
        if kind is str:
            return {"string_value": value}, 1
        if kind is dict:
            struct, strings = self.struct(value, depth)
            return {"struct_value": struct}, strings
        if kind is list:
            items, strings = self.list_value(value, depth)
            return {"list_value": items}, strings
        return {SCALAR_FIELDS[kind]: 0 if value is None else value}, 0


SCALAR_FIELDS: Final = {
    int: "number_value",
    float: "number_value",
    bool: "bool_value",
    type(None): "null_value",
}


def struct_json(message: Any) -> dict[str, Any]:
    """A `Struct` as a dictionary."""
    fields = message.fields
    return {key: value_json(fields[key]) for key in fields}


def list_json(message: Any) -> list[Any]:
    """A `ListValue` as a list."""
    return [value_json(value) for value in message.values]


def value_json(message: Any) -> Any:
    """A `Value` as what it holds. Raises `ValueError` when it holds nothing or no JSON number."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise ValueError("a Value holds nothing")
    return VALUE_PRINTERS[kind](message)


def _number_json(message: Any) -> float:
    number: float = message.number_value
    if not math.isfinite(number):
        raise ValueError("a Value holds a number that JSON does not have")
    return number


VALUE_PRINTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "null_value": lambda _: None,
    "number_value": _number_json,
    "string_value": lambda message: message.string_value,
    "bool_value": lambda message: message.bool_value,
    "struct_value": lambda message: struct_json(message.struct_value),
    "list_value": lambda message: list_json(message.list_value),
}
