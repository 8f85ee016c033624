"""What stands around the documents of the old host: the envelope, its errors and its pages.

Belongs here: bodies and status codes as values. Sending them is for `legacy`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.example.model import ExampleError, Violation

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """How the old host tells an error: its HTTP status, and a number and text of its own."""

    status: int
    code: int
    text: str


#: By the reason of the error. The numbers are what old clients go by.
FAULTS: Final[Mapping[str, Fault]] = {
    "INVALID_VALUE": Fault(400, 1004, "DNS validation error"),
    "ZONE_NOT_FOUND": Fault(404, 7003, "No such zone"),
    "RECORD_NOT_FOUND": Fault(404, 81044, "No such record"),
    "RECORD_EXISTS": Fault(409, 81057, "The record exists already"),
    "ALIAS_CONFLICT": Fault(412, 81053, "A CNAME must be the only record of its name"),
    "LAST_NAMESERVER": Fault(412, 81055, "A zone must keep an NS record"),
    "STATE": Fault(412, 1105, "The zone cannot be changed now"),
    "STORAGE_DAMAGED": Fault(500, 1000, "The server has failed"),
}
#: Errors of HTTP itself, by their status.
_HTTP_FAULTS: Final[Mapping[int, Fault]] = {
    404: Fault(404, 7000, "No route for that URI"),
    405: Fault(405, 7001, "Method not allowed for this URI"),
    413: Fault(413, 7002, "The body is too large"),
}
_OTHER: Final = Fault(500, 1000, "The server has failed")

#: What the rules call the fields that this host calls otherwise.
_NAMES: Final[Mapping[str, str]] = {
    "host": "name",
    "mail_exchange.preference": "mx_priority",
    "mail_exchange.exchange": "mx_exchange",
    "text.strings": "txt",
    "service.priority": "srv_priority",
    "service.weight": "srv_weight",
    "service.port": "srv_port",
    "service.target": "srv_target",
    "raw": "rdata",
    "record_id": "label",
    "nameservers": "name_servers",
}
#: The body of a request is the field `record` or `file` to the rules.
_FIELD: Final = re.compile(r"(?:(?:record|file)\.)?([^\[]*)(.*)")


def enveloped(result: object, **more: object) -> Body:
    """Put the envelope of a success around *result*.

    >>> enveloped(None)
    {'success': True, 'errors': [], 'messages': [], 'result': None}
    """
    return {"success": True, "errors": [], "messages": [], "result": result, **more}


def page_info(page: int, size: int, count: int, total: int) -> Body:
    """Tell of page number *page* of *size* records: *count* stand on it, of *total*.

    >>> page_info(2, 50, 23, 73)["total_pages"]
    2
    """
    return {
        "page": page,
        "per_page": size,
        "count": count,
        "total_count": total,
        "total_pages": -(-total // size),
    }


def fault_of(error: ExampleError) -> Fault:
    """How the old host tells *error*."""
    return FAULTS[error.reason]


def http_fault(status: int) -> Fault:
    """How the old host tells an error of HTTP itself."""
    return _HTTP_FAULTS.get(status, _OTHER)


def error_body(fault: Fault, violations: tuple[Violation, ...] = ()) -> Body:
    """The body of an error: one entry for each of the *violations*, or one for the whole."""
    fields = [field_name(one.field) or None for one in violations] or [None]
    errors = [{"code": fault.code, "message": fault.text, "field": field} for field in fields]
    return {"success": False, "errors": errors, "messages": [], "result": None}


def field_name(path: str) -> str:
    """What this host calls the field that the rules name by its path.

    >>> field_name("record.text.strings[1]"), field_name("record.ttl")
    ('txt[1]', 'ttl')
    """
    found = _FIELD.fullmatch(path)
    assert found is not None  # noqa: S101 - the pattern takes every text without a line break
    return _NAMES.get(found[1], found[1]) + found[2]
