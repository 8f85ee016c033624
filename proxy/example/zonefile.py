r"""Zone files: the records of a zone as text (RFC 1035, section 5), and back.

Reads what it writes and what people write by hand with one record on a line: comments, quoted
strings, `$ORIGIN` and `$TTL` lines, and the generic form `\# LENGTH HEX` (RFC 3597). Parentheses
over several lines, `$INCLUDE` and names left out are refused by name, not guessed. Says nothing
about whether a record is valid: that is for `checks`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from proxy.example.model import (
    MEMBER,
    Content,
    Data,
    MailExchange,
    Record,
    RecordType,
    ServiceLocation,
    Text,
    Value,
    Violation,
    Zone,
    invalid,
)

#: RFC 4027.
CONTENT_TYPE: Final = "text/dns"

#: RFC 1035, section 5.1: a byte as three decimal digits, or any other character as itself.
_ESCAPE: Final = re.compile(rb"\\([0-9]{3}|[^0-9])", re.DOTALL)
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s";]+)|(;.*)|(\S)')


def render_zone(zone: Zone, records: Iterable[Record]) -> str:
    """Write *zone* with its *records*, one line each."""
    primary, serial = zone.nameservers[0], zone.serial % 2**32
    return "\n".join(
        [
            f"$ORIGIN {zone.domain}.",
            f"$TTL {zone.default_ttl_s}",
            f"@ IN SOA {primary} hostmaster.{zone.domain}. {serial} 7200 900 1209600 300",
            *(_line(record.content) for record in records),
            "",
        ]
    )


def data_text(content: Content) -> str:
    r"""Write the data of a checked record as it stands in a zone file.

    >>> data_text(Content("@", 16, Data("text", Text(('say "hi"', "twice")))))
    '"say \\"hi\\"" "twice"'
    >>> data_text(Content("@", 257, Data("raw", b"\x00\x01")))
    '\\# 2 0001'
    """
    assert content.data is not None  # noqa: S101 - stored records have passed `checks`
    return _WRITERS[content.data.member](content.data.value)


def parse_zone(text: str, domain: str) -> list[Content]:
    """Read the records of the zone file *text*, but for the SOA record, which is not kept.

    Raises INVALID_ARGUMENT that names every line at fault.
    """
    contents: list[Content] = []
    violations: list[Violation] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        try:
            contents += _read_line(_tokens(line), domain)
        except ValueError as error:
            violations.append(Violation("file.data", f"line {number}: {error}"))
    if violations:
        raise invalid(*violations)
    return contents


def _line(content: Content) -> str:
    ttl = "" if content.ttl_s is None else f"{int(content.ttl_s)} "
    return f"{content.host} {ttl}IN {RecordType(content.type).name} {data_text(content)}"


def _quoted(string: str) -> str:
    return '"' + "".join(_escaped(byte) for byte in string.encode()) + '"'


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03}"


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "ipv4": str,
    "ipv6": str,
    "target": str,
    "mail_exchange": lambda value: f"{value.preference} {value.exchange}",
    "text": lambda value: " ".join(_quoted(string) for string in value.strings),
    "service": lambda value: f"{value.priority} {value.weight} {value.port} {value.target}",
    "raw": lambda value: f"\\# {len(value)} {value.hex()}",
}


def _tokens(line: str) -> list[str]:
    return [
        match[2] if match[2] is not None else _unquoted(match[1]) for match in _significant(line)
    ]


def _unquoted(text: str) -> str:
    try:
        return _ESCAPE.sub(_unescaped, text.encode()).decode()
    except UnicodeDecodeError:
        raise ValueError("a text is not UTF-8") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    return bytes([int(escape)]) if escape.isdigit() else escape


def _significant(line: str) -> Iterator[re.Match[str]]:
    for match in _TOKEN.finditer(line):
        if match[4] is not None:
            raise ValueError(f"stray {match[4]}")
        if match[3] is None:
            yield match


def _read_line(tokens: list[str], domain: str) -> Iterator[Content]:
    match tokens:
        case [] | ["$TTL", _]:
            return
        case ["$ORIGIN", origin]:
            if origin != f"{domain}.":
                raise ValueError(f"the origin must be {domain}.")
        case [directive, *_] if directive.startswith("$"):
            raise ValueError(f"{directive} is not supported")
        case [_, "IN", "SOA", *_]:
            return
        case [host, "IN", type_name, *data]:
            yield _record(host, None, type_name, data)
        case [host, ttl, "IN", type_name, *data]:
            yield _record(host, _number(ttl), type_name, data)
        case _:
            raise ValueError("must be: HOST [TTL] IN TYPE DATA")


def _record(host: str, ttl_s: int | None, type_name: str, data: list[str]) -> Content:
    if type_name not in RecordType.__members__:
        raise ValueError(f"{type_name} is not a type that this server keeps")
    record_type = RecordType[type_name]
    member = MEMBER[record_type]
    return Content(host, record_type, Data(member, _read_data(member, data)), ttl_s)


def _read_data(member: str, data: list[str]) -> Value:
    match member, data:
        case "mail_exchange", [preference, exchange]:
            return MailExchange(_number(preference), exchange)
        case "service", [priority, weight, port, target]:
            return ServiceLocation(_number(priority), _number(weight), _number(port), target)
        case "text", [_, *_]:
            return Text(tuple(data))
        case "raw", ["\\#", length, *digits]:
            return _raw(_number(length), "".join(digits))
        case "ipv4" | "ipv6" | "target", [value]:
            return value
    raise ValueError("the data does not go with the type")


def _raw(length: int, digits: str) -> bytes:
    value = bytes.fromhex(digits)
    if len(value) != length:
        raise ValueError(f"{len(value)} bytes where {length} are announced")
    return value


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise ValueError(f"{text} is not a number")
    return int(text)
