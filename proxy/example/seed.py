"""The data that a fresh store begins with. The same each time; nothing random, no clock.

| zone | what it is for |
|---|---|
| `example.com` | every type of record, labels, weights, some pages of hosts |
| `large.example` | thousands of records, for streams |
| `fresh.example` | no records at all |
| `secondary.example` | cannot be changed |
| `damaged.example` | its storage fails after three records, in the midst of a stream |
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from proxy.example.model import (
    MEMBER,
    Content,
    Data,
    MailExchange,
    Record,
    RecordType,
    ServiceLocation,
    Statistics,
    Text,
    Value,
    Zone,
    ZoneState,
)
from proxy.example.store import ZoneStore

LARGE_ZONE_RECORDS: Final = 5_000

#: The number of the first record.
FIRST_UID: Final = 1_001

_MADE: Final = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
_CHANGED: Final = datetime(2026, 5, 17, 6, 0, 12, 250_000, tzinfo=UTC)
_NAMESERVERS: Final = ("ns1.example.net.", "ns2.example.net.")
_HOSTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ns1.example.net.": ("192.0.2.53", "2001:db8::53"),
    "ns2.example.net.": ("198.51.100.53",),
}
#: RFC 8659: no flags, then the tag with its length, then the value.
_ISSUER: Final = b"\x00\x05issueca.example.net"


def seeded_store() -> ZoneStore:
    """Make a store with the example's data."""
    return ZoneStore(_zones(), _records(), _HOSTS)


def _zones() -> Iterator[Zone]:
    plain = Zone(
        "fresh.example", 1, 1, ZoneState.ACTIVE, _MADE, _CHANGED, 3_600, _NAMESERVERS, signed=False
    )
    for zone in _described(plain):
        yield replace(zone, statistics=_STATISTICS[zone.domain])


def _described(plain: Zone) -> Iterator[Zone]:
    yield plain
    yield replace(
        plain,
        domain="example.com",
        uid=2,
        serial=9_007_199_254_740_993,  # 2**53 + 1: lost by whoever reads it as a double
        contact="dns@example.com",
        signed=True,
        tags={"team": "platform", "tier": "gold"},
    )
    yield replace(plain, domain="large.example", uid=3, serial=2_026_051_700, signed=None)
    yield replace(plain, domain="secondary.example", uid=4, serial=77, state=ZoneState.SECONDARY)
    yield replace(plain, domain="damaged.example", uid=5, serial=5, readable=3)


def _records() -> Iterator[Record]:
    for uid, (domain, record_id, content) in enumerate(_contents(), FIRST_UID):
        yield Record(domain, record_id, content, uid, 1, _MADE, _CHANGED)


def _contents() -> Iterator[tuple[str, str, Content]]:
    """The zone, ID and content of each record."""
    for record_id, content in _MAIN.items():
        yield "example.com", record_id, content
    for domain, count in _HOST_COUNTS.items():
        for number in range(count):
            yield domain, f"host-{number:04}", _host(number)


def _host(number: int) -> Content:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    tags = {"rack": f"r{number % 12}"}
    return _content(f"host-{number:04}", RecordType.A, address, tags=tags)


def _content(
    host: str,
    record_type: RecordType,
    value: Value,
    ttl_s: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> Content:
    data = Data(MEMBER[record_type], value)
    return Content(host, record_type, data, ttl_s, tags=tags or {})


_HOST_COUNTS: Final = {
    "example.com": 60,
    "large.example": LARGE_ZONE_RECORDS,
    "secondary.example": 6,
    "damaged.example": 6,
}

#: None is quite round, and only one has failures: see `seeded`.
_STATISTICS: Final[Mapping[str, Statistics]] = {
    "fresh.example": Statistics(1_200, 0, _CHANGED, 120, (("@", 1.0),)),
    "example.com": Statistics(
        9_007_199_254_740_995,
        0,
        _CHANGED,
        11_090,
        (("www", 0.5), ("@", 0.25), ("mail", 0.125), ("blog", 0.0625)),
    ),
    "large.example": Statistics(
        86_400_000, 0, _CHANGED, 600_000, (("host-0001", 0.75), ("host-0002", 0.25))
    ),
    "secondary.example": Statistics(
        4_300_000_000, 0, _CHANGED, 1_234, (("host-0005", 0.625), ("host-0001", 0.375))
    ),
    "damaged.example": Statistics(3_000, 17, _CHANGED, 95, (("host-0000", 1.0),)),
}

_MAIN: Final[Mapping[str, Content]] = {
    "apex-ns1": _content("@", RecordType.NS, "ns1.example.net.", 86_400),
    "apex-ns2": _content("@", RecordType.NS, "ns2.example.net.", 86_400),
    "apex-a": _content("@", RecordType.A, "192.0.2.10"),
    "apex-aaaa": _content("@", RecordType.AAAA, "2001:db8::10"),
    "apex-mx1": _content("@", RecordType.MX, MailExchange(10, "mail.example.com.")),
    "apex-mx2": _content("@", RecordType.MX, MailExchange(0, "mail.example.net.")),
    "apex-txt": _content("@", RecordType.TXT, Text(("v=spf1 mx -all", 'über "quoted"'))),
    "apex-caa": _content("@", RecordType.CAA, _ISSUER),
    "www-1": replace(
        _content("www", RecordType.A, "192.0.2.80", 300, {"env": "prod", "rack": "r1"}),
        weight=0.75,
        comment="the larger of the two",
    ),
    "www-2": replace(
        _content("www", RecordType.A, "192.0.2.81", 0, {"env": "prod"}), weight=0.25, comment=""
    ),
    "mail-a": _content("mail", RecordType.A, "192.0.2.25"),
    "blog": _content("blog", RecordType.CNAME, "www.example.com."),
    "sip": _content("_sip._tcp", RecordType.SRV, ServiceLocation(0, 5, 5060, "sip.example.com.")),
}
