"""The sticky key: where it is read, and what hostile requests get of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.sticky import (
    MAX_KEY_CHARACTERS,
    ClientKey,
    CookieKey,
    HeaderKey,
    QueryKey,
    StickySource,
    sticky_key,
)
from proxy.transcoding.query import MAX_PARAMETERS
from tests.cutover.callers import caller

LONGEST = "k" * MAX_KEY_CHARACTERS

wire_text = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def cookie(*lines: str, name: str = "sid") -> str | None:
    return CookieKey(name).of(caller(*(("Cookie", line) for line in lines)))


def parameter(query: str, name: str = "user") -> str | None:
    return QueryKey(name).of(caller(query=query))


@pytest.mark.parametrize("name", ["X-User-Id", "x-user-id", "X-USER-ID"])
def test_header_is_found_in_any_case(name: str):
    assert HeaderKey("x-user-id").of(caller((name, "u-1"))) == "u-1"


def test_of_several_headers_the_first_counts():
    given = caller(("x-user-id", "one"), ("X-User-Id", "two"))
    assert HeaderKey("x-user-id").of(given) == "one"


def test_first_header_that_is_empty_does_not_make_room_for_the_second():
    assert HeaderKey("x-user-id").of(caller(("x-user-id", ""), ("x-user-id", "two"))) is None


def test_header_value_is_taken_as_it_came():
    assert HeaderKey("x-user-id").of(caller(("x-user-id", "a%20b, caf\udce9"))) == (
        "a%20b, caf\udce9"
    )


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("sid=abc", "abc"),
        ("theme=dark; sid=abc; lang=de", "abc"),
        ("theme=dark;sid=abc;lang=de", "abc"),
        ("theme=dark;\t sid \t=\t abc \t; lang=de", "abc"),
        ("  sid=abc", "abc"),
        ("sid=a=b==", "a=b=="),
        ("sid=a%20b+c", "a%20b+c"),
        ('sid="abc"', "abc"),
        ('sid=" abc "', " abc "),
        ('sid="abc', '"abc'),
        ('sid="', '"'),
        ("sid=one; sid=two", "one"),
        ("xsid=no; sidx=no; sid=yes", "yes"),
        ("SID=no; sid=yes", "yes"),
        ("sid; sid=yes", "yes"),
        (";;; ; sid=yes;", "yes"),
        ("=sid; sid=yes", "yes"),
        ('a="x; sid=yes"', 'yes"'),
        ("theme=\x00\x01\udcff; sid=yes", "yes"),
        ("sid=caf\udce9", "caf\udce9"),
    ],
)
def test_cookie_is_found_among_what_surrounds_it(line: str, key: str):
    assert cookie(line) == key


@pytest.mark.parametrize(
    "line",
    ["", "sid", "sid=", "sid= ", 'sid=""', "sid=; sid=two", "SID=abc", "theme=sid=abc", "; ; ;"],
)
def test_cookie_that_is_not_there_gives_no_key(line: str):
    assert cookie(line) is None


def test_cookies_may_be_spread_over_several_headers():
    # As HTTP/2 allows (RFC 9113 §8.2.3), and a proxy in front may pass them on.
    assert cookie("theme=dark", "sid=one", "sid=two") == "one"


def test_name_of_a_cookie_is_no_pattern():
    assert cookie("sxid=no; s.id=yes", name="s.id") == "yes"


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("user=joe", "joe"),
        ("a=1&user=joe&b=2", "joe"),
        ("user=joe%20x", "joe x"),
        ("user=joe+x", "joe x"),
        ("user=joe%2Bx", "joe+x"),
        ("us%65r=joe", "joe"),
        ("user=caf%C3%A9", "café"),
        ("user=a=b", "a=b"),
        ("user=one&user=two", "one"),
        ("us%65r=one&user=two", "one"),
        ("&&user=joe", "joe"),
        ("users=no&user=joe", "joe"),
        ("user=joe&broken=%zz", "joe"),
        ("broken=%zz&user=joe", "joe"),
    ],
)
def test_parameter_is_decoded_as_for_a_field(query: str, key: str):
    assert parameter(query) == key


@pytest.mark.parametrize(
    "query",
    [
        "",
        "user",
        "user=",
        "user=&user=two",
        "User=joe",
        "user=%zz",
        "user=%ff",
        "user=%00",
        "user=%ED%A0%80",
        "%zz=1&user=joe",
        "user=\udcff",
    ],
)
def test_parameter_that_cannot_be_read_gives_no_key(query: str):
    assert parameter(query) is None


def test_name_with_a_space_is_found_in_either_spelling():
    assert parameter("user+id=joe", name="user id") == "joe"
    assert parameter("user%20id=joe", name="user id") == "joe"
    assert parameter("user+id=joe", name="user+id") is None


def test_parameters_past_the_limit_are_not_looked_at():
    before = "&".join(["a=1"] * (MAX_PARAMETERS - 1))
    assert parameter(f"{before}&user=joe&b=2") == "joe"
    assert parameter(f"{before}&a=1&user=joe") is None


def test_client_is_known_by_its_address():
    assert ClientKey().of(caller(client_address="2001:db8::7")) == "2001:db8::7"
    assert ClientKey().of(caller(client_address="")) is None


@pytest.mark.parametrize("source", [HeaderKey("x"), CookieKey("x"), QueryKey("x")])
def test_longest_key_counts_and_a_longer_one_is_none(source: StickySource):
    for text, key in ((LONGEST, LONGEST), (LONGEST + "k", None)):
        given = caller(("x", text), ("cookie", f"x={text}"), query=f"x={text}")
        assert source.of(given) == key


def test_first_source_that_has_a_key_gives_it():
    sources = (HeaderKey("x-user-id"), CookieKey("sid"), QueryKey("user"), ClientKey())
    everything = [("x-user-id", "header"), ("cookie", "sid=cookie")]
    assert sticky_key(sources, caller(*everything, query="user=query")) == "header"
    assert sticky_key(sources, caller(*everything[1:], query="user=query")) == "cookie"
    assert sticky_key(sources, caller(query="user=query")) == "query"
    assert sticky_key(sources, caller()) == "192.0.2.7"
    assert sticky_key(sources[::-1], caller(*everything)) == "192.0.2.7"
    assert sticky_key(sources[:3], caller()) is None
    assert sticky_key((), caller(*everything)) is None


@given(wire_text, wire_text, wire_text)
def test_no_request_makes_a_source_raise_or_give_what_is_no_key(header: str, line: str, query: str):
    given = caller(("sid", header), ("cookie", line), query=query)
    for source in (HeaderKey("sid"), CookieKey("sid"), QueryKey("sid"), ClientKey()):
        key = source.of(given)
        assert key is None or 0 < len(key) <= MAX_KEY_CHARACTERS


cookie_text = st.text('ab=;" \tsid', max_size=60)


@given(cookie_text)
def test_cookie_is_the_one_that_a_plain_reading_finds(line: str):
    pieces = [piece.partition("=") for piece in line.split(";")]
    values = [
        value.strip(" \t") for name, sep, value in pieces if sep and name.strip(" \t") == "sid"
    ]
    quoted = values and len(values[0]) > 1 and values[0][0] == values[0][-1] == '"'
    plain = values[0][1:-1] if quoted else next(iter(values), "")
    assert cookie(line) == (plain or None)


@pytest.mark.parametrize(
    "piece", [";", " ", "; ", "sid", "sid ", ";sid", "; sid ", '"', "a=b; ", "=", "\t"]
)
def test_huge_cookie_is_read_in_time_that_grows_with_its_length(piece: str):
    # A quadratic reading of this would not end while anybody waits.
    line = piece * (2_000_000 // len(piece))
    assert cookie(line) is None
    assert cookie(f"{line};sid=abc") == "abc"
