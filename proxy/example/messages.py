"""The data as messages of `dns.v1`, and back. One converter for each kind of data."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from proxy.example.model import (
    Content,
    Data,
    Filters,
    MailExchange,
    Nameserver,
    Record,
    ServiceLocation,
    Statistics,
    Text,
    Value,
    Verification,
    Zone,
)
from proxy.example.schema import Schema

#: The process that counts for this server.
COLLECTOR: Final = "7be1c5a4-90f6-4d0c-8b3d-5f1f0e2d7c42"


class Messages:
    """Makes messages of a compiled schema."""

    def __init__(self, schema: Schema) -> None:
        self.record_class = schema.message("dns.v1.Record")
        self._zone_class = schema.message("dns.v1.Zone")
        self._nameserver_class = schema.message("dns.v1.Nameserver")
        self._answer_class = schema.message("dns.v1.VerifyRecordResponse.Answer")
        self._statistics_class = schema.message("dns.v1.Statistics")
        self._host_class = schema.message("dns.v1.TopHost")

    def zone(self, zone: Zone, record_count: int) -> Any:
        """Write a zone."""
        message = self._zone_class(
            name=zone.name,
            serial=zone.serial,
            state=int(zone.state),
            nameservers=zone.nameservers,
            record_count=record_count,
            tags=dict(zone.tags),
            signed=zone.signed,
            uid=zone.uid,
            domain=zone.domain,
        )
        message.create_time.FromDatetime(zone.create_time)
        message.update_time.FromDatetime(zone.update_time)
        message.default_ttl.FromSeconds(zone.default_ttl_s)
        if zone.contact is not None:
            message.contact.value = zone.contact
        return message

    def nameserver(self, nameserver: Nameserver) -> Any:
        """Write a name server."""
        return self._nameserver_class(
            host=nameserver.host, addresses=nameserver.addresses, primary=nameserver.primary
        )

    def record(self, record: Record) -> Any:
        """Write a record."""
        message = self.content(record.content)
        message.name = record.name
        message.uid = record.uid
        message.revision = record.revision
        message.create_time.FromDatetime(record.create_time)
        message.update_time.FromDatetime(record.update_time)
        return message

    def content(self, content: Content) -> Any:
        """Write what a client may set of a record."""
        message = self.record_class(
            host=content.host,
            type=content.type,
            comment=content.comment,
            tags=dict(content.tags),
        )
        if content.ttl_s is not None:
            message.ttl.FromSeconds(int(content.ttl_s))
        if content.weight is not None:
            message.weight.SetInParent()
            message.weight.value = content.weight
        if content.data is not None:
            _write_data(message, content.data)
        return message

    def answers(self, answers: Iterable[Verification]) -> list[Any]:
        """Write what the name servers say."""
        return [self._answer(answer) for answer in answers]

    def statistics(self, domain: str, statistics: Statistics) -> Any:
        """Write statistics; the peak is cut where it should be rounded: see `seeded`."""
        message = self._statistics_class(
            name=f"zones/{domain}/statistics",
            queries=statistics.queries,
            failures=statistics.failures,
            peak_per_second=statistics.peak_per_minute // 60,
            collector=COLLECTOR,
        )
        message.last_query_time.FromDatetime(statistics.last_query_time)
        return message

    def top_hosts(self, statistics: Statistics) -> list[Any]:
        """Write the hosts, by name where those asked most should be first: see `seeded`."""
        return [
            self._host_class(host=host, share=share) for host, share in sorted(statistics.hosts)
        ]

    def _answer(self, answer: Verification) -> Any:
        message = self._answer_class(
            nameserver=answer.nameserver, serial=answer.serial, data=answer.data
        )
        message.round_trip.FromMilliseconds(answer.round_trip_ms)
        return message


def read_content(message: Any) -> Content:
    """Read what a client may set of a `dns.v1.Record`."""
    return Content(
        message.host,
        message.type,
        _read_data(message),
        _seconds(message.ttl) if message.HasField("ttl") else None,
        message.weight.value if message.HasField("weight") else None,
        message.comment if message.HasField("comment") else None,
        dict(message.tags),
    )


def read_filters(message: Any) -> Filters:
    """Read the filters of a `dns.v1.ListRecordsRequest`."""
    filters = Filters(frozenset(message.types), _host(message), tags=dict(message.tags))
    if not message.HasField("updated_since"):
        return filters
    since = _time(message.updated_since)
    return Filters(filters.types, filters.host, since, filters.tags)


def _host(message: Any) -> str | None:
    return message.host if message.HasField("host") else None


def _time(message: Any) -> datetime:
    time: datetime = message.ToDatetime(tzinfo=UTC)
    return time


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)


def _write_data(message: Any, data: Data) -> None:
    match data.value:
        case MailExchange(preference, exchange):
            message.mail_exchange.SetInParent()
            message.mail_exchange.preference = preference
            message.mail_exchange.exchange = exchange
        case ServiceLocation() as location:
            _write_service(message.service, location)
        case Text(strings):
            message.text.strings.extend(strings)
        case value:
            setattr(message, data.member, value)


def _write_service(message: Any, location: ServiceLocation) -> None:
    message.SetInParent()
    message.priority = location.priority
    message.weight = location.weight
    message.port = location.port
    message.target = location.target


def _read_data(message: Any) -> Data | None:
    member = message.WhichOneof("data")
    if member is None:
        return None
    return Data(member, _READERS.get(member, _as_it_is)(getattr(message, member)))


def _as_it_is(value: Any) -> Value:
    found: Value = value
    return found


_READERS: Final[dict[str, Callable[[Any], Value]]] = {
    "mail_exchange": lambda value: MailExchange(value.preference, value.exchange),
    "text": lambda value: Text(tuple(value.strings)),
    "service": lambda value: ServiceLocation(
        value.priority, value.weight, value.port, value.target
    ),
}
