"""Error statuses as JSON, and the typed details that come and go with them.

Belongs here: `Status` to the bytes of `google.rpc.Status` JSON, and what is kept from clients.
Does not: other forms of errors (`shape.errors`), which HTTP status goes with it (`proxy.status`).

The error path may be slow but must not fail: nothing that an upstream sends makes it raise.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from google.protobuf import any_pb2, json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.status import Code, Detail, Status

#: What clients read where the message of an upstream is kept from them: it was written for its
#: developers and often quotes queries, paths and stack traces.
HIDDEN_MESSAGES: Final[dict[Code, str]] = {
    Code.UNKNOWN: "unknown error",
    Code.INTERNAL: "internal error",
}

#: What clients read when an upstream is down, or answers what is no HTTP or no gRPC.
UNREACHABLE: Final = "the upstream cannot be reached, or gave no valid answer"

_DEBUG_INFO: Final = "google.rpc.DebugInfo"
_ERROR_INFO: Final = "google.rpc.ErrorInfo"
#: What a reason and a domain are made of (google/rpc/error_details.proto), so that none is a text.
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}").fullmatch
_DOMAIN: Final = re.compile(r"[A-Za-z0-9.-]{0,253}").fullmatch
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"

#: Where the types of google/rpc/error_details.proto are found when the caller's pool has none.
_STANDARD: Final[DescriptorPool] = error_details_pb2.DESCRIPTOR.pool

#: What `json_format` raises for an unknown type, bytes that are no such message, and values that
#: have no JSON (a Timestamp beyond year 9999); what orjson raises for an Any nested too deep.
_UNPRINTABLE: Final = (
    DecodeError,
    json_format.Error,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def error_json(error: StatusError, pool: DescriptorPool, *, reveal_upstream: bool) -> bytes:
    """The body of the answer for *error*.

    What the proxy says itself is never hidden. What clients do not read unless *reveal_upstream*:
    an upstream's texts of an UNKNOWN or INTERNAL error, in its details too, and why an upstream
    could not be reached, which tells addresses and names of the network behind us. Never raises.
    """
    reveal = reveal_upstream or not isinstance(error, UpstreamError)
    return render_status(_shown(error, reveal=reveal), pool, reveal_internal=reveal)


def readable_status(error: StatusError, *, reveal_upstream: bool) -> Status:
    """What clients may read of *error*, by the rules of `error_json`. Never raises.

    The field of a `RequestError` is among the details, which have no `DebugInfo` at their top:
    whoever prints one prints it by `printed_detail`.
    """
    reveal = reveal_upstream or not isinstance(error, UpstreamError)
    return _told(_shown(error, reveal=reveal), reveal=reveal)


def _told(status: Status, *, reveal: bool) -> Status:
    """*status* without what clients do not read of it."""
    hidden = None if reveal else HIDDEN_MESSAGES.get(status.code)
    if hidden is not None:
        return Status(status.code, hidden, tuple(_reasons(status.details)))
    if not status.details and status.message.isascii():
        return status  # as most are: there is nothing to leave out
    details = tuple(e for e in status.details if type_name(e.type_url) != _DEBUG_INFO)
    return Status(status.code, plain_text(status.message), details)


def _reasons(details: Iterable[Detail]) -> Iterator[Detail]:
    """What of the details of a hidden error is no text: the reasons, which clients may go by."""
    for detail in details:
        if type_name(detail.type_url) != _ERROR_INFO:
            continue
        try:
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
        except DecodeError:
            continue
        if _REASON(info.reason) and _DOMAIN(info.domain):
            bare = error_details_pb2.ErrorInfo(reason=info.reason, domain=info.domain)
            yield Detail(detail.type_url, bare.SerializeToString())


def _shown(error: StatusError, *, reveal: bool) -> Status:
    if isinstance(error, RequestError) and error.field:
        return with_field_violation(error.status, error.field, error.status.message)
    if isinstance(error, UpstreamError) and not reveal and _is_of_connection(error):
        return Status(error.status.code, UNREACHABLE)
    return error.status


def _is_of_connection(error: UpstreamError) -> bool:
    """Whether the text is that of a library which failed to speak to the upstream."""
    return error.status.code is Code.UNAVAILABLE and (not error.sent or error.http_status == 502)


def render_status(status: Status, pool: DescriptorPool, *, reveal_internal: bool) -> bytes:
    """The body of an error answer: `{"code": number, "message": text, "details": [...]}`.

    All three are always there. `DebugInfo` is left out wherever it is; of UNKNOWN and INTERNAL the
    message is `HIDDEN_MESSAGES`, and the details are reasons alone, unless *reveal_internal*. A
    detail whose type is in *pool* or in google.rpc is printed as `Any` is; one that is in neither,
    or is no such message, stays opaque: `{"@type": URL, "value": base64}`. Never raises.
    """
    told = _told(status, reveal=reveal_internal)
    details = [printed_detail(detail, pool) for detail in told.details]
    return orjson.dumps({"code": int(told.code), "message": told.message, "details": details})


def parse_details(data: bytes, code: Code) -> tuple[Detail, ...]:
    """The details in a `grpc-status-details-bin` trailer of a call that ended with *code*.

    None of them when the trailer cannot be read or speaks of another code: half a status is not
    to be trusted, and code and message stand in trailers of their own.
    """
    try:
        status = status_pb2.Status.FromString(data)
    except DecodeError:
        return ()
    if status.code != code:
        return ()
    return tuple(Detail(detail.type_url, detail.value) for detail in status.details)


def with_field_violation(status: Status, field: str, description: str) -> Status:
    """*status* with a `google.rpc.BadRequest` that names the request field at fault.

    *field* is a dotted proto path, as `google.rpc.BadRequest.FieldViolation.field` wants it.
    """
    violation = bad_request([(field, description)])
    return Status(status.code, status.message, (*status.details, violation))


def bad_request(violations: Iterable[tuple[str, str]]) -> Detail:
    """A `google.rpc.BadRequest` of the dotted proto paths at fault, each with what is wrong."""
    message = error_details_pb2.BadRequest()
    for field, description in violations:
        message.field_violations.add(field=plain_text(field), description=plain_text(description))
    return Detail(_BAD_REQUEST, message.SerializeToString())


def printed_detail(detail: Detail, pool: DescriptorPool) -> orjson.Fragment:
    """The JSON of one detail, by the rules of `render_status`. Never raises."""
    standard = type_name(detail.type_url).startswith("google.rpc.")
    for known in (pool, _STANDARD) if standard else (pool,):
        try:
            packed = any_pb2.Any(type_url=detail.type_url, value=detail.value)
            printed = json_format.MessageToDict(packed, descriptor_pool=known)
            return orjson.Fragment(orjson.dumps(_without_debug_info(printed)))
        except _UNPRINTABLE:
            continue
    # What cannot be read may hold what is never shown.
    shown = b"" if _DEBUG_INFO.encode() in detail.value else detail.value
    opaque = base64.b64encode(shown).decode("ascii")
    return orjson.Fragment(orjson.dumps({"@type": plain_text(detail.type_url), "value": opaque}))


def _without_debug_info(printed: Any) -> Any:
    """*printed* with an empty object for each `DebugInfo` that an `Any` inside holds."""
    if isinstance(printed, list):
        return [_without_debug_info(item) for item in printed]
    if not isinstance(printed, dict):
        return printed
    if type_name(str(printed.get("@type", ""))) == _DEBUG_INFO:
        return {}
    return {key: _without_debug_info(value) for key, value in printed.items()}


def type_name(type_url: str) -> str:
    """The full name of the type that an `Any` holds."""
    return type_url.rpartition("/")[2]


def plain_text(text: str) -> str:
    """*text* with "?" for what no UTF-8 can hold: a client's raw bytes may be quoted in it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
