"""Percentages, shares, numbers in a range and days: scalars of a file to values, and back.

Belongs here: scalars that carry no unit. Those that do are in `units`.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeGuard

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from proxy.config.units import OFF
from proxy.cutover.percent import POINTS_PER_PERCENT, WHOLE

#: The errors of values that are text where a number should stand: text from the environment is
#: read again as a number after one of them.
NUMBER_WANTED: Final = frozenset({"number_type", "percent_type"})

_SHARE: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%")


def parse_percent(percent: float) -> int:
    """Basis points of a percentage, exactly. Raises ValueError for finer steps than 0.01.

    Reckoned in decimal, as the number was written: 0.07 times 100 is not 7 in binary.

    >>> parse_percent(0.07), parse_percent(5), parse_percent(33.33)
    (7, 500, 3333)
    """
    points = Decimal(repr(percent)) * POINTS_PER_PERCENT
    if points != points.to_integral_value():
        raise ValueError(f"not a step of 0.01: {percent}")
    return int(points)


def number_text(value: float) -> str:
    """The text of a number as one would write it.

    >>> number_text(1e9), number_text(0.2)
    ('1000000000', '0.2')
    """
    return f"{value:.12g}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Scalar(ABC):
    """A field annotation whose `validate` makes the field's value of a file's."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return self.json_schema()

    @abstractmethod
    def validate(self, value: object) -> object:
        """The field's value of a file's; pydantic turns the errors into its own."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """What editors are told of the value in a file."""


@dataclass(frozen=True, slots=True)
class Percent(_Scalar):
    """A percentage from 0 to 100 in steps of 0.01, stored in whole basis points."""

    def validate(self, value: object) -> int:
        """The basis points of the number *value*."""
        if not _is_number(value):
            raise PydanticCustomError("percent_type", "must be a percentage such as 5 or 0.25")
        if not 0 <= value <= WHOLE // POINTS_PER_PERCENT:
            raise PydanticCustomError("percent_range", "must be from 0 to 100")
        try:
            return parse_percent(value)
        except ValueError:
            raise PydanticCustomError("percent_step", "must be a step of 0.01") from None

    def json_schema(self) -> dict[str, Any]:
        """A number in range."""
        return {"type": "number", "minimum": 0, "maximum": WHOLE // POINTS_PER_PERCENT}


@dataclass(frozen=True, slots=True)
class Number(_Scalar):
    """A number from *minimum* to *maximum*. With *can_be_off*, the word `off` gives None."""

    minimum: float
    maximum: float
    can_be_off: bool = False

    def validate(self, value: object) -> float | None:
        """The number *value* as a float."""
        if self.can_be_off and value == OFF:
            return None
        if not _is_number(value):
            what = f"a number, or {OFF}" if self.can_be_off else "a number"
            raise PydanticCustomError("number_type", "must be {what}", {"what": what})
        if not self.minimum <= value <= self.maximum:
            ends = {"minimum": number_text(self.minimum), "maximum": number_text(self.maximum)}
            raise PydanticCustomError("number_range", "must be from {minimum} to {maximum}", ends)
        return float(value)

    def json_schema(self) -> dict[str, Any]:
        """A number in range, or the word."""
        number = {"type": "number", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [number, {"const": OFF}]} if self.can_be_off else number

    def text(self, value: float | None) -> str:
        """The text of a number as it would be written in a file."""
        return OFF if value is None else number_text(value)


def share_text(value: float) -> str:
    """The text of a share as one would write it.

    >>> share_text(0.001), share_text(0.95)
    ('0.1%', '95%')
    """
    return f"{number_text(value * 100)}%"


@dataclass(frozen=True, slots=True)
class Share(_Scalar):
    """A share from *minimum* to *maximum*, a number of at most 1 or a percentage with its sign.

    A bare number above 1 is out of range, so that nobody's 5 is taken for five hundred percent. One
    above *bare* is refused too: where shares are small, 0.1 may well stand for 0.1 %.
    """

    minimum: float
    maximum: float
    bare: float = 1.0

    def validate(self, value: object) -> float:
        """The share that the number or the text *value* says."""
        bare = True
        if isinstance(value, str) and (match := _SHARE.fullmatch(value)):
            # In decimal, as it was written: 0.07 / 100 is not 0.0007 in binary.
            value, bare = float(Decimal(match[1]) / 100), False
        if not _is_number(value):
            raise PydanticCustomError("number_type", "must be a share such as 0.1% or 0.001")
        if not self.minimum <= value <= self.maximum:
            ends = {"minimum": share_text(self.minimum), "maximum": share_text(self.maximum)}
            raise PydanticCustomError("share_range", "must be from {minimum} to {maximum}", ends)
        if bare and value > self.bare:
            either = {"less": f"{value:g}%", "more": f"{100 * value:g}%"}
            raise PydanticCustomError("share_sign", "must say {less} or {more}", either)
        return float(value)

    def json_schema(self) -> dict[str, Any]:
        """A number in range, or a text with a percent sign."""
        most = min(self.maximum, self.bare)
        number = {"type": "number", "minimum": self.minimum, "maximum": most}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_SHARE.pattern}$"}]}

    def text(self, value: float) -> str:
        """The text of a share as it would be written in a file."""
        return share_text(value)


@dataclass(frozen=True, slots=True)
class Day(_Scalar):
    """A day of the calendar, `2026-12-01`, stored as a date."""

    def validate(self, value: object) -> date:
        """The date of the text *value*: ten characters, since ISO 8601 has more forms."""
        try:
            day = date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            day = None
        if day is None or day.isoformat() != value:
            raise PydanticCustomError("day", "must be a day such as 2026-12-01")
        return day

    def json_schema(self) -> dict[str, Any]:
        """A text with a date."""
        return {"type": "string", "format": "date"}
