"""The keys of a shape about the bodies of errors.

Belongs here: the keys, each checked by itself. Does not: what they have to do with one another,
which shows when profiles and routes are put together (`shape_error_checks`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import NonEmpty, Section
from proxy.config.error_dialect import CodeName, ErrorStatus
from proxy.config.naming import did_you_mean
from proxy.shape.errors.template import LISTS, OF_BODIES, is_value
from proxy.shape.holes import Document, Text

#: A media type with parameters, if any (RFC 9110 §8.3.1).
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:; *[\w.-]+=[\w.-]+)*", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{3}")

#: What holes of elements of lists may name.
_IN_ELEMENTS: Final = OF_BODIES - LISTS


def _body(value: Any) -> Document:
    return _document(value, lambda name: is_value(name) or name in LISTS, OF_BODIES)


def _element(value: Any) -> Document:
    return _document(value, is_value, _IN_ELEMENTS)


def _document(value: Any, is_known: Callable[[str], bool], known: frozenset[str]) -> Document:
    try:
        orjson.dumps(value)
        document = Document.parse(value)
    except (TypeError, ValueError) as error:
        raise PydanticCustomError("document", "{error}", {"error": str(error)}) from None
    for name in document.names:
        if not is_known(name):
            raise _unknown(name, known)
    return document


def _message(text: Any) -> Text:
    if not isinstance(text, str):
        raise PydanticCustomError("message_text", "must be text")
    try:
        message = Text.parse(text)
    except ValueError as error:
        raise PydanticCustomError("document", "{error}", {"error": str(error)}) from None
    for name in message.names:
        if not is_value(name):
            raise _unknown(name, _IN_ELEMENTS)
    return message


def _unknown(name: str, known: frozenset[str]) -> PydanticCustomError:
    text = "has a hole {hole} that no error fills{guess}"
    given = {"hole": f"{{{name}}}", "guess": did_you_mean(name, sorted(known))}
    return PydanticCustomError("unknown_hole", text, given)


def _http_status(key: str) -> str:
    """A key that is an HTTP status. It stays the text that keys of files are."""
    if not _DIGITS.fullmatch(key) or not 400 <= int(key) <= 599:
        raise PydanticCustomError("http_key", "must be an HTTP status of errors, 400 to 599")
    return key


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise PydanticCustomError("media_type", "must be a media type such as application/json")
    return text


HttpKey = Annotated[str, AfterValidator(_http_status)]
LegacyCode = Annotated[int, Field(ge=-(2**63), lt=2**63)] | str
Message = Annotated[Any, AfterValidator(_message)]


class _Table(Section):
    """Values by what an error is."""

    @model_validator(mode="after")
    def _says_something(self) -> "_Table":
        if not any(getattr(self, key) not in ({}, None) for key in self.model_fields_set):
            raise PydanticCustomError("empty_table", "must have an entry")
        return self


class ErrorCodes(_Table):
    """Old codes of errors; the first that fits counts, `reasons` first, `default` last."""

    reasons: Mapping[NonEmpty, LegacyCode] = Field(
        default={},
        description="By the reason in the error's `google.rpc.ErrorInfo`.",
        examples=[{"RECORD_EXISTS": 81057}],
    )
    http: Mapping[HttpKey, LegacyCode] = Field(
        default={},
        description="By the HTTP status, as it is before `status`.",
        examples=[{"413": 10013}],
    )
    names: Mapping[CodeName, LegacyCode] = Field(
        default={},
        description=(
            "By the name of the code, where the HTTP status is the code's own: not for what the "
            "proxy says of paths, HTTP methods and sizes."
        ),
        examples=[{"NOT_FOUND": 1001}],
    )
    default: LegacyCode | None = Field(
        default=None, description="Of all other errors; without it null.", examples=[1000]
    )


class ErrorStatuses(_Table):
    """HTTP statuses of errors; the first that fits counts, `reasons` first."""

    reasons: Mapping[NonEmpty, ErrorStatus] = Field(
        default={}, description="By the reason.", examples=[{"RECORD_EXISTS": 400}]
    )
    http: Mapping[HttpKey, ErrorStatus] = Field(
        default={}, description="By the HTTP status there would be.", examples=[{"405": 404}]
    )
    names: Mapping[CodeName, ErrorStatus] = Field(
        default={},
        description="By the name of the code, as `names` of `codes`; before `error_status`.",
        examples=[{"NOT_FOUND": 410}],
    )


class ErrorMessages(_Table):
    """Messages of errors, in which holes may stand; the first that fits counts."""

    reasons: Mapping[NonEmpty, Message] = Field(
        default={},
        description="By the reason.",
        examples=[{"RECORD_EXISTS": "{metadata.name} exists already"}],
    )
    http: Mapping[HttpKey, Message] = Field(
        default={}, description="By the HTTP status.", examples=[{"413": "too much"}]
    )
    names: Mapping[CodeName, Message] = Field(
        default={},
        description="By the name of the code, as `names` of `codes`.",
        examples=[{"NOT_FOUND": "no such thing"}],
    )


class ErrorKeys(Section):
    """The errors of old clients: a body of their own, old codes, other statuses and messages."""

    body: Annotated[Any, AfterValidator(_body)] | None = Field(
        default=None,
        description=(
            "A document, in place of `error_format`. Its holes: `code`, `name`, `message`, "
            "`http_status`, `title`, `legacy_code`, `reason`, `domain`, `metadata`, "
            "`metadata.KEY`, `details`, `violations`, `errors`, `trace_id`, `request_id`, `path`, "
            "and of the first violation `field`, by its legacy path, and `description`."
        ),
        examples=[{"success": False, "errors": "{errors}", "result": None}],
    )
    content_type: Annotated[str, AfterValidator(_media_type)] | None = Field(
        default=None,
        description="Content type of `body`, else `application/json`.",
        examples=["application/vnd.acme+json"],
    )
    violation: Annotated[Any, AfterValidator(_element)] | None = Field(
        default=None,
        description=(
            "What each of `{violations}` is: a document with the holes of `body`, lists aside, of "
            "which `field` and `description` are its own. Without it these two."
        ),
        examples=[{"path": "{field}", "text": "{description}"}],
    )
    error: Annotated[Any, AfterValidator(_element)] | None = Field(
        default=None,
        description=(
            "What each of `{errors}` is, with the holes of `violation`: there is one for each "
            "violation, or one for the whole, without a field, where there is none."
        ),
        examples=[{"code": "{legacy_code}", "message": "{description}"}],
    )
    codes: ErrorCodes | None = Field(
        default=None,
        description="What `{legacy_code}` is.",
        examples=[{"reasons": {"RECORD_EXISTS": 81057}, "default": 1000}],
    )
    status: ErrorStatuses | None = Field(
        default=None,
        description="HTTP statuses other than those of google.rpc.",
        examples=[{"names": {"NOT_FOUND": 410}}],
    )
    messages: ErrorMessages | None = Field(
        default=None,
        description="Messages in place of those that errors have.",
        examples=[{"names": {"NOT_FOUND": "no such thing"}}],
    )


class ShapeErrors(Section):
    """Keys about the bodies of errors."""

    errors: ErrorKeys | None = Field(
        default=None,
        description="How errors look that old clients know. See [errors](errors.md).",
        examples=[{"body": {"error": {"code": "{legacy_code}", "text": "{message}"}}}],
    )
