import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.example.model import Content, Data, ExampleError, RecordType, Text
from proxy.example.seed import seeded_store
from proxy.example.zonefile import data_text, parse_zone


def test_written_zone_reads_back_as_the_same_records() -> None:
    store = seeded_store()
    text = store.zone_file("example.com")
    stored = [record.content for record in store.export("example.com", frozenset())]
    plain = [Content(one.host, one.type, one.data, one.ttl_s) for one in stored]
    assert parse_zone(text, "example.com") == plain
    assert len(plain) == store.record_count("example.com")


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_text_survives_a_zone_file(strings: list[str]) -> None:
    content = Content("@", RecordType.TXT, Data("text", Text(tuple(strings))))
    assert parse_zone(f"@ IN TXT {data_text(content)}\n", "example.com") == [content]


def test_serial_in_the_soa_record_has_32_bits() -> None:
    assert f" {(2**53 + 1) % 2**32} 7200 " in seeded_store().zone_file("example.com")


@pytest.mark.parametrize(
    "line",
    ["", "   ", "; a remark", "$TTL 300", "$ORIGIN example.com.", "@ IN SOA a. b. 1 2 3 4 5"],
)
def test_line_without_a_record_is_passed_over(line: str) -> None:
    assert parse_zone(line, "example.com") == []


def test_hand_written_line_is_read() -> None:
    [content] = parse_zone("www\t60  IN A 192.0.2.1 ; the web\r\n", "example.com")
    assert content == Content("www", RecordType.A, Data("ipv4", "192.0.2.1"), 60)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("$INCLUDE other", r"\$INCLUDE is not supported"),
        ("$ORIGIN example.net.", "the origin must be example.com."),
        ("www A 192.0.2.1", "must be: HOST"),
        ("www soon IN A 192.0.2.1", "soon is not a number"),
        ("www 12345678901 IN A 192.0.2.1", "12345678901 is not a number"),
        ("www IN HINFO x y", "HINFO is not a type"),
        ("www IN A", "does not go with the type"),
        ("www IN MX mail.example.com.", "does not go with the type"),
        ("www IN SRV 1 2 x a.", "x is not a number"),
        (r"www IN CAA \# 3 0001", "2 bytes where 3 are announced"),
        (r"www IN CAA \# 1 zz", "hexadecimal"),
        ('www IN TXT "open', "stray"),
        (r'www IN TXT "\255"', "not UTF-8"),
        (r'www IN TXT "\999"', "range"),
    ],
)
def test_bad_line_is_refused_with_its_number(line: str, text: str) -> None:
    with pytest.raises(ExampleError, match=rf"line 2: .*{text}"):
        parse_zone(f"; first\n{line}\n", "example.com")


def test_all_bad_lines_are_named_at_once() -> None:
    with pytest.raises(ExampleError, match=r"line 1: .*line 3: "):
        parse_zone("x\n\ny\n", "example.com")
