"""Form bodies: `application/x-www-form-urlencoded` and `multipart/form-data`, read into parts.

Belongs here: a form's bytes to names, texts and files, within limits. Does not: which field a name
means (`shape.queries`), setting it (`shape.forms_into`).
Sources: RFC 7578, and the URL Standard for the older form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import multipart

from proxy.errors import LimitExceeded, RequestError
from proxy.transcoding.protojson.faults import excerpt
from proxy.transcoding.query import MAX_PARAMETERS, decode_pairs

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

#: Parts of a multipart form unless told otherwise: a page of inputs and some files.
MAX_PARTS: Final = 100
#: Bytes of one header of a part, and headers of one: RFC 7578 knows two.
MAX_PART_HEADER_BYTES: Final = 4 << 10
MAX_PART_HEADERS: Final = 8
#: Bytes of a part that is no file: texts, which end in fields.
MAX_TEXT_PART_BYTES: Final = 64 << 10
#: Characters of a boundary (RFC 2046 section 5.1.1).
_MAX_BOUNDARY: Final = 70

#: Ways to carry a part that leave its bytes as they are. Others are not undone: RFC 7578 has done
#: away with them, and a part that is taken for its own base64 would be stored so.
_PLAIN_ENCODINGS: Final = frozenset({"", "7bit", "8bit", "binary"})
_CHARSETS: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What one form may hold: parts of a multipart one, parameters of the other, bytes of a file.

    Of a form as a whole the limit is that of all bodies.
    """

    max_parts: int = MAX_PARTS
    max_parameters: int = MAX_PARAMETERS
    max_file_bytes: int | None = None


class Part(NamedTuple):
    """An input of a form: its name and its text."""

    name: str
    text: str


class File(NamedTuple):
    """A file of a form. *file_name* is without any path, "" when there is none."""

    name: str
    file_name: str
    content_type: str
    content: bytes


def media_type(content_type: str | None) -> str:
    """The media type of a content type in lower case, without parameters; "" of none."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_form(content_type: str | None) -> bool:
    """Whether a body of this content type is a form of either kind."""
    return media_type(content_type) in (URLENCODED, MULTIPART)


def read_form(
    body: bytes, content_type: str | None, limits: FormLimits | None = None
) -> list[Part | File]:
    """The parts of a form in their order, of the kind that *content_type* says.

    Raises `RequestError`: 400 for what is no such form, 415 for a charset other than UTF-8; and
    `LimitExceeded` (413) for one beyond *limits*.

    >>> read_form(b"a=1+2&b=%C3%A9", "application/x-www-form-urlencoded")
    [Part(name='a', text='1 2'), Part(name='b', text='é')]
    """
    limits = limits or FormLimits()
    if media_type(content_type) == MULTIPART:
        return list(_multipart(body, content_type or "", limits))
    charset = _options(content_type or "").get("charset", "")
    if charset.lower() not in _CHARSETS:
        raise RequestError(f"the charset {excerpt(charset)} is not UTF-8", http_status=415)
    return [Part(*pair) for pair in _pairs(body, limits.max_parameters)]


def form_texts(body: bytes, content_type: str | None) -> list[tuple[str, str]]:
    """The names and texts of a form without its files. Raises as `read_form`."""
    parts = read_form(body, content_type)
    return [(part.name, part.text) for part in parts if isinstance(part, Part)]


def _pairs(body: bytes, max_parameters: int) -> list[tuple[str, str]]:
    # Bytes above ASCII should be escaped; those that are not are decoded with the escapes.
    text = body.decode("utf-8", "surrogateescape")
    if text.count("&") >= max_parameters and len(list(filter(None, text.split("&")))) > (
        max_parameters
    ):
        raise _too_large(f"the form has more than {max_parameters} parameters")
    try:
        return decode_pairs(text, max_parameters)
    except RequestError as error:
        message = error.status.message.replace("the query parameter", "the form's parameter")
        raise RequestError(message) from error


# Multipart


@dataclass(slots=True)
class _Open:
    """A part that is being read."""

    segment: multipart.MultipartSegment
    content: bytearray


def _multipart(body: bytes, content_type: str, limits: FormLimits) -> Iterator[Part | File]:
    parser = _parser(_boundary(content_type), limits)
    opened: _Open | None = None
    try:
        events = [*parser.parse(body)]
        parser.close()
        for event in events:
            if isinstance(event, multipart.MultipartSegment):
                opened = _Open(event, bytearray())
            elif event is not None and opened is not None:
                opened.content += event
            elif opened is not None:
                yield _part(opened, limits)
    except multipart.ParserLimitReached as error:
        raise _too_large(f"the form is beyond its limits: {_reason(error)}") from error
    except multipart.MultipartError as error:
        raise RequestError(f"the body is not a multipart form: {_reason(error)}") from error


def _parser(boundary: str, limits: FormLimits) -> multipart.PushMultipartParser:
    return multipart.PushMultipartParser(
        boundary,
        max_header_size=MAX_PART_HEADER_BYTES,
        max_header_count=MAX_PART_HEADERS,
        max_segment_count=limits.max_parts,
        strict=True,
    )


def _boundary(content_type: str) -> str:
    boundary = _options(content_type).get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY or not boundary.isascii():
        raise RequestError("the multipart form has no boundary")
    return boundary


def _options(content_type: str) -> dict[str, str]:
    return {
        key.lower(): text for key, text in multipart.parse_options_header(content_type)[1].items()
    }


def _part(opened: _Open, limits: FormLimits) -> Part | File:
    segment, content = opened.segment, bytes(opened.content)
    _check_encoding(segment)
    if segment.filename is None:
        return Part(segment.name, _text(segment, content))
    limit = limits.max_file_bytes
    if limit is not None and len(content) > limit:
        raise _too_large(f"the file {excerpt(segment.name)} is larger than {limit} bytes")
    return File(segment.name, _file_name(segment.filename), segment.content_type or "", content)


def _check_encoding(segment: multipart.MultipartSegment) -> None:
    encoding = segment.header("Content-Transfer-Encoding", "").strip().lower()
    if encoding not in _PLAIN_ENCODINGS:
        reason = f"has the transfer encoding {excerpt(encoding)}, which is not undone"
        raise RequestError(f"the part {excerpt(segment.name)} {reason}", http_status=415)


def _text(segment: multipart.MultipartSegment, content: bytes) -> str:
    if len(content) > MAX_TEXT_PART_BYTES:
        limit = f"is larger than {MAX_TEXT_PART_BYTES} bytes, and no file"
        raise _too_large(f"the part {excerpt(segment.name)} {limit}")
    charset = segment.charset or ""
    if charset.lower() not in _CHARSETS:
        raise RequestError(f"the charset {excerpt(charset)} is not UTF-8", http_status=415)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"the part {excerpt(segment.name)} is not UTF-8") from None
    if "\0" in text:
        raise RequestError(f"the part {excerpt(segment.name)} holds a NUL character")
    return text


def _file_name(given: str) -> str:
    r"""The name without a path: it is for people, and no place in a file system (RFC 7578 §4.2).

    >>> _file_name("C:\\docs\\a.txt"), _file_name("../../etc/passwd")
    ('a.txt', 'passwd')
    """
    return given.replace("\\", "/").rpartition("/")[2]


def _too_large(message: str) -> LimitExceeded:
    return LimitExceeded(message, http_status=413)


def _reason(error: Exception) -> str:
    """What the parser says, as part of a sentence of ours; nothing of the body is in it."""
    text = str(error)
    return text[:1].lower() + text[1:]
