"""The forms of errors that are known by name: those of other implementations, and RFC 9457.

Belongs here: what each of them writes. Does not: templates of a route's own (`template`), which
HTTP status an error has.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from proxy.shape.errors.options import ErrorFormat
from proxy.shape.errors.readable import ReadableError

JSON_CONTENT: Final = "application/json"
#: RFC 9457 §3.
_PROBLEM: Final = "application/problem+json"
_TEXT: Final = "text/plain"

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    499: "Client Closed Request"
}
#: What problem documents have members of their own for.
_TOLD: Final = ("google.rpc.ErrorInfo", "google.rpc.BadRequest")

#: What Go's `http.Error` adds to a text, lest a browser takes it for a page.
_NO_SNIFFING: Final = (("x-content-type-options", "nosniff"),)


class Entity(NamedTuple):
    """The body of an error with its content type, and headers that go with it."""

    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


#: Writes an error whose HTTP status, which may come from a table, is given.
Form = Callable[[ReadableError, int], Entity]
#: What of an error stands in the last frame of a stream: JSON values.
LateForm = Callable[[ReadableError, int], Any]


def phrase(http_status: int) -> str:
    """What an HTTP status is called, "" when nobody has named it.

    >>> phrase(404), phrase(599)
    ('Not Found', '')
    """
    return _PHRASES.get(http_status, "")


def _json(document: object, content_type: str = JSON_CONTENT) -> Entity:
    return Entity(content_type, orjson.dumps(document))


# --- the documents


def _status(error: ReadableError, _http_status: int = 0) -> dict[str, Any]:
    """`google.rpc.Status`, whole."""
    return {"code": int(error.code), "message": error.message, "details": error.printed()}


def _sparse_status(error: ReadableError, _http_status: int = 0) -> dict[str, Any]:
    """`google.rpc.Status` as ProtoJSON has it: what is empty is left out."""
    return {key: value for key, value in _status(error).items() if value or key == "code"}


def _inner_aip_193(error: ReadableError, http_status: int) -> dict[str, Any]:
    details = error.printed()
    return {
        "code": http_status,
        "message": error.message,
        "status": error.code.name,
        **({"details": details} if details else {}),
    }


def _aip_193(error: ReadableError, http_status: int) -> dict[str, Any]:
    return {"error": _inner_aip_193(error, http_status)}


def _problem(error: ReadableError, http_status: int) -> dict[str, Any]:
    """RFC 9457 §3.1; `about:blank` says that the problem has no type but its HTTP status."""
    info, path = error.info, error.context.path
    extensions = {
        "code": error.code.name,
        "reason": info.reason,
        "domain": info.domain,
        "metadata": info.metadata,
        "violations": [each._asdict() for each in error.violations],
        "details": error.printed(*_TOLD),
        "trace_id": error.context.trace_id,
        "request_id": error.context.request_id,
    }
    return {
        "type": "about:blank",
        "title": phrase(http_status),
        "status": http_status,
        "detail": error.message,
        **({"instance": path} if path else {}),
        **{key: value for key, value in extensions.items() if value},
    }


def _gateway_v1(error: ReadableError, _http_status: int) -> dict[str, Any]:
    details = error.printed()
    return {
        "error": error.message,
        "code": int(error.code),
        "message": error.message,
        **({"details": details} if details else {}),
    }


def _gateway_v1_late(error: ReadableError, http_status: int) -> dict[str, Any]:
    details = error.printed()
    return {
        "grpc_code": int(error.code),
        "http_code": http_status,
        "message": error.message,
        "http_status": phrase(http_status),
        **({"details": details} if details else {}),
    }


def _esp(error: ReadableError, http_status: int) -> dict[str, Any]:
    return {"code": http_status, "message": error.message}


# --- the forms


def _gateway_form(error: ReadableError, http_status: int) -> Entity:
    return _json(_status(_in_words_of_http(error, http_status)))


def _gateway_v1_form(error: ReadableError, http_status: int) -> Entity:
    """What no route maps is a line of text there, as Go's own server has it."""
    if error.is_unmapped:
        line = f"{_in_words_of_http(error, http_status).message}\n".encode()
        return Entity(f"{_TEXT}; charset=utf-8", line, _NO_SNIFFING)
    return _json(_gateway_v1(error, http_status))


def _in_words_of_http(error: ReadableError, http_status: int) -> ReadableError:
    """What no route maps is told by the phrase of 404 or 405 alone, whatever the status is."""
    if not error.is_unmapped:
        return error
    return replace(error, message=phrase(404 if http_status == 404 else 405))


def _envoy_form(error: ReadableError, _http_status: int) -> Entity:
    """Only the end of a call is JSON; what is refused before is told in plain text."""
    if error.is_call:
        return _json(_sparse_status(error))
    return Entity(_TEXT, error.message.encode())


FORMS: Final[Mapping[ErrorFormat, Form]] = MappingProxyType(
    {
        "status": lambda error, _: _json(_status(error)),
        "aip-193": lambda error, http_status: _json(_aip_193(error, http_status)),
        "rfc9457": lambda error, http_status: _json(_problem(error, http_status), _PROBLEM),
        "grpc-gateway": _gateway_form,
        "grpc-gateway-v1": _gateway_v1_form,
        "esp": lambda error, http_status: _json(_esp(error, http_status)),
        "envoy": _envoy_form,
    }
)

#: In frames of NDJSON an error stands under a key `error` already.
LATE_FORMS: Final[Mapping[ErrorFormat, LateForm]] = MappingProxyType(
    {
        "status": _status,
        "aip-193": _inner_aip_193,
        "rfc9457": _problem,
        "grpc-gateway": _status,
        "grpc-gateway-v1": _gateway_v1_late,
        "esp": _esp,
        "envoy": _sparse_status,
    }
)
