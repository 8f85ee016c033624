"""The base of every section of the configuration, and what sections are made of.

Belongs here: what sections share. Does not: any section.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from proxy.config.units import OFF


class Section(BaseModel):
    """A mapping of the configuration: frozen, strict about types, closed to other keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class OrOff:
    """A field annotation: a section, or the word `off`, which gives None."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_section_or_off, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        choices = handler(schema)["anyOf"]
        return {"anyOf": [c for c in choices if c != {"type": "null"}] + [{"const": OFF}]}


def _section_or_off(value: object, handler: Callable[[object], Any]) -> Any:
    if value == OFF:
        return None
    if not isinstance(value, dict | Section):
        raise PydanticCustomError("section_or_off", "must be a mapping of keys, or off")
    return handler(value)


def _without_repeats(items: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = next((item for i, item in enumerate(items) if item in items[:i]), None)
    if repeated is not None:
        raise PydanticCustomError("repeated", "must not list {item} twice", {"item": str(repeated)})
    return items


def _some_entry(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise PydanticCustomError("no_entry", "must have at least one entry")
    return items


NonEmpty = Annotated[str, Field(min_length=1)]
#: Lists without repetition; lists with an entry.
Distinct = AfterValidator(_without_repeats)
SomeEntry = AfterValidator(_some_entry)
