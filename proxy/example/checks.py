"""What makes the content of a record valid. Judges values; changes nothing and stores nothing."""

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from proxy.example.model import (
    MEMBER,
    Content,
    Data,
    ExampleError,
    MailExchange,
    ServiceLocation,
    Text,
    Violation,
    invalid,
)

#: RFC 2181, section 8: a TTL has 31 bits.
MAX_TTL_S: Final = 2**31 - 1
#: RFC 1035, section 3.3: one length byte before a character-string.
MAX_TEXT_BYTES: Final = 255
#: RFC 1035, section 3.2.1: RDLENGTH has 16 bits.
MAX_RAW_BYTES: Final = 65_535

_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)+", re.ASCII)
_HOST: Final = re.compile(rf"@|\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.ASCII)
#: One of digits alone would be taken for a number that the server gave.
_RECORD_ID: Final = re.compile(r"(?![0-9]+\Z)[a-z0-9-]{1,63}", re.ASCII)

Finding = tuple[str, str]


def check_content(content: Content) -> None:
    """Raise INVALID_ARGUMENT with everything that is wrong with *content*."""
    found = list(content_violations(content))
    if found:
        raise invalid(*found)


def content_violations(content: Content) -> Iterator[Violation]:
    """Find what is wrong with *content*; fields are named as in a request, `record.ttl`."""
    for name, description in _findings(content):
        yield Violation(f"record.{name}", description)


def check_record_id(record_id: str) -> None:
    """Raise INVALID_ARGUMENT when a client cannot have *record_id*."""
    if not _RECORD_ID.fullmatch(record_id):
        raise invalid(Violation("record_id", "must be 1 to 63 of a-z, 0-9 and -, and no number"))


def split_record_name(name: str, field: str) -> tuple[str, str]:
    """Split `zones/{domain}/records/{record}` into domain and ID.

    >>> split_record_name("zones/example.com/records/www", "name")
    ('example.com', 'www')
    """
    match name.split("/"):
        case ["zones", domain, "records", record_id] if domain and record_id:
            return domain, record_id
    raise _bad_name(field)


def _bad_name(field: str) -> ExampleError:
    return invalid(Violation(field, "must be zones/{domain}/records/{record}"))


def _findings(content: Content) -> Iterator[Finding]:
    if not _HOST.fullmatch(content.host):
        yield "host", "must be @, * or labels of a-z, 0-9, - and _ with dots between them"
    yield from _ttl_findings(content.ttl_s)
    if content.weight is not None and not 0 <= content.weight <= 1:
        yield "weight", "must be from 0 to 1"
    yield from _data_findings(content)


def _ttl_findings(ttl_s: float | None) -> Iterator[Finding]:
    if ttl_s is None:
        return
    if not (0 <= ttl_s <= MAX_TTL_S and float(ttl_s).is_integer()):
        yield "ttl", f"must be whole seconds from 0 to {MAX_TTL_S}"


def _data_findings(content: Content) -> Iterator[Finding]:
    member = MEMBER.get(content.type)
    if member is None:
        yield "type", "must be a type that this server keeps"
    elif content.data is None:
        yield "data", f"must be given; this type uses {member}"
    elif content.data.member != member:
        yield "data", f"must be {member} for this type, not {content.data.member}"
    else:
        yield from _value_findings(content.data)


def _value_findings(data: Data) -> Iterator[Finding]:
    for suffix, description in _VALUE_CHECKS[data.member](data.value):
        yield data.member + suffix, description


def _ipv4(value: str) -> Iterator[Finding]:
    if not _is_address(ipaddress.IPv4Address, value):
        yield "", "must be an IPv4 address in dotted decimal"


def _ipv6(value: str) -> Iterator[Finding]:
    if not _is_address(ipaddress.IPv6Address, value):
        yield "", "must be an IPv6 address in the form of RFC 5952"


def _is_address(parse: Callable[[str], object], value: str) -> bool:
    try:
        return str(parse(value)) == value
    except ValueError:
        return False


def _name(suffix: str, value: str) -> Iterator[Finding]:
    if len(value) > 254 or not _NAME.fullmatch(value):
        yield suffix, "must be a fully qualified domain name that ends in a dot"


def _target(value: str) -> Iterator[Finding]:
    yield from _name("", value)


def _mail_exchange(value: MailExchange) -> Iterator[Finding]:
    yield from _short(".preference", value.preference)
    yield from _name(".exchange", value.exchange)


def _service(value: ServiceLocation) -> Iterator[Finding]:
    yield from _short(".priority", value.priority)
    yield from _short(".weight", value.weight)
    yield from _short(".port", value.port)
    yield from _name(".target", value.target)


def _short(suffix: str, value: int) -> Iterator[Finding]:
    if not 0 <= value <= 65_535:
        yield suffix, "must be from 0 to 65535"


def _text(value: Text) -> Iterator[Finding]:
    if not value.strings:
        yield ".strings", "must have at least one string"
    for index, string in enumerate(value.strings):
        if len(string.encode()) > MAX_TEXT_BYTES:
            yield f".strings[{index}]", f"must have at most {MAX_TEXT_BYTES} bytes"


def _raw(value: bytes) -> Iterator[Finding]:
    if not 0 < len(value) <= MAX_RAW_BYTES:
        yield "", f"must have 1 to {MAX_RAW_BYTES} bytes"


_VALUE_CHECKS: Final[dict[str, Callable[[Any], Iterator[Finding]]]] = {
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "target": _target,
    "mail_exchange": _mail_exchange,
    "text": _text,
    "service": _service,
    "raw": _raw,
}
