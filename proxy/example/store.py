"""The store: zones and records in memory, with the rules of changing them.

One instance serves both servers of the demo. It is deterministic: its clock moves one second
with each change, so that two stores that saw the same requests say the same. For one event loop;
every method is synchronous and leaves the store whole.
"""

import base64
import hashlib
import json
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from proxy.example import zonefile
from proxy.example.checks import check_content, check_record_id, split_record_name
from proxy.example.model import (
    Content,
    Filters,
    Nameserver,
    Page,
    Record,
    RecordType,
    Statistics,
    Verification,
    Violation,
    Zone,
    ZoneState,
    already_exists,
    data_loss,
    invalid,
    not_found,
    refused,
)

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1_000

_ZONE: Final = "zone"
_RECORD: Final = "record"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: records added, and records that were there already."""

    added: int
    present: int


class _Table:
    """The records of one zone. Knows the rules between records; knows no clock and no serial."""

    def __init__(self, records: Mapping[str, Record], made: int = 0) -> None:
        self.records = dict(records)
        self.order = sorted(records)
        self.made = made
        self._id_of = {record.uid: record.record_id for record in self.records.values()}

    def copy(self) -> "_Table":
        return _Table(self.records, self.made)

    def find(self, name: str) -> Record | None:
        """The record with that ID or number."""
        if name.isascii() and name.isdigit():
            name = self._id_of.get(int(name[:20]), "")
        return self.records.get(name)

    def page(self, after: str, skip: int, size: int) -> list[Record]:
        start = bisect_right(self.order, after) + skip
        return [self.records[record_id] for record_id in self.order[start : start + size]]

    def filtered(self, filters: Filters) -> "_Table":
        if filters == Filters():
            return self
        return _Table({key: one for key, one in self.records.items() if _passes(one, filters)})

    def new_id(self) -> str:
        while (record_id := f"r{self.made + 1:06}") in self.records:
            self.made += 1
        return record_id

    def put(self, record: Record) -> None:
        self._refuse_twin(record)
        self._refuse_crowded_alias(record)
        former = self.records.get(record.record_id)
        if former is None:
            insort(self.order, record.record_id)
        elif former.content.type != record.content.type:
            self._refuse_last_nameserver(former)
        self.records[record.record_id] = record
        self._id_of[record.uid] = record.record_id

    def remove(self, record: Record) -> None:
        self._refuse_last_nameserver(record)
        del self.records[record.record_id]
        del self._id_of[record.uid]
        self.order.remove(record.record_id)

    def contains_twin(self, content: Content) -> bool:
        return any(_is_twin(one.content, content) for one in self.records.values())

    def _others(self, record: Record) -> Iterator[Record]:
        host = record.content.host
        for one in self.records.values():
            if one.content.host == host and one.record_id != record.record_id:
                yield one

    def _refuse_twin(self, record: Record) -> None:
        for one in self._others(record):
            if _is_twin(one.content, record.content):
                raise already_exists(_RECORD, one.name)

    def _refuse_crowded_alias(self, record: Record) -> None:
        for one in self._others(record):
            if RecordType.CNAME in (one.content.type, record.content.type):
                text = "a CNAME must be the only record of its host (RFC 1034, section 3.6.2)"
                raise refused("ALIAS_CONFLICT", one.name, text)

    def _refuse_last_nameserver(self, record: Record) -> None:
        if record.content.type != RecordType.NS:
            return
        if sum(one.content.type == RecordType.NS for one in self.records.values()) == 1:
            raise refused("LAST_NAMESERVER", record.name, "a zone must keep an NS record")


class ZoneStore:
    """All zones. *hosts* gives the addresses of name servers."""

    def __init__(
        self,
        zones: Iterable[Zone],
        records: Iterable[Record],
        hosts: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._zones = {zone.domain: zone for zone in zones}
        found: dict[str, dict[str, Record]] = {domain: {} for domain in self._zones}
        for record in records:
            found[record.domain][record.record_id] = record
        self._tables = {domain: _Table(of_zone) for domain, of_zone in found.items()}
        self._hosts = dict(hosts)
        self._now = max(zone.update_time for zone in self._zones.values())
        tables = self._tables.values()
        self._last_uid = max(one.uid for table in tables for one in table.records.values())
        self._last_change: dict[str, Mapping[str, str]] = {}
        #: How many statistics were mailed; the mail itself goes nowhere.
        self.mails = 0

    def __repr__(self) -> str:
        records = sum(len(table.records) for table in self._tables.values())
        return f"<ZoneStore: {len(self._zones)} zones, {records} records>"

    def zones(self) -> tuple[Zone, ...]:
        """All zones, ordered by domain."""
        return tuple(self._zones[domain] for domain in sorted(self._zones))

    def zone(self, domain: str) -> Zone:
        """Find a zone; NOT_FOUND when there is none."""
        try:
            return self._zones[domain]
        except KeyError:
            raise not_found(_ZONE, f"zones/{domain}") from None

    def record_count(self, domain: str) -> int:
        """Count the records of a zone."""
        return len(self._table(domain).records)

    def nameservers(self, domain: str) -> tuple[Nameserver, ...]:
        """The name servers of a zone, the primary first."""
        hosts = self.zone(domain).nameservers
        return tuple(
            Nameserver(host, self._hosts.get(host, ()), primary=index == 0)
            for index, host in enumerate(hosts)
        )

    def record(self, name: str, field: str = "name") -> Record:
        """Find a record by its resource name, which stands in the request's *field*."""
        domain, record_id = split_record_name(name, field)
        record = self._table(domain).find(record_id)
        if record is None:
            raise not_found(_RECORD, name)
        return record

    def page(
        self, domain: str, filters: Filters, size: int, token: str = "", skip: int = 0
    ) -> Page:
        """One page of the records that pass *filters*; *size* 0 stands for the default.

        It begins *skip* records after the place that *token* tells.
        """
        for field, number in (("page_size", size), ("skip", skip)):
            if number < 0:
                raise invalid(Violation(field, "must not be negative"))
        table = self._table(domain).filtered(filters)
        size = min(size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        found = table.page(_read_token(token, domain, filters), skip, size)
        more = bool(found) and found[-1].record_id != table.order[-1]
        next_token = _token(found[-1].record_id, domain, filters) if more else ""
        return Page(tuple(found), next_token, len(table.order))

    def export(self, domain: str, types: frozenset[int]) -> Iterator[Record]:
        """All records of a zone as they are now; DATA_LOSS in the midst if its storage fails."""
        zone = self.zone(domain)
        table = self._table(domain).filtered(Filters(types))
        return _read(zone, [table.records[record_id] for record_id in table.order])

    def create(self, domain: str, content: Content, record_id: str = "") -> Record:
        """Add a record; an empty *record_id* asks for one."""
        table = self._open_table(domain)
        if record_id:
            check_record_id(record_id)
        check_content(content)
        record = self._made(domain, record_id or table.new_id(), content)
        if record.record_id in table.records:
            raise already_exists(_RECORD, record.name)
        self._change(domain, {record.record_id: ""}, lambda: table.put(record))
        return record

    def update(self, record: Record, content: Content) -> Record:
        """Give a stored *record* new *content*; the same content changes nothing."""
        table = self._open_table(record.domain)
        check_content(content)
        if content == record.content:
            return record
        revision, now = record.revision + 1, self._next_second()
        changed = replace(record, content=content, revision=revision, update_time=now)
        former = {record.record_id: zonefile.data_text(record.content)}
        self._change(record.domain, former, lambda: table.put(changed))
        return changed

    def delete(self, name: str) -> Record:
        """Take a record away, and say what it was."""
        record = self.record(name)
        table = self._open_table(record.domain)
        self._change(record.domain, {}, lambda: table.remove(record))
        return record

    def verify(
        self, domain: str, record_id: str, hosts: Iterable[str]
    ) -> tuple[bool, tuple[Verification, ...]]:
        """Compare what the zone's name servers say of a record with what is stored."""
        record = self.record(f"zones/{domain}/records/{record_id}", "id")
        stored = zonefile.data_text(record.content)
        asked = tuple(hosts) or self.zone(domain).nameservers
        answers = tuple(self._ask(record, stored, host) for host in asked)
        return all(answer.data == stored for answer in answers), answers

    def statistics(self, domain: str) -> Statistics:
        """How much a zone was asked."""
        return self.zone(domain).statistics

    def send_statistics(self, domain: str, to: str) -> None:
        """Mail the statistics of a zone, which is counted and no more."""
        self.zone(domain)
        if "@" not in to:
            raise invalid(Violation("to", "must be an address such as dns@example.com"))
        self.mails += 1

    def zone_file(self, domain: str) -> str:
        """The whole zone as text."""
        zone = self.zone(domain)
        return zonefile.render_zone(zone, self.export(domain, frozenset()))

    def import_zone_file(self, domain: str, data: bytes, *, validate_only: bool) -> ImportResult:
        """Add the records of a zone file that are not there yet: all, or none when one fails."""
        table = self._open_table(domain).copy()
        contents = zonefile.parse_zone(_text(data), domain)
        added = [one for content in contents for one in self._import(table, domain, content)]
        if added and not validate_only:
            former = dict.fromkeys(added, "")
            self._change(domain, former, lambda: self._tables.update({domain: table}))
        return ImportResult(len(added), len(contents) - len(added))

    def _import(self, table: _Table, domain: str, content: Content) -> Iterator[str]:
        """Add *content* to *table* when it is new, and say under which ID."""
        check_content(content)
        if not table.contains_twin(content):
            more = len(table.records) - len(self._tables[domain].records)
            record = self._made(domain, table.new_id(), content, more)
            table.put(record)
            yield record.record_id

    def _made(self, domain: str, record_id: str, content: Content, more: int = 0) -> Record:
        """A new record, made after *more* others of the same change."""
        now = self._next_second()
        return Record(domain, record_id, content, self._last_uid + 1 + more, 1, now, now)

    def _table(self, domain: str) -> _Table:
        return self._tables[self.zone(domain).domain]

    def _open_table(self, domain: str) -> _Table:
        zone = self.zone(domain)
        if zone.state is not ZoneState.ACTIVE:
            raise refused("STATE", zone.name, f"cannot be changed while it is {zone.state.name}")
        return self._tables[domain]

    def _next_second(self) -> datetime:
        return self._now + timedelta(seconds=1)

    def _change(self, domain: str, former: Mapping[str, str], act: Callable[[], None]) -> None:
        """Do one change; the clock and the serial move only when it is done.

        *former* is the data before it, of each record that is still there.
        """
        act()
        self._last_uid = max(self._last_uid, self._highest_uid(domain, former))
        self._now = self._next_second()
        zone = self._zones[domain]
        self._zones[domain] = replace(zone, serial=zone.serial + 1, update_time=self._now)
        self._last_change[domain] = former

    def _highest_uid(self, domain: str, record_ids: Iterable[str]) -> int:
        records = self._tables[domain].records
        return max((records[record_id].uid for record_id in record_ids), default=0)

    def _ask(self, record: Record, stored: str, host: str) -> Verification:
        """Ask one name server. All but the primary lag one change behind."""
        zone = self.zone(record.domain)
        if host not in zone.nameservers:
            raise invalid(Violation("nameservers", f"{host} does not serve {zone.domain}"))
        position = zone.nameservers.index(host)
        former = self._last_change.get(zone.domain)
        lags = position > 0 and former is not None
        data = former.get(record.record_id, stored) if lags and former else stored
        return Verification(host, zone.serial - lags, 12 + 9 * position, data)


def _read(zone: Zone, records: list[Record]) -> Iterator[Record]:
    for index, record in enumerate(records):
        if index == zone.readable:
            raise data_loss(zone.name)
        yield record


def _is_twin(one: Content, other: Content) -> bool:
    return (one.host, one.type, one.data) == (other.host, other.type, other.data)


def _passes(record: Record, filters: Filters) -> bool:
    content = record.content
    return (
        (not filters.types or content.type in filters.types)
        and (filters.host is None or content.host == filters.host)
        and record.update_time >= filters.updated_since
        and filters.tags.items() <= content.tags.items()
    )


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise invalid(Violation("file.data", "must be UTF-8")) from None


def _digest(domain: str, filters: Filters) -> str:
    tags, types = sorted(filters.tags.items()), sorted(filters.types)
    text = repr((domain, types, filters.host, filters.updated_since, tags))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _token(last_id: str, domain: str, filters: Filters) -> str:
    parts = [_digest(domain, filters), last_id]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _read_token(token: str, domain: str, filters: Filters) -> str:
    """The ID that the page before ended with; "" for the first page."""
    if not token:
        return ""
    try:
        padded = token + "=" * (-len(token) % 4)
        digest, last_id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if digest == _digest(domain, filters) and isinstance(last_id, str):
            return last_id
    except (TypeError, ValueError):
        pass
    raise invalid(Violation("page_token", "is not a token for this list"))
