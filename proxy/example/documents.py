"""The data as JSON documents, written by hand, as an old REST host would have them.

Their values are those that ProtoJSON has for `dns.v1`: that the two servers agree, although they
share no code here, is what the tests compare. Reading is lenient where old hosts are: unknown
members are passed over.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from proxy.example.model import (
    Content,
    Data,
    ExampleError,
    MailExchange,
    Nameserver,
    Record,
    RecordType,
    ServiceLocation,
    Statistics,
    Text,
    Value,
    Verification,
    Violation,
    Zone,
    invalid,
)

Document = dict[str, Any]

#: The process that counts for this host.
COLLECTOR: Final = "0a52f1de-3c3f-4f0b-9d0e-2f7f6f6c9a11"

_MEMBER_NAMES: Final[Mapping[str, str]] = {
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "target": "target",
    "mailExchange": "mail_exchange",
    "text": "text",
    "service": "service",
    "raw": "raw",
}
_JSON_NAMES: Final = {member: name for name, member in _MEMBER_NAMES.items()}
_DURATION: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]{1,9})?)s", re.ASCII)


def zone_document(zone: Zone, record_count: int) -> Document:
    """Write a zone."""
    return _without_defaults(
        {
            "name": zone.name,
            "serial": str(zone.serial),
            "state": zone.state.name,
            "createTime": time_text(zone.create_time),
            "updateTime": time_text(zone.update_time),
            "defaultTtl": f"{zone.default_ttl_s}s",
            "contact": zone.contact,
            "signed": zone.signed,
            "nameservers": list(zone.nameservers),
            "recordCount": record_count or None,
            "tags": dict(zone.tags),
        }
    )


def nameserver_document(nameserver: Nameserver) -> Document:
    """Write a name server."""
    document = {"host": nameserver.host, "addresses": list(nameserver.addresses)}
    return _without_defaults(document | {"primary": nameserver.primary or None})


def record_document(record: Record) -> Document:
    """Write a record."""
    stored = {
        "name": record.name,
        "revision": str(record.revision),
        "createTime": time_text(record.create_time),
        "updateTime": time_text(record.update_time),
    }
    return stored | content_document(record.content)


def content_document(content: Content) -> Document:
    """Write what a client may set of a record."""
    data = {} if content.data is None else _data_document(content.data)
    return _without_defaults(
        {
            "host": content.host,
            "type": RecordType(content.type).name,
            "ttl": None if content.ttl_s is None else f"{int(content.ttl_s)}s",
            "weight": content.weight,
            "comment": content.comment,
            "tags": dict(content.tags),
        }
        | data
    )


def verification_document(consistent: bool, answers: Iterable[Verification]) -> Document:
    """Write what the name servers say."""
    documents = [
        _without_defaults(
            {
                "nameserver": answer.nameserver,
                "serial": str(answer.serial),
                "roundTrip": f"{answer.round_trip_ms / 1000:.3f}s",
                "data": answer.data or None,
            }
        )
        for answer in answers
    ]
    return _without_defaults({"consistent": consistent or None, "answers": documents})


def statistics_document(domain: str, statistics: Statistics) -> Document:
    """Write statistics as this host always did, which is not ProtoJSON's way: see `seeded`."""
    return {
        "name": f"zones/{domain}/statistics",
        "queries": statistics.queries,
        "failures": statistics.failures,
        "lastQueryTime": statistics.last_query_time.isoformat(),
        "peakPerSecond": round(statistics.peak_per_minute / 60),
        "collector": COLLECTOR,
    }


def hosts_document(statistics: Statistics) -> Document:
    """Write the hosts that are asked for most."""
    hosts = [{"host": host, "share": share} for host, share in statistics.hosts]
    return _without_defaults({"hosts": hosts})


def error_document(error: ExampleError) -> Document:
    """Write an error in the form of `google.rpc.Status`."""
    document = {"code": error.code, "message": error.message, "details": list(error.details)}
    return _without_defaults(document)


