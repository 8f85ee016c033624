"""What clients send to the old host, read into the data.

Reading is lenient where old hosts are: unknown members are passed over. Belongs here: documents and
query parameters, with the names of the old dialect. Whether a value makes sense is for `checks`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from proxy.example.documents import TIME_PATTERN, Document
from proxy.example.model import (
    BEGINNING,
    Content,
    Data,
    Filters,
    MailExchange,
    RecordType,
    ServiceLocation,
    Text,
    Value,
    Violation,
    invalid,
)
from proxy.example.store import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

T = TypeVar("T")

#: The members of a document that make up each kind of data.
_DATA_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "ipv4": ("ipv4",),
    "ipv6": ("ipv6",),
    "target": ("target",),
    "mail_exchange": ("mx_priority", "mx_exchange"),
    "text": ("txt",),
    "service": ("srv_priority", "srv_weight", "srv_port", "srv_target"),
    "raw": ("rdata",),
}
_DATA_OF: Final = {name: member for member, names in _DATA_MEMBERS.items() for name in names}


class Query(Protocol):
    """Parameters, each of which may be given several times."""

    def get(self, key: str, default: str) -> str:
        """The first value of *key*."""
        ...

    def getall(self, key: str, default: Iterable[str]) -> Iterable[str]:
        """All values of *key*."""
        ...

    def items(self) -> Iterable[tuple[str, str]]:
        """All keys with their values."""
        ...


def read_document(body: bytes) -> Document:
    """Read a body, which may be empty."""
    try:
        document = json.loads(body or b"{}")
        json.dumps(document, ensure_ascii=False).encode()  # Half a surrogate pair is no text.
    except (RecursionError, ValueError):
        raise invalid(Violation("", "the body must be JSON")) from None
    if not isinstance(document, dict):
        raise invalid(Violation("", "the body must be a JSON object"))
    return document


def read_content(document: Document) -> Content:
    """Read what a client may set of a record, from a whole record's document."""
    content = Content()
    for name, read in _READERS.items():
        if document.get(name) is not None:
            content = _given(read, content, name, document[name])
    return replace(content, data=_data(document))


def merged(current: Document, changes: Document) -> Document:
    """Build *current* with what a PATCH document *changes*; null takes a value away."""
    given = {
        _DATA_OF[name] for name in changes.keys() & _DATA_OF.keys() if changes[name] is not None
    }
    kept = {
        name: value
        for name, value in current.items()
        if not given or _DATA_OF.get(name, "") in {"", *given}
    }
    return {name: value for name, value in (kept | changes).items() if value is not None}


def read_names(document: Document, name: str) -> list[str]:
    """Read the list of names that a document may have as *name*."""
    names = document.get(name) or []
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise _wrong(name)
    return names


def read_filters(query: Query) -> Filters:
    """Read which records a list is of."""
    tags = {
        key[5:-1]: value for key, value in query.items() if key[:5] == "tags[" and key[-1] == "]"
    }
    since = query.get("modified_since", "")
    return Filters(
        read_types(query),
        query.get("name", "") or None,
        _time(since, "modified_since") if since else BEGINNING,
        tags,
    )


def read_types(query: Query) -> frozenset[int]:
    """Read a list of types, with commas between them."""
    names = [name for text in query.getall("type", ()) for name in text.split(",")]
    try:
        return frozenset(RecordType[name] for name in names)
    except KeyError:
        raise _wrong("type") from None


def read_page(query: Query) -> tuple[int, int]:
    """Read the number of a page, from 1, and how many records a page has."""
    page = _count(query.get("page", "1"), "page")
    size = _count(query.get("per_page", str(DEFAULT_PAGE_SIZE)), "per_page")
    return page, min(size, MAX_PAGE_SIZE)


def read_flag(query: Query, name: str) -> bool:
    """Read a yes or no."""
    text = query.get(name, "0")
    if text not in ("0", "1"):
        raise _wrong(name)
    return text == "1"


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) < 2**31):
        raise _wrong(name)
    return int(text)


def _time(text: str, name: str) -> datetime:
    try:
        return datetime.strptime(text, TIME_PATTERN).replace(tzinfo=UTC)
    except ValueError:
        raise _wrong(name) from None


def _wrong(name: str) -> Exception:
    return invalid(Violation(name, "has a value of the wrong form"))


def _given(read: Callable[..., Any], content: Content, name: str, value: object) -> Content:
    try:
        changed: Content = read(content, value)
    except (KeyError, OverflowError, TypeError, ValueError):
        raise _wrong(name) from None
    return changed


def _data(document: Document) -> Data | None:
    """The data of a record, which may be of one kind alone."""
    found = [
        member
        for member, names in _DATA_MEMBERS.items()
        if any(document.get(name) is not None for name in names)
    ]
    if len(found) > 1:
        raise invalid(Violation(_DATA_MEMBERS[found[1]][0], "must not be given beside others"))
    for member in found:
        return Data(member, _VALUES[member](document))
    return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _tags(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {name: _text_at(text, f"tags[{name}]") for name, text in value.items()}


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text_at(string, f"txt[{index}]") for index, string in enumerate(value))


def _text_at(value: object, place: str) -> str:
    try:
        return _text(value)
    except TypeError:
        raise _wrong(place) from None


def _member(document: Document, name: str, read: Callable[[object], T], default: T) -> T:
    value = document.get(name)
    try:
        return default if value is None else read(value)
    except (TypeError, ValueError):
        raise _wrong(name) from None


_READERS: Final[dict[str, Callable[[Content, Any], Content]]] = {
    "name": lambda content, value: replace(content, host=_text(value)),
    "type": lambda content, value: replace(content, type=RecordType[_text(value)]),
    "ttl": lambda content, value: replace(content, ttl_s=_number(value)),
    "weight": lambda content, value: replace(content, weight=_number(value)),
    "comment": lambda content, value: replace(content, comment=_text(value)),
    "tags": lambda content, value: replace(content, tags=_tags(value)),
}
_VALUES: Final[dict[str, Callable[[Document], Value]]] = {
    "ipv4": lambda document: _member(document, "ipv4", _text, ""),
    "ipv6": lambda document: _member(document, "ipv6", _text, ""),
    "target": lambda document: _member(document, "target", _text, ""),
    "mail_exchange": lambda document: MailExchange(
        _member(document, "mx_priority", _integer, 0),
        _member(document, "mx_exchange", _text, ""),
    ),
    "text": lambda document: Text(_member(document, "txt", _strings, ())),
    "service": lambda document: ServiceLocation(
        _member(document, "srv_priority", _integer, 0),
        _member(document, "srv_weight", _integer, 0),
        _member(document, "srv_port", _integer, 0),
        _member(document, "srv_target", _text, ""),
    ),
    "raw": lambda document: _member(
        document, "rdata", lambda value: bytes.fromhex(_text(value)), b""
    ),
}
