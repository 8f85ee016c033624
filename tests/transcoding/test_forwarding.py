"""Hop-by-hop headers and the trusted-hops rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.transcoding.forwarding import (
    HOP_BY_HOP,
    Arrival,
    client_address,
    end_to_end,
    request_headers,
)

ARRIVAL = Arrival("10.0.0.1", "http", "api.example:8080")


def own(headers, trusted_hops=0, arrival=ARRIVAL) -> dict[str, str]:
    return dict(request_headers(headers, arrival, trusted_hops=trusted_hops)[-4:])


def test_order_case_and_duplicates_are_kept():
    pairs = [("x-B", "1"), ("X-a", "2"), ("X-B", "3"), ("Cookie", "c")]
    assert end_to_end(pairs) == pairs
    assert request_headers(pairs, ARRIVAL)[:4] == pairs


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_headers_of_one_hop_are_dropped_in_any_case(name):
    assert end_to_end([(name.upper(), "x"), ("A", "1"), (name, "y")]) == [("A", "1")]


def test_headers_named_by_connection_are_dropped():
    pairs = [("X-Hop", "1"), ("Connection", "close, X-HOP"), ("connection", " y "), ("Y", "2")]
    assert end_to_end([*pairs, ("Z", "3")]) == [("Z", "3")]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Authorization",
        "Cookie",
        "Content-Length",
        "X-Forwarded-For",
        "X-Forwarded-Anything",
        "Forwarded",
        "traceparent",
        "Set-Cookie",
    ],
)
def test_connection_cannot_remove_what_others_rely_on(name):
    assert end_to_end([(name, "x"), ("Connection", name)]) == [(name, "x")]


def test_without_trust_the_clients_word_is_replaced():
    spoofed = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=1.1.1.1"),
    ]
    got = request_headers([*spoofed, ("A", "1")], ARRIVAL)
    assert got == [
        ("A", "1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.example:8080"),
        ("Forwarded", 'for=10.0.0.1;host="api.example:8080";proto=http'),
    ]


@pytest.mark.parametrize(
    ("said", "hops", "expected", "client"),
    [
        (["a, b, c"], 1, "c, 10.0.0.1", "c"),
        (["a, b, c"], 2, "b, c, 10.0.0.1", "b"),
        (["a", "b , ,c"], 2, "b, c, 10.0.0.1", "b"),
        (["a"], 3, "a, 10.0.0.1", "a"),
        ([], 2, "10.0.0.1", "10.0.0.1"),
        ([" , "], 1, "10.0.0.1", "10.0.0.1"),
        (["a, b"], 0, "10.0.0.1", "10.0.0.1"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_kept(said, hops, expected, client):
    pairs = [("X-Forwarded-For", value) for value in said]
    assert own(pairs, hops)["X-Forwarded-For"] == expected
    assert client_address(pairs, "10.0.0.1", trusted_hops=hops) == client


def test_a_trusted_proxy_says_how_the_client_came():
    said = [("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example")]
    got = own(said, 1)
    assert (got["X-Forwarded-Proto"], got["X-Forwarded-Host"]) == ("https", "www.example")


def test_forwarded_elements_are_split_outside_quotes_only():
    said = [("Forwarded", 'for="a,b";host="x\\"y", for=c'), ("forwarded", "for=d")]
    assert own(said, 2)["Forwarded"].startswith("for=c, for=d, for=10.0.0.1;")
    assert own(said, 3)["Forwarded"].startswith('for="a,b";host="x\\"y", for=c, ')


def test_addresses_and_hosts_are_quoted_where_they_must_be():
    got = own([], 0, Arrival("2001:db8::1", "https", 'h"\\'))
    assert got["X-Forwarded-For"] == "2001:db8::1"
    assert got["Forwarded"] == 'for="[2001:db8::1]";host="h\\"\\\\";proto=https'


def test_a_peer_without_an_address_is_unknown():
    got = own([], 0, Arrival("", "http", "h"))
    assert got["X-Forwarded-For"] == "unknown"
    assert got["Forwarded"] == "for=unknown;host=h;proto=http"


@given(st.lists(st.tuples(st.text(), st.text())), st.integers(0, 3))
def test_any_headers_pass_with_exactly_one_hop_added(pairs, hops):
    got = request_headers(pairs, ARRIVAL, trusted_hops=hops)
    assert [name for name, _ in got[-4:]] == [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "Forwarded",
    ]
    assert not {name.lower() for name, _ in got} & HOP_BY_HOP
