"""`google.api.HttpBody`: content that is not JSON and travels raw, in and out.

Belongs here: telling that a message is one, filling one, reading one. Does not: when a request or
an answer is one (`transcoding.request`, `transcoding.response`).
"""

import re
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import Descriptor

from proxy.errors import RequestError, UpstreamError
from proxy.status import Code, Status

_HTTP_BODY: Final = "google.api.HttpBody"

#: What content is called that nobody has named (RFC 9110 section 8.3).
UNNAMED_CONTENT: Final = "application/octet-stream"

#: Characters that a header's value may hold (RFC 9110 section 5.5), without the obsolete ones.
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?").fullmatch


class Content(NamedTuple):
    """Bytes with their media type, as an HTTP message carries them."""

    content_type: str
    body: bytes


def is_http_body(message: Descriptor | None) -> bool:
    """Whether *message* is `google.api.HttpBody`; None is no message."""
    return message is not None and message.full_name == _HTTP_BODY


def fill_http_body(message: Any, body: bytes, content_type: str | None) -> None:
    """Put an upload into an `HttpBody`. It is present even when there is nothing in it.

    Raises `RequestError` (415) for a content type that is no text of a header.
    """
    if content_type and not _HEADER_VALUE(content_type):
        raise RequestError("the content type is malformed", http_status=415)
    message.SetInParent()
    message.data = body
    message.content_type = content_type or ""


def read_http_body(message: Any) -> Content:
    """What an `HttpBody` from an upstream carries.

    Raises `UpstreamError` (502) for a content type that no header can hold: it could otherwise
    end the header and begin another.
    """
    content_type = message.content_type or UNNAMED_CONTENT
    if not _HEADER_VALUE(content_type):
        status = Status(Code.INTERNAL, "the upstream's answer has a malformed content type")
        raise UpstreamError(status, http_status=502)
    return Content(content_type, message.data)
