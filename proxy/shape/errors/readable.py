"""An error as clients may read it: its parts, with the paths of fields as clients know them.

Belongs here: reading the details that forms and templates speak of. Does not: any form.

Nothing that an upstream sends makes any of it raise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import orjson
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2

from proxy.errors import RequestError, StatusError, UpstreamError
from proxy.status import HTTP_STATUS, Code, Detail, Status
from proxy.transcoding.errorbody import (
    plain_text,
    printed_detail,
    readable_status,
    type_name,
)

#: Gives the legacy path of a proto path.
LegacyPath = Callable[[str], str]

_NO_METADATA: Final = MappingProxyType[str, str]({})

_Kind = TypeVar("_Kind", bound=Message)


class Violation(NamedTuple):
    """A field of the request at fault, "" for none, and what is wrong."""

    field: str
    description: str


class Info(NamedTuple):
    """What `google.rpc.ErrorInfo` says."""

    reason: str = ""
    domain: str = ""
    metadata: "MappingProxyType[str, str] | dict[str, str]" = _NO_METADATA


class ErrorContext(NamedTuple):
    """What is known of the request that failed: its raw path, its trace and its id, "" for none."""

    path: str = ""
    trace_id: str = ""
    request_id: str = ""


NOWHERE: Final = ErrorContext()


@dataclass(frozen=True, slots=True)
class ReadableError:
    """What clients may read of an error. *http_status* is what it is without any table.

    *is_call* says that it is the end of a call, and not a refusal of the proxy; *is_unmapped* that
    no route has the path, or not for the HTTP method. *details* have no `DebugInfo`, and fields as
    clients know them.
    """

    code: Code
    http_status: int
    message: str
    details: tuple[Detail, ...]
    is_call: bool
    is_unmapped: bool
    context: ErrorContext
    pool: DescriptorPool = field(repr=False)

    @classmethod
    def of(
        cls,
        error: StatusError,
        context: ErrorContext,
        pool: DescriptorPool,
        legacy_path: LegacyPath | None,
        *,
        reveal_upstream: bool,
    ) -> "ReadableError":
        """Read *error*; *legacy_path* is None where fields have their proto names."""
        status: Status = readable_status(error, reveal_upstream=reveal_upstream)
        details = status.details
        if legacy_path is not None and details:
            details = tuple(_in_legacy_terms(each, legacy_path) for each in details)
        is_call = isinstance(error, UpstreamError)
        unmapped = isinstance(error, RequestError) and error.is_unmapped
        return cls(
            status.code,
            error.http_status,
            status.message,
            details,
            is_call,
            unmapped,
            # A path and a header can hold bytes that are no text.
            ErrorContext(*map(plain_text, context)),
            pool,
        )

    @property
    def has_own_status(self) -> bool:
        """Whether the HTTP status is the one of the code, of a path that is mapped."""
        return not self.is_unmapped and self.http_status == HTTP_STATUS[self.code]

    @property
    def info(self) -> Info:
        """What the first `ErrorInfo` says that can be read."""
        for message in _read(self.details, error_details_pb2.ErrorInfo):
            return Info(message.reason, message.domain, dict(message.metadata))
        return Info()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The violations of all `BadRequest` that can be read."""
        return tuple(
            Violation(each.field, each.description)
            for message in _read(self.details, error_details_pb2.BadRequest)
            for each in message.field_violations
        )

    def printed(self, *but: str) -> list[orjson.Fragment]:
        """The details as JSON, without those of the types *but*."""
        return [
            printed_detail(each, self.pool)
            for each in self.details
            if type_name(each.type_url) not in but
        ]


def _read(details: tuple[Detail, ...], kind: type[_Kind]) -> Iterator[_Kind]:
    name = kind.DESCRIPTOR.full_name
    for detail in details:
        if type_name(detail.type_url) == name:
            try:
                yield kind.FromString(detail.value)
            except DecodeError:
                continue


def _in_legacy_terms(detail: Detail, legacy_path: LegacyPath) -> Detail:
    """The detail with the legacy paths of its fields, where it is a `BadRequest`."""
    for message in _read((detail,), error_details_pb2.BadRequest):
        for each in message.field_violations:
            each.field = legacy_path(each.field)
        return Detail(detail.type_url, message.SerializeToString())
    return detail
