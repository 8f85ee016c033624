"""The data as JSON documents in the dialect of the old host, written by hand.

The names are its own, numbers are numbers, yes and no are 1 and 0, times stand in UTC without
saying so, and what has no value is null or, of data, not there. Belongs here: writing. Reading is
for `reading`, what stands around a document for `replies`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from proxy.example.model import (
    Content,
    Data,
    MailExchange,
    Nameserver,
    Record,
    RecordType,
    ServiceLocation,
    Statistics,
    Text,
    Verification,
    Zone,
)
from proxy.example.store import ImportResult

Document = dict[str, Any]

#: The process that counts for this host.
COLLECTOR: Final = "0a52f1de-3c3f-4f0b-9d0e-2f7f6f6c9a11"

TIME_PATTERN: Final = "%Y-%m-%d %H:%M:%S.%f"


def zone_document(zone: Zone, record_count: int) -> Document:
    """Write a zone."""
    return {
        "id": zone.uid,
        "name": zone.domain,
        "status": zone.state.name.lower(),
        "serial": zone.serial,
        "created_on": time_text(zone.create_time),
        "modified_on": time_text(zone.update_time),
        "default_ttl": zone.default_ttl_s,
        "contact": zone.contact,
        "dnssec": None if zone.signed is None else int(zone.signed),
        "name_servers": list(zone.nameservers),
        "record_count": record_count,
        "tags": dict(zone.tags),
    }


def nameserver_document(nameserver: Nameserver) -> Document:
    """Write a name server."""
    return {
        "host": nameserver.host,
        "ips": list(nameserver.addresses),
        "primary": int(nameserver.primary),
    }


def record_document(record: Record) -> Document:
    """Write a record."""
    return {
        "id": record.uid,
        "href": f"/v4/{record.name}",
        "revision": record.revision,
        "created_on": time_text(record.create_time),
        "modified_on": time_text(record.update_time),
        **content_document(record.content),
    }


def content_document(content: Content) -> Document:
    """Write what a client may set of a record."""
    return {
        "name": content.host,
        "type": RecordType(content.type).name,
        "ttl": None if content.ttl_s is None else int(content.ttl_s),
        "weight": content.weight,
        "comment": content.comment,
        "tags": dict(content.tags),
        **({} if content.data is None else _data_members(content.data)),
    }


def verification_document(consistent: bool, answers: Iterable[Verification]) -> Document:
    """Write what the name servers say."""
    documents = [
        {
            "name_server": answer.nameserver,
            "serial": answer.serial,
            "rtt_ms": answer.round_trip_ms,
            "data": answer.data,
        }
        for answer in answers
    ]
    return {"consistent": int(consistent), "answers": documents}


def import_document(result: ImportResult) -> Document:
    """Write what an import did."""
    return {"recs_added": result.added, "recs_present": result.present}


def statistics_document(domain: str, statistics: Statistics) -> Document:
    """Write statistics, the oldest part of the host, which has a way of its own: see `seeded`."""
    document = {
        "href": f"/v4/zones/{domain}/statistics",
        "queries": str(statistics.queries),
        "last_query_on": statistics.last_query_time.isoformat(),
        "peak_per_second": round(statistics.peak_per_minute / 60),
        "collector": COLLECTOR,
    }
    return document | ({"failures": statistics.failures} if statistics.failures else {})


def hosts_document(statistics: Statistics) -> list[Document]:
    """Write the hosts that are asked for most."""
    return [{"host": host, "share": share} for host, share in statistics.hosts]


def time_text(time: datetime) -> str:
    """Write a time in UTC.

    >>> time_text(datetime(2026, 5, 17, 6, 0, 12, 250_000, tzinfo=UTC))
    '2026-05-17 06:00:12.250000'
    """
    return time.astimezone(UTC).strftime(TIME_PATTERN)


def _data_members(data: Data) -> Document:
    match data.value:
        case MailExchange(preference, exchange):
            return {"mx_priority": preference, "mx_exchange": exchange}
        case ServiceLocation(priority, weight, port, target):
            return {
                "srv_priority": priority,
                "srv_weight": weight,
                "srv_port": port,
                "srv_target": target,
            }
        case Text(strings):
            return {"txt": list(strings)}
        case bytes(raw):
            return {"rdata": raw.hex()}
    return {data.member: data.value}
