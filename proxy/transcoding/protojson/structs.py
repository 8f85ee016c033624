"""Struct, Value and ListValue on the fast path: decoded JSON to messages, and messages to JSON.

Belongs here: the three types whose JSON is any JSON, and the error that leaves the fast path.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from proxy.transcoding.protojson.options import SURELY_READABLE, JsonOptions


class Unexpected(ValueError):
    """The fast path met something that is for the strict path to judge."""


class StructParser:
    """Puts decoded JSON into messages of the three types.

    Every method takes the depth that a container in place of the value has, and returns the
    number of strings that it met, keys included.
    """

    def __init__(self, options: JsonOptions) -> None:
        # Beyond, the strict path finds out whether the messages can still be parsed.
        self._max_depth = min(options.max_depth, SURELY_READABLE)
        self._max_keys = options.max_object_keys

    def struct(self, value: Any, message: Any, depth: int) -> int:
        """Fill a `Struct` from a dictionary."""
        if type(value) is not dict or depth > self._max_depth or len(value) > self._max_keys:
            raise Unexpected
        strings = len(value)
        fields = message.fields
        for key, member in value.items():
            strings += self.value(member, fields[key], depth + 1)
        return strings

    def list_value(self, value: Any, message: Any, depth: int) -> int:
        """Fill a `ListValue` from a list."""
        if type(value) is not list or depth > self._max_depth:
            raise Unexpected
        add = message.values.add
        return sum([self.value(item, add(), depth + 1) for item in value])

    def value(self, value: Any, message: Any, depth: int) -> int:
        """Fill a `Value` from any JSON."""
        kind = type(value)
        if kind is str:
            message.string_value = value
            return 1
        if kind is dict:
            return self.struct(value, _present(message.struct_value), depth)
        if kind is list:
            return self.list_value(value, _present(message.list_value), depth)
        if value is None:
            message.null_value = 0
        else:
            setattr(message, SCALAR_FIELDS[kind], value)
        return 0


def _present(message: Any) -> Any:
    message.SetInParent()
    return message


SCALAR_FIELDS: Final = {int: "number_value", float: "number_value", bool: "bool_value"}


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
