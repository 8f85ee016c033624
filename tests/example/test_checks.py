from dataclasses import replace

import pytest

from proxy.example.checks import check_content, check_record_id, split_record_name
from proxy.example.model import (
    Content,
    Data,
    ExampleError,
    MailExchange,
    RecordType,
    ServiceLocation,
    Text,
    Value,
)

GOOD = Content("www", RecordType.A, Data("ipv4", "192.0.2.1"), 300, 0.5, "", {"a": "b"})


def of(record_type: int, member: str, value: Value) -> Content:
    return Content("www", record_type, Data(member, value))


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        replace(GOOD, host="@"),
        replace(GOOD, host="*"),
        replace(GOOD, host="*.deep.er"),
        replace(GOOD, host="_sip._tcp"),
        replace(GOOD, ttl_s=0),
        replace(GOOD, ttl_s=2**31 - 1),
        replace(GOOD, ttl_s=None, weight=None),
        of(RecordType.AAAA, "ipv6", "2001:db8::1"),
        of(RecordType.NS, "target", "ns1.example.net."),
        of(RecordType.MX, "mail_exchange", MailExchange(65_535, "mail.example.com.")),
        of(RecordType.TXT, "text", Text(("x" * 255, ""))),
        of(RecordType.SRV, "service", ServiceLocation(0, 0, 0, "sip.example.com.")),
        of(RecordType.CAA, "raw", b"\0"),
    ],
)
def test_good_content_passes(content: Content) -> None:
    check_content(content)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (replace(GOOD, host=""), "record.host"),
        (replace(GOOD, host="www."), "record.host"),
        (replace(GOOD, host="-www"), "record.host"),
        (replace(GOOD, host="WWW"), "record.host"),
        (replace(GOOD, host="w" * 64), "record.host"),
        (replace(GOOD, host="www\n"), "record.host"),
        (replace(GOOD, ttl_s=-1), "record.ttl"),
        (replace(GOOD, ttl_s=1.5), "record.ttl"),
        (replace(GOOD, ttl_s=2**31), "record.ttl"),
        (replace(GOOD, ttl_s=float("nan")), "record.ttl"),
        (replace(GOOD, weight=1.01), "record.weight"),
        (replace(GOOD, weight=float("nan")), "record.weight"),
        (replace(GOOD, type=0), "record.type"),
        (replace(GOOD, type=99), "record.type"),
        (replace(GOOD, data=None), "record.data"),
        (replace(GOOD, type=RecordType.AAAA), "record.data"),
        (of(RecordType.A, "ipv4", "192.0.2.256"), "record.ipv4"),
        (of(RecordType.AAAA, "ipv6", "2001:DB8::1"), "record.ipv6"),
        (of(RecordType.CNAME, "target", "www.example.com"), "record.target"),
        (of(RecordType.NS, "target", "a." * 128), "record.target"),
        (
            of(RecordType.MX, "mail_exchange", MailExchange(65_536, "m.example.")),
            "record.mail_exchange.preference",
        ),
        (
            of(RecordType.MX, "mail_exchange", MailExchange(1, "")),
            "record.mail_exchange.exchange",
        ),
        (of(RecordType.TXT, "text", Text(())), "record.text.strings"),
        (of(RecordType.TXT, "text", Text(("ok", "ü" * 128))), "record.text.strings[1]"),
        (
            of(RecordType.SRV, "service", ServiceLocation(0, 0, 70_000, "a.")),
            "record.service.port",
        ),
        (of(RecordType.CAA, "raw", b""), "record.raw"),
        (of(RecordType.CAA, "raw", bytes(65_536)), "record.raw"),
    ],
)
def test_bad_content_is_refused_and_the_field_named(content: Content, field: str) -> None:
    with pytest.raises(ExampleError) as caught:
        check_content(content)
    assert caught.value.code == 3
    assert [found["field"] for found in caught.value.details[1]["fieldViolations"]] == [field]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ExampleError) as caught:
        check_content(Content(ttl_s=-1, weight=2))
    named = [found["field"] for found in caught.value.details[1]["fieldViolations"]]
    assert named == ["record.host", "record.ttl", "record.weight", "record.type"]


@pytest.mark.parametrize("record_id", ["", "A", "a_b", "x" * 64, "a/b", "17"])
def test_bad_record_id_is_refused(record_id: str) -> None:
    with pytest.raises(ExampleError, match="record_id"):
        check_record_id(record_id)


@pytest.mark.parametrize(
    "name",
    ["", "zones/a", "zones//records/b", "zones/a/records/", "zones/a/records/b/c", "x/a/y/b"],
)
def test_bad_resource_name_is_refused(name: str) -> None:
    with pytest.raises(ExampleError, match=r"record\.name: must be zones/"):
        split_record_name(name, "record.name")
