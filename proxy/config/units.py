"""Durations and sizes: text with a unit to a number in range, and back.

A bare number is refused everywhere: `timeout: 15` is a wrong guess for half of its readers.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS: Final[dict[str, float]] = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE: Final = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)")
_BYTES: Final[dict[str, int]] = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}

#: The word for "no limit of this kind", where one is allowed.
OFF: Final = "off"


def parse_duration(text: str) -> float:
    """Seconds of a duration. Raises ValueError.

    >>> parse_duration("250ms"), parse_duration("1.5m")
    (0.25, 90.0)
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text}")
    return float(match[1]) * _SECONDS[match[2]]


def duration_text(seconds: float) -> str:
    """The shortest duration text for *seconds*, whole in its unit where there is such a unit.

    >>> duration_text(15.0), duration_text(0.25), duration_text(60.0), duration_text(0.0)
    ('15s', '250ms', '1m', '0s')
    """
    if not seconds:
        return "0s"
    for unit, length in _SECONDS.items():
        if seconds >= length and not seconds % length:
            return f"{seconds / length:g}{unit}"
    return f"{seconds * 1000:g}ms"


def parse_size(text: str) -> int:
    """Bytes of a size. Raises ValueError.

    >>> parse_size("64KiB")
    65536
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a size: {text}")
    return int(match[1]) * _BYTES[match[2]]


def size_text(count: int) -> str:
    """The shortest exact text for *count* bytes.

    >>> size_text(4194304), size_text(1000), size_text(0)
    ('4MiB', '1000B', '0B')
    """
    units = (unit for unit, length in _BYTES.items() if count >= length and not count % length)
    unit = next(units, "B")
    return f"{count // _BYTES[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of quantity: its name and example for people, its text form for editors."""

    name: str
    example: str
    pattern: str
    parse: Callable[[str], float]
    text: Callable[[Any], str]


DURATION: Final = Kind(
    "duration", "15s, 250ms or 1m", _DURATION.pattern, parse_duration, duration_text
)
SIZE: Final = Kind("size", "512B, 64KiB or 4MiB", _SIZE.pattern, parse_size, size_text)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A field annotation: text with a unit, from *minimum* to *maximum*, stored as a number.

    The number is in seconds or bytes. With *can_be_off* the word `off` is allowed and gives None.
    """

    kind: Kind
    minimum: str
    maximum: str
    can_be_off: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        pattern = f"{self.kind.pattern}|{OFF}" if self.can_be_off else self.kind.pattern
        return {"type": "string", "pattern": f"^(?:{pattern})$"}

    def validate(self, value: object) -> float | None:
        """The number of the text *value*; pydantic turns the errors into its own."""
        if self.can_be_off and value == OFF:
            return None
        try:
            number = self.kind.parse(value if isinstance(value, str) else "")
        except ValueError:
            raise self._form_error() from None
        if not self.kind.parse(self.minimum) <= number <= self.kind.parse(self.maximum):
            raise PydanticCustomError(
                "quantity_range",
                "must be from {minimum} to {maximum}",
                {"minimum": self.minimum, "maximum": self.maximum},
            )
        return number

    def text(self, value: float | None) -> str:
        """The text of a number as it would be written in a file."""
        return OFF if value is None else self.kind.text(value)

    def _form_error(self) -> PydanticCustomError:
        example = f"{self.kind.example}, or {OFF}" if self.can_be_off else self.kind.example
        return PydanticCustomError(
            "quantity_form",
            "must be a {kind} with its unit, such as {example}",
            {"kind": self.kind.name, "example": example},
        )