def time_text(time: datetime) -> str:
    """Write a time in UTC with no, 3 or 6 digits of a second, as ProtoJSON does.

    >>> time_text(datetime(2026, 5, 17, 6, 0, 12, 250_000, tzinfo=UTC))
    '2026-05-17T06:00:12.250Z'
    """
    precision = "microseconds" if time.microsecond % 1000 else "milliseconds"
    text = time.isoformat(timespec=precision if time.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def read_time(text: str, field: str) -> datetime:
    """Read a time; *field* names where it stood."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (OverflowError, ValueError):
        raise invalid(Violation(field, "must be a time such as 2026-05-17T06:00:00Z")) from None


def read_content(document: Document) -> Content:
    """Read what a client may set of a record, from a whole record's document."""
    content = Content()
    for name, value in document.items():
        if name in _READERS and value is not None:
            content = _read_member(content, name, value)
    return content


def merged(current: Document, changes: Document, paths: Iterable[str]) -> Document:
    """Build *current* with the values that *changes* has at *paths* (JSON names with dots)."""
    document = current
    for path in paths:
        document = _with_path(document, changes, path.split("."))
        if path.split(".")[0] in _MEMBER_NAMES and path.split(".")[0] in changes:
            document = _with_one_member(document, path.split(".")[0])
    return document


def leaf_paths(document: Document) -> Iterator[str]:
    """Name what a PATCH document changes, with dots; stops where a value is replaced whole."""
    for name, value in document.items():
        if name in ("mailExchange", "text", "service") and isinstance(value, dict) and value:
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def _without_defaults(document: Document) -> Document:
    return {name: value for name, value in document.items() if value not in (None, [], {})}


def _with_path(current: Document, changes: Document, path: list[str]) -> Document:
    name, *rest = path
    if rest:
        former, change = current.get(name, {}), changes.get(name) or {}
        if not isinstance(former, dict) or not isinstance(change, dict):
            raise invalid(Violation("update_mask", f"goes into {name}, which has no fields"))
        return current | {name: _with_path(former, change, rest)}
    if changes.get(name) is None:
        return {key: value for key, value in current.items() if key != name}
    return current | {name: changes[name]}


def _with_one_member(document: Document, member: str) -> Document:
    return {
        name: value
        for name, value in document.items()
        if name not in _MEMBER_NAMES or name == member
    }


def _data_document(data: Data) -> Document:
    return {_JSON_NAMES[data.member]: _value_document(data.value)}


def _value_document(value: Value) -> object:
    match value:
        case MailExchange(preference, exchange):
            return _sparse(preference=preference, exchange=exchange)
        case ServiceLocation(priority, weight, port, target):
            return _sparse(priority=priority, weight=weight, port=port, target=target)
        case Text(strings):
            return {"strings": list(strings)}
        case bytes():
            return base64.b64encode(value).decode()
    return value


def _sparse(**members: object) -> Document:
    return {name: value for name, value in members.items() if value}


def _read_member(content: Content, name: str, value: object) -> Content:
    try:
        return _READERS[name](content, value)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        field = f"record.{_MEMBER_NAMES.get(name, name)}"
        raise invalid(Violation(field, "has a value of the wrong form")) from None


def _read_data(member: str, read: Callable[[Any], Value]) -> Callable[[Content, Any], Content]:
    def reader(content: Content, value: object) -> Content:
        if content.data is not None:
            raise invalid(Violation("record.data", "must be given once"))
        return replace(content, data=Data(member, read(value)))

    return reader


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _type_number(value: object) -> int:
    return RecordType[value] if isinstance(value, str) else _integer(value)


def _seconds(value: object) -> float:
    found = _DURATION.fullmatch(_text(value))
    if found is None:
        raise ValueError
    return float(found[1])


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)


def _tags(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {name: _text(text) for name, text in value.items()}


def _mail_exchange(value: Any) -> MailExchange:
    return MailExchange(_integer(value.get("preference", 0)), _text(value.get("exchange", "")))


def _service(value: Any) -> ServiceLocation:
    return ServiceLocation(
        _integer(value.get("priority", 0)),
        _integer(value.get("weight", 0)),
        _integer(value.get("port", 0)),
        _text(value.get("target", "")),
    )


def _strings(value: Any) -> Text:
    return Text(tuple(_text(string) for string in value.get("strings", [])))


def _bytes(value: object) -> bytes:
    text = _text(value).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError from error


_READERS: Final[dict[str, Callable[[Content, Any], Content]]] = {
    "host": lambda content, value: replace(content, host=_text(value)),
    "type": lambda content, value: replace(content, type=_type_number(value)),
    "ttl": lambda content, value: replace(content, ttl_s=_seconds(value)),
    "weight": lambda content, value: replace(content, weight=_float(value)),
    "comment": lambda content, value: replace(content, comment=_text(value)),
    "tags": lambda content, value: replace(content, tags=_tags(value)),
    "ipv4": _read_data("ipv4", _text),
    "ipv6": _read_data("ipv6", _text),
    "target": _read_data("target", _text),
    "mailExchange": _read_data("mail_exchange", _mail_exchange),
    "text": _read_data("text", _strings),
    "service": _read_data("service", _service),
    "raw": _read_data("raw", _bytes),
}
