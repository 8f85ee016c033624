"""What the example stores: zones, records and the errors of using them.

Plain values that know neither JSON nor protobuf, so that each of the two servers has to write
them in its own way. No rules beyond what a type can say: those are in `checks` and `store`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final


class RecordType(IntEnum):
    """The types that have rules here, with their IANA numbers."""

    A = 1
    NS = 2
    CNAME = 5
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    CAA = 257


class ZoneState(IntEnum):
    """What a zone can be used for; the numbers are those of `dns.v1.Zone.State`."""

    ACTIVE = 1
    SECONDARY = 2
    SUSPENDED = 3


@dataclass(frozen=True, slots=True)
class MailExchange:
    """The data of MX."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class Text:
    """The data of TXT."""

    strings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceLocation:
    """The data of SRV."""

    priority: int
    weight: int
    port: int
    target: str


Value = str | bytes | MailExchange | Text | ServiceLocation

#: The member of `dns.v1.Record.data` that each type uses.
MEMBER: Final[Mapping[int, str]] = {
    RecordType.A: "ipv4",
    RecordType.AAAA: "ipv6",
    RecordType.CNAME: "target",
    RecordType.NS: "target",
    RecordType.MX: "mail_exchange",
    RecordType.TXT: "text",
    RecordType.SRV: "service",
    RecordType.CAA: "raw",
}


@dataclass(frozen=True, slots=True)
class Data:
    """The data of a record: which member of the oneof, and its value."""

    member: str
    value: Value


@dataclass(frozen=True, slots=True)
class Content:
    """The part of a record that a client may set.

    *type* is a number, known or not; *ttl_s* may be a fraction until `checks` has seen it.
    """

    host: str = ""
    type: int = 0
    data: Data | None = None
    ttl_s: float | None = None
    weight: float | None = None
    comment: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record."""

    domain: str
    record_id: str
    content: Content
    uid: int
    revision: int
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """The resource name."""
        return f"zones/{self.domain}/records/{self.record_id}"


#: Before every time that is stored.
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much a zone was asked; *hosts* with their shares, those that are asked most first."""

    queries: int = 0
    failures: int = 0
    last_query_time: datetime = BEGINNING
    peak_per_minute: int = 0
    hosts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone without its records.

    *readable* is how many records an export can read before the zone's storage fails; None when
    nothing is wrong with it.
    """

    domain: str
    uid: int
    serial: int
    state: ZoneState
    create_time: datetime
    update_time: datetime
    default_ttl_s: int
    nameservers: tuple[str, ...]
    contact: str | None = None
    signed: bool | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    readable: int | None = None
    statistics: Statistics = field(default_factory=Statistics)

    @property
    def name(self) -> str:
        """The resource name."""
        return f"zones/{self.domain}"


@dataclass(frozen=True, slots=True)
class Nameserver:
    """A host that answers for a zone."""

    host: str
    addresses: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """What one name server says of a record."""

    nameserver: str
    serial: int
    round_trip_ms: int
    data: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which records a list is of; a record must pass all."""

    types: frozenset[int] = frozenset()
    host: str | None = None
    updated_since: datetime = BEGINNING
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    records: tuple[Record, ...]
    next_page_token: str
    total_size: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request: the field's path with proto names, and a sentence."""

    field: str
    description: str


#: Who says the reasons of errors.
ERROR_DOMAIN: Final = "dns.example.com"


class ExampleError(Exception):
    """A request that fails: a gRPC code, a reason, a text, and details as ProtoJSON of `Any`.

    The first of the details is the `ErrorInfo` with the reason; *violations* are what one of the
    others says about single fields.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *details: dict[str, Any],
        violations: tuple[Violation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        info = {"@type": _type_url("ErrorInfo"), "reason": reason, "domain": ERROR_DOMAIN}
        self.details = (info, *details)
        self.violations = violations


def not_found(kind: str, name: str) -> ExampleError:
    """NOT_FOUND of a "zone" or "record", with a `ResourceInfo`."""
    reason = f"{kind.upper()}_NOT_FOUND"
    return ExampleError(5, reason, f"{name} does not exist", _resource(kind, name))


def already_exists(kind: str, name: str) -> ExampleError:
    """ALREADY_EXISTS of a "zone" or "record", with a `ResourceInfo`."""
    reason = f"{kind.upper()}_EXISTS"
    return ExampleError(6, reason, f"{name} exists already", _resource(kind, name))


def invalid(*violations: Violation) -> ExampleError:
    """INVALID_ARGUMENT, with a `BadRequest`."""
    found = [{"field": one.field, "description": one.description} for one in violations]
    text = "; ".join(f"{one.field}: {one.description}" for one in violations)
    detail = {"@type": _type_url("BadRequest"), "fieldViolations": found}
    return ExampleError(3, "INVALID_VALUE", text, detail, violations=violations)


def refused(reason: str, subject: str, description: str) -> ExampleError:
    """FAILED_PRECONDITION, with a `PreconditionFailure`."""
    violation = {"type": reason, "subject": subject, "description": description}
    detail = {"@type": _type_url("PreconditionFailure"), "violations": [violation]}
    return ExampleError(9, reason, f"{subject}: {description}", detail)


def data_loss(name: str) -> ExampleError:
    """DATA_LOSS: the storage failed."""
    return ExampleError(15, "STORAGE_DAMAGED", f"the storage of {name} is damaged")


def _resource(kind: str, name: str) -> dict[str, Any]:
    resource_type = f"dns.v1.{kind.title()}"
    return {
        "@type": _type_url("ResourceInfo"),
        "resourceType": resource_type,
        "resourceName": name,
    }


def _type_url(name: str) -> str:
    return f"type.googleapis.com/google.rpc.{name}"
