"""The keys of a shape about the JSON of messages: names, forms and places of fields, envelopes.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, Section, SomeEntry
from proxy.shape.forms_patterns import moment_format
from proxy.shape.forms_times import WORDS
from proxy.shape.holes import Document

CaseNames = Literal["json", "proto", "snake", "camel", "pascal", "kebab"]
Scalar = str | int | float | bool | None

_TYPE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def _null_word(value: object) -> object:
    """YAML reads the word `null` as no value at all."""
    return "null" if value is None else value


def _type_name(selector: str) -> str:
    if not _TYPE.fullmatch(selector):
        raise PydanticCustomError("type_name", "must name a type, such as Record or dns.v1.Record")
    return selector


def _field_name(selector: str) -> str:
    if not _TYPE.fullmatch(selector) or "." not in selector:
        message = "must name a field of a type, such as Record.create_time"
        raise PydanticCustomError("field_name", message)
    return selector


def _document(value: Any) -> Any:
    """The document as written, when it can be read."""
    try:
        Document.parse(value)
    except ValueError as error:
        raise PydanticCustomError("document", "{error}", {"error": str(error)}) from None
    return value


def _moments(value: str) -> str:
    """A word for timestamps, or a pattern of them."""
    if value not in WORDS and "%" not in value:
        words = ", ".join(WORDS)
        message = f"must be one of {words}, or a pattern such as %Y-%m-%d %H:%M:%S"
        raise PydanticCustomError("timestamp_form", message)
    if "%" in value:
        _time(value, "UTC")
    return value


def _zone(value: str) -> str:
    _time("%Y", value)
    return value


def _time(pattern: str, zone: str) -> None:
    try:
        moment_format(pattern, zone)
    except ValueError as error:
        raise PydanticCustomError("moment", "{error}", {"error": str(error)}) from None


def _bool_form(value: object) -> object:
    if isinstance(value, tuple) and len(value) == 2:
        if type(value[0]) is type(value[1]) and value[0] == value[1]:
            raise PydanticCustomError("bool_pair", "must be two values that differ")
    elif value not in ("json", "number", "text"):
        message = "must be json, number, text, or the values for true and false"
        raise PydanticCustomError("bool_form", message)
    return value


TypeName = Annotated[str, AfterValidator(_type_name)]
FieldName = Annotated[str, AfterValidator(_field_name)]
AbsentWord = Annotated[Literal["omit", "null", "write"] | None, BeforeValidator(_null_word)]


class UnsetAs(Section):
    """A value for what is not set."""

    value: Scalar = Field(
        alias="as", description="The value that is written.", examples=["0000-00-00"]
    )


class FormKeys(Section):
    """How values are written, by their kind."""

    int64: Literal["text", "number"] | None = Field(
        default=None,
        description=(
            "64-bit integers: `text`, or `number`, which JavaScript reads wrong beyond 2^53. "
            "Without it as the option `int64_as_numbers` of the route says."
        ),
        examples=["number"],
    )
    int32: Literal["text", "number"] | None = Field(
        default=None, description="32-bit integers, else `number`.", examples=["text"]
    )
    floating: Literal["text", "number"] | None = Field(
        default=None, alias="float", description="Floats, else `number`.", examples=["text"]
    )
    boolean: Annotated[
        Literal["json", "number", "text"] | tuple[Scalar, Scalar] | None,
        BeforeValidator(_bool_form),
    ] = Field(
        default=None,
        alias="bool",
        description=(
            "Bools: `json`, `number` for 1 and 0, `text`, or the two values for true and false."
        ),
        examples=[["Y", "N"]],
    )
    binary: Literal["base64", "base64url", "base64url_unpadded", "hex"] | None = Field(
        default=None, alias="bytes", description="Bytes, else `base64`.", examples=["hex"]
    )
    enum: Literal["name", "number", "lower", "upper", "kebab", "camel"] | None = Field(
        default=None,
        description=(
            "Enums: their `name` or `number`, or the name in another case. Values of `enums` go "
            "before it. Without it as the option `enums_as_numbers` of the route says."
        ),
        examples=["lower"],
    )
    enum_prefix: Literal["keep", "strip"] | None = Field(
        default=None,
        description="`strip`: names of enum values lose the enum's own name in front.",
        examples=["strip"],
    )
    timestamp: Annotated[str, AfterValidator(_moments)] | None = Field(
        default=None,
        description=(
            "Timestamps: `rfc3339`, with as many digits as it needs, or `rfc3339_s`, `_ms`, `_us`, "
            "`_ns` with that many; `rfc1123`; `epoch_s`, `_ms`, `_us`, `_ns`, a number; or a "
            "pattern."
        ),
        examples=["epoch_ms"],
    )
    time_zone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None,
        description="Time zone of timestamps that are texts, else UTC.",
        examples=["Europe/Berlin"],
    )
    duration: Literal["proto", "seconds", "milliseconds", "iso8601"] | None = Field(
        default=None,
        description="Durations, else `proto` (`1.5s`); `seconds` and `milliseconds` are numbers.",
        examples=["seconds"],
    )
    separator: str | None = Field(
        default=None,
        max_length=3,
        description='Lists of scalars are one text, with this between the values; `""`: lists.',
        examples=[","],
    )
    unset: Annotated[
        Literal["omit", "null", "write"] | UnsetAs | None, BeforeValidator(_null_word)
    ] = Field(
        default=None,
        description=(
            "Fields with presence that are not set: `omit`, `null`, `write` their default, or a "
            "value `as` given."
        ),
        examples=["null"],
    )
    zero: AbsentWord = Field(
        default=None,
        description=(
            "Numbers, bools, enums and bytes without presence that are zero, else as the option "
            "`emit_defaults` of the route says."
        ),
        examples=["write"],
    )
    empty_list: AbsentWord = Field(
        default=None, description="Lists that are empty, else as `zero` has it.", examples=["write"]
    )
    empty_map: AbsentWord = Field(
        default=None, description="Maps that are empty, else as `zero` has it.", examples=["write"]
    )
    empty_text: AbsentWord = Field(
        default=None,
        description="Texts without presence that are empty, else as `zero` has it.",
        examples=["null"],
    )


class FieldKeys(FormKeys):
    """What is asked of one field, the form of its value included."""

    name: NonEmpty | None = Field(
        default=None, description="Its key in legacy JSON.", examples=["created_on"]
    )
    also: Annotated[tuple[NonEmpty, ...], Distinct] = Field(
        default=(),
        description="Other keys that requests may have for it.",
        examples=[["creation_date"]],
    )
    drop: bool = Field(
        default=False, description="Answers lack it, to requests it is unknown.", examples=[True]
    )
    flatten: bool | str = Field(
        default=False,
        description=(
            "The members of this message stand in the object around it, their keys behind the "
            "prefix that is given, if any."
        ),
        examples=["mx_"],
    )

    @model_validator(mode="after")
    def _one_fate(self) -> "FieldKeys":
        given = self.model_fields_set - {"drop"}
        if self.drop and given:
            message = f"has drop beside {min(given)}, which a field that is dropped has no use for"
            raise PydanticCustomError("dropped", message)
        if self.flatten is not False and (self.name or self.also):
            raise PydanticCustomError("flattened", "has flatten beside name or also: it has no key")
        return self


class Wrapping(Section):
    """What stands around a message."""

    body: Annotated[Any, AfterValidator(_document)] = Field(
        default="{}",
        description=(
            'A document. `"{}"` in it is the message, `"{total_size}"` a field of it by its proto '
            "path; a text with more in it than a hole stays a text. `{{` and `}}` are braces."
        ),
        examples=[{"success": True, "result": "{}"}],
    )
    of: NonEmpty | None = Field(
        default=None,
        description="Proto name of the field that stands in place of `{}`, instead of all.",
        examples=["records"],
    )


class AnswerWrapping(Wrapping):
    """What stands around the message of an answer."""

    each: bool = Field(
        default=False,
        description="Of a stream: around each message. Without it they stand alone.",
        examples=[True],
    )


class ShapeValues(Section):
    """Keys about the JSON of messages."""

    names: CaseNames | None = Field(
        default=None,
        description="The case of field names; without it as the option `names` of the route says.",
        examples=["snake"],
    )
    forms: FormKeys = Field(
        default=FormKeys(),
        description="How values are written, by their kind; a field's own form goes before.",
        examples=[{"int64": "number", "timestamp": "epoch_ms"}],
    )
    fields_: Mapping[FieldName, FieldKeys] = Field(
        default={},
        alias="fields",
        description="What is asked of single fields, wherever messages of their type stand.",
        examples=[{"Record.create_time": {"name": "created_on"}}],
    )
    enums: Mapping[TypeName, Annotated[Mapping[str, Scalar], Field(min_length=1)]] = Field(
        default={},
        description="Legacy values of the names of an enum; other names are as `enum` has it.",
        examples=[{"Record.Type": {"TYPE_UNSPECIFIED": "ANY"}}],
    )
    nest: Mapping[
        TypeName, Mapping[NonEmpty, Annotated[tuple[NonEmpty, ...], Distinct, SomeEntry]]
    ] = Field(
        default={},
        description="Fields of a type, by proto name, that stand in an object of their own.",
        examples=[{"Record": {"meta": ["create_time", "update_time"]}}],
    )
    add: Mapping[TypeName, Mapping[NonEmpty, Annotated[Any, AfterValidator(_document)]]] = Field(
        default={},
        description=(
            "Members that answers have beside the fields of a type: documents, whose holes are its "
            "fields. Requests may have them; nothing is read from them."
        ),
        examples=[{"Record": {"href": "/v4/{name}"}}],
    )
    lossy: Annotated[tuple[NonEmpty, ...], Distinct] = Field(
        default=(),
        description=(
            "Kinds, such as `timestamp`, and fields whose form may lose a part of the value. "
            "Without it a form that does is refused."
        ),
        examples=[["timestamp", "Record.create_time"]],
    )
    answer: AnswerWrapping | None = Field(
        default=None,
        description="What stands around the message of an answer.",
        examples=[{"body": {"success": True, "result": "{}"}}],
    )
    request: Wrapping | None = Field(
        default=None,
        description="What stands around the message in the body of a request.",
        examples=[{"body": {"data": "{}"}}],
    )
