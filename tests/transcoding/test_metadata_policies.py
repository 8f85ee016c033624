"""Headers and metadata as the peers pass them: what nobody named one by one must do no harm."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.errors import LimitExceeded, RequestError
from proxy.transcoding.forwarding import HOP_BY_HOP, Arrival
from proxy.transcoding.metadata import is_denied, is_metadata_name
from proxy.transcoding.metadata_policies import (
    PERMANENT,
    origin_metadata,
    request_metadata,
    response_headers,
    trailer_headers,
)

STEADY: Final = settings(derandomize=True, deadline=None)
POLICIES = ("grpc-gateway", "all")


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize("policy", ["list", *POLICIES])
@pytest.mark.parametrize("name", [*sorted(HOP_BY_HOP), "host", "content-length", "grpc-status"])
def test_no_policy_passes_what_belongs_to_a_hop_or_to_grpc(policy, name: str):
    assert request_metadata(policy, [])(headers((name, "1"))) == ()
    assert response_headers("all", [])(((name, "1"),)) == ()
    assert response_headers("grpc-gateway", [])(((name, "1"),)) == ()


@pytest.mark.parametrize("policy", ["list", *POLICIES])
@pytest.mark.parametrize("name", ["Cookie", "Grpc-Metadata-Cookie"])
def test_what_is_withheld_passes_by_no_policy(policy, name: str):
    make = request_metadata(policy, ["cookie"], withheld={"cookie"})
    assert make(headers((name, "1"))) == ()


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-forwarded-proto"])
def test_clients_cannot_say_where_they_are_when_all_passes(name: str):
    assert request_metadata("all", [])(headers((name, "203.0.113.9"))) == ()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded"])
def test_clients_cannot_say_where_they_are_by_a_prefix_or_a_list(policy, name: str):
    """A server that takes the first of two values would believe them."""
    make = request_metadata(policy, [name])
    assert make(headers((f"Grpc-Metadata-{name}", "192.0.2.66"), (name, "192.0.2.66"))) == ()


def test_headers_that_the_connection_names_do_not_pass_with_all_others():
    given = headers(("Connection", "close, X-Hop"), ("X-Hop", "1"), ("X-Far", "2"))
    assert request_metadata("all", [])(given) == (("x-far", "2"),)


def test_duplicates_pass_in_their_order_and_named_headers_once():
    make = request_metadata("all", ["x-a"])
    assert make(headers(("X-A", "1"), ("x-b", "2"), ("x-a", "3"))) == (
        *(("x-a", "1"), ("x-b", "2"), ("x-a", "3")),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-odd", "größe"), ("x-odd", "a\x7f"), ("x*odd", "1"), ("x-odd-bin", "no base64!")],
)
def test_what_metadata_cannot_carry_is_left_out_unless_it_is_named(name: str, value: str):
    assert request_metadata("all", [])(headers((name, value))) == ()
    if is_metadata_name(name):
        with pytest.raises(RequestError):
            request_metadata("all", [name])(headers((name, value)))


def test_binary_headers_are_decoded_by_every_policy():
    assert request_metadata("all", [])(headers(("Sign-Bin", "AQI"))) == (("sign-bin", b"\x01\x02"),)


@pytest.mark.parametrize("policy", POLICIES)
def test_too_much_is_refused_and_not_cut(policy):
    make = request_metadata(policy, [])
    with pytest.raises(LimitExceeded) as caught:
        make(headers(("Cookie", "x" * 9000)))
    assert caught.value.http_status == 431


@pytest.mark.parametrize("name", sorted(PERMANENT))
def test_a_permanent_header_passes_with_its_prefix_alone(name: str):
    assert request_metadata("grpc-gateway", [])(headers((name, "1"))) == (
        *((f"grpcgateway-{name}", "1"),),
    )


NAMES = st.text(alphabet="abtexr-_.:*é", max_size=12)


@STEADY
@given(
    st.sampled_from(["list", *POLICIES]),
    st.lists(st.tuples(NAMES, st.text(max_size=8)), max_size=6),
)
def test_any_headers_make_legal_metadata(policy, pairs: list[tuple[str, str]]):
    for name, value in request_metadata(policy, [])(headers(*pairs)):
        assert is_metadata_name(name)
        assert not is_denied(name)
        assert isinstance(value, bytes) or (value.isascii() and value.isprintable())


@STEADY
@given(st.sampled_from(POLICIES), st.lists(st.tuples(NAMES, st.text(max_size=8)), max_size=6))
def test_any_metadata_makes_legal_headers(policy, pairs: list[tuple[str, str]]):
    for name, value in response_headers(policy, [])(tuple(pairs)):
        assert not is_denied(name) or name.startswith("grpc-metadata-")
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("name", ["date", "server", "x-cutover-side", "x-cutover-fallback"])
def test_a_server_cannot_speak_for_the_proxy(name: str):
    assert response_headers("all", [])(((name, "1"), ("x-a", "2"))) == (("x-a", "2"),)


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ((), False),
        ((("TE", "trailers"),), True),
        ((("te", "Trailers"),), True),
        ((("TE", "gzip"), ("TE", "trailers ;q=1")), True),
        ((("TE", "xtrailers, trailersx"),), False),
    ],
)
def test_trailers_are_for_clients_that_ask(said: tuple[tuple[str, str], ...], *, takes: bool):
    make = trailer_headers("all", "asked", [])
    assert bool(make((("x-sum", "1"),), headers(*said))) is takes


@pytest.mark.parametrize(("hops", "expected"), [(0, "192.0.2.7"), (1, "203.0.113.9, 192.0.2.7")])
def test_the_origin_is_what_trusted_hops_say(hops: int, expected: str):
    arrival = Arrival("192.0.2.7", "http", "api.example")
    pairs = dict(origin_metadata(headers(("X-Forwarded-For", "203.0.113.9")), arrival, hops))
    assert pairs == {"x-forwarded-for": expected, "x-forwarded-host": "api.example"}


def test_an_origin_that_metadata_cannot_carry_is_left_out():
    pairs = origin_metadata(headers(), Arrival("192.0.2.7", "http", "größe"), 0)
    assert dict(pairs) == {"x-forwarded-for": "192.0.2.7"}
