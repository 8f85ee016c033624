"""Headers to metadata and back: who passes, who never does, and what is legal."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.errors import LimitExceeded, RequestError
from proxy.transcoding.metadata import (
    allow_list,
    call_timeout_s,
    compile_request_metadata,
    compile_response_headers,
    is_denied,
    parse_timeout_s,
)

ALLOWED = ("authorization", "X-Request-Id", "trace-bin")
make = compile_request_metadata(ALLOWED)
back = compile_response_headers(ALLOWED)


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_what_is_not_allowed_does_not_pass():
    assert make(headers(("Cookie", "a=b"), ("X-Other", "1"))) == ()


def test_what_is_allowed_passes_in_lower_case_with_its_duplicates():
    got = make(headers(("Authorization", "Bearer x"), ("x-request-ID", "1"), ("X-Request-Id", "2")))
    assert got == (("authorization", "Bearer x"), ("x-request-id", "1"), ("x-request-id", "2"))


def test_a_prefixed_header_passes_without_its_prefix():
    assert make(headers(("grpc-metadata-X-Any", "1"))) == (("x-any", "1"),)


def test_the_prefix_can_be_turned_off():
    plain = compile_request_metadata(ALLOWED, prefixed=False)
    assert plain(headers(("Grpc-Metadata-X", "1"), ("Grpc-Metadata-Y-Bin", "%"))) == ()


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "TE",
        "Host",
        "Content-Type",
        "Content-Length",
        "grpc-timeout",
        "Grpc-Foo",
        ":path",
    ],
)
def test_names_of_the_hop_and_of_grpc_never_pass(name):
    assert is_denied(name.lower())
    assert make(headers((f"Grpc-Metadata-{name}", "x"), (name, "x"))) == ()
    with pytest.raises(ValueError, match=r"can never be passed|is not a metadata name"):
        compile_request_metadata([name])
    with pytest.raises(ValueError, match=r"can never be passed|is not a metadata name"):
        compile_response_headers([name])


@pytest.mark.parametrize("name", ["", "a b", "é", "a!b"])
def test_an_allow_list_has_metadata_names_only(name):
    with pytest.raises(ValueError, match="is not a metadata name"):
        allow_list([name])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AQI=", (b"\x01\x02",)),
        ("AQI", (b"\x01\x02",)),
        ("", (b"",)),
        ("AQI, AA==", (b"\x01\x02", b"\x00")),
    ],
)
def test_a_binary_value_is_decoded(text, expected):
    assert make(headers(("Trace-Bin", text))) == tuple(("trace-bin", raw) for raw in expected)


@pytest.mark.parametrize("text", ["A", "AQ=I", "%%%%", "a-_b", "é", "AQI=\n", "AQ I"])
def test_what_is_no_base64_is_400(text):
    with pytest.raises(RequestError, match=r'header "Trace-Bin".*base64') as caught:
        make(headers(("Trace-Bin", text)))
    assert caught.value.http_status == 400


@pytest.mark.parametrize("value", ["é", "a\tb", "\x7f", "\udcff", "a\r\nb", "\x00", "\u2028"])
@pytest.mark.parametrize("name", ["Authorization", "Grpc-Metadata-X"])
def test_a_value_that_metadata_cannot_carry_is_400_naming_the_header(name, value):
    with pytest.raises(RequestError, match=f'header "{name}".*printable ASCII') as caught:
        make(headers((name, value)))
    assert caught.value.http_status == 400


@pytest.mark.parametrize("name", ["Grpc-Metadata-", "Grpc-Metadata-a!b", "Grpc-Metadata-\udcff"])
def test_a_name_that_metadata_cannot_have_is_400(name):
    with pytest.raises(RequestError, match="its name has characters"):
        make(headers((name, "x")))


def test_the_size_of_all_metadata_is_limited():
    small = compile_request_metadata(ALLOWED, max_bytes=100)
    value = "x" * (100 - 32 - len("authorization"))
    assert small(headers(("Authorization", value)))
    with pytest.raises(LimitExceeded) as caught:
        small(headers(("Authorization", value + "x")))
    assert caught.value.http_status == 431
    with pytest.raises(LimitExceeded):
        small(headers(*[("Grpc-Metadata-a", "")] * 4))


names = st.one_of(
    st.sampled_from(["Authorization", "trace-bin", "Grpc-Metadata-X", "grpc-metadata-y-bin"]),
    st.text(max_size=20).map(lambda text: "Grpc-Metadata-" + text),
    st.text(max_size=20),
)


def pairs_or_refusal(view: CIMultiDictProxy[str]) -> tuple[tuple[str, str | bytes], ...]:
    try:
        return make(view)
    except (RequestError, LimitExceeded):
        return ()


@given(st.lists(st.tuples(names, st.text()), max_size=8))
def test_no_headers_make_an_illegal_pair_or_another_exception(pairs):
    for name, value in pairs_or_refusal(headers(*pairs)):
        assert re.fullmatch("[0-9a-z_.-]+", name)
        assert not is_denied(name)
        if name.endswith("-bin"):
            assert isinstance(value, bytes)
        else:
            assert isinstance(value, str)
            assert re.fullmatch("[ -~]*", value)


def test_response_headers_are_allowed_encoded_and_in_order():
    metadata = (
        ("x-request-id", "1"),
        ("secret", "2"),
        ("trace-bin", b"\x01\xff"),
        ("x-request-id", ""),
    )
    assert back(metadata) == (("x-request-id", "1"), ("trace-bin", "Af8="), ("x-request-id", ""))


def test_without_an_allow_list_nothing_comes_back():
    assert compile_response_headers(())((("x", "1"),)) == ()
    assert back(()) == ()


values = st.one_of(st.text(), st.binary())


@given(st.lists(st.tuples(st.sampled_from(["authorization", "trace-bin", "other"]), values)))
def test_no_metadata_can_split_an_answer(pairs):
    for name, value in back(tuple(pairs)):
        assert name in {"authorization", "trace-bin"}
        assert re.fullmatch("[ -~]*", value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600.0),
        ("2M", 120.0),
        ("3S", 3.0),
        ("250m", 0.25),
        ("5u", 5e-6),
        ("7n", 7e-9),
        ("0S", 0.0),
        ("99999999H", 99999999 * 3600.0),
    ],
)
def test_a_timeout_is_read(text, seconds):
    assert math.isclose(parse_timeout_s(text), seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "S", "1s", "-1S", "+1S", "1.5S", "1 S", "123456789S", "1SS", "²S", "1S\n"]
)
def test_a_malformed_timeout_is_400(text):
    with pytest.raises(RequestError, match="Grpc-Timeout") as caught:
        call_timeout_s(15.0, text)
    assert caught.value.http_status == 400


def test_the_route_caps_what_the_client_asks_for():
    assert call_timeout_s(15.0, "99999999H") == 15.0
    assert call_timeout_s(15.0, "100m") == 0.1
    assert call_timeout_s(15.0, None) == 15.0
