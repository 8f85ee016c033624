"""Percent-decoding: the vectors, every byte, and what is refused."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.transcoding.percent import (
    PercentError,
    Unescape,
    decode_multi_segment,
    decode_query,
    decode_segment,
    keep_bad_escapes,
    literal_key,
)
from proxy.transcoding.template import parse_template
from tests.vector_tables import Case, select

#: A NUL is refused before any upstream sees it: a C string ends there, so the two sides of a
#: migration would not read the same name.
NUL: Final = "we refuse a NUL"

VECTORS: Final = select(
    "decoding",
    accepted={
        "unescape": [mode.value for mode in Unescape],
        "bad_escape": ["error", "literal"],
        "plus": ["space", "literal"],
        "no_equals": ["empty"],
    },
    refused=["literal_after_double_wildcard"],
    departures={
        "dec-path-single-ascii-row-0-lower-8a1fc2": NUL,
        "dec-path-multi-ascii-row-0-lower-137bd9": NUL,
        "dec-path-multi-ascii-row-0-upper-609693": NUL,
        "dec-path-nul-byte-789e40": NUL,
        "dec-query-newline-and-nul-2d4109": NUL,
    },
)


def modes(case: Case) -> list[Unescape]:
    """The modes in which the case holds: those it names, or all."""
    named = case.options.get("unescape", [mode.value for mode in Unescape])
    return [Unescape(name) for name in ([named] if isinstance(named, str) else named)]


def path_values(case: Case, unescape: Unescape) -> dict[str, str]:
    """What the variables of the template take from the path; the path fits, it is not matched."""
    segments = case["path"][1:].split("/")
    values = {}
    for variable in parse_template(case["template"]).variables:
        end = len(segments) + 1 + variable.end if variable.end < 0 else variable.end
        raw = "/".join(segments[variable.start : end])
        if case.options.get("bad_escape") == "literal":
            raw = keep_bad_escapes(raw)
        values[".".join(variable.field_path)] = (
            decode_segment(raw) if variable.single_segment else decode_multi_segment(raw, unescape)
        )
    return values


def query_pairs(case: Case) -> list[list[str]]:
    plus_is_space = case.options.get("plus", "space") == "space"
    keep = keep_bad_escapes if case.options.get("bad_escape") == "literal" else str
    pieces = [piece.partition("=") for piece in case["query"].split("&") if piece]
    return [
        [decode_query(keep(text), plus_is_space=plus_is_space) for text in (name, value)]
        for name, _, value in pieces
    ]


@VECTORS.where(lambda case: case["where"] == "path" and "values" in case["expect"]).parametrize
def test_path_vector_decodes(case: Case) -> None:
    for mode in modes(case):
        assert path_values(case, mode) == case["expect"]["values"]


@VECTORS.where(lambda case: case["where"] == "path" and "error" in case["expect"]).parametrize
def test_path_vector_is_refused(case: Case) -> None:
    for mode in modes(case):
        with pytest.raises(PercentError):
            path_values(case, mode)


@VECTORS.where(lambda case: case["where"] == "query" and "pairs" in case["expect"]).parametrize
def test_query_vector_decodes(case: Case) -> None:
    assert query_pairs(case) == case["expect"]["pairs"]


@VECTORS.where(lambda case: case["where"] == "query" and "error" in case["expect"]).parametrize
def test_query_vector_is_refused(case: Case) -> None:
    with pytest.raises(PercentError):
        query_pairs(case)


def test_vectors_are_left_out_for_known_reasons_only() -> None:
    assert set(VECTORS.left_out.values()) == {
        NUL,
        "needs literal_after_double_wildcard",
        "no_equals is drop",
    }
    assert len(VECTORS.cases) == 75


@pytest.mark.parametrize("decode", [decode_segment, decode_multi_segment, decode_query])
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("a%zzb", "'%zz' is no percent-encoding"),
        ("a%2", "'%2' is no percent-encoding"),
        ("a%", "'%' is no percent-encoding"),
        ("%%41", "'%%4' is no percent-encoding"),
        ("%u0041", "'%u0' is no percent-encoding"),
        ("%ff", "the text is not UTF-8"),
        ("%C0%AF", "the text is not UTF-8"),
        ("%ED%A0%80", "the text is not UTF-8"),
        ("\udcff", "the text is not UTF-8"),
        ("a%00b", "a NUL character is not allowed"),
        ("a\0b", "a NUL character is not allowed"),
    ],
)
def test_text_that_servers_read_differently_is_refused(
    decode: Callable[[str], str], raw: str, message: str
) -> None:
    with pytest.raises(PercentError) as caught:
        decode(raw)
    assert str(caught.value) == message


RESERVED: Final = "!#$&'()*+,/:;=?@[]"


@pytest.mark.parametrize("number", range(1, 128))
@pytest.mark.parametrize("spelling", ["%{:02x}", "%{:02X}"])
def test_each_ascii_escape_is_decoded_or_kept_by_the_mode(number: int, spelling: str) -> None:
    raw, character = spelling.format(number), chr(number)
    assert decode_segment(raw) == decode_query(raw) == character
    assert decode_multi_segment(raw, Unescape.ALL) == character
    assert decode_multi_segment(raw) == (raw if character == "/" else character)
    kept = raw if character in RESERVED else character
    assert decode_multi_segment(raw, Unescape.ALL_EXCEPT_RESERVED) == kept


STEADY: Final = settings(derandomize=True, deadline=None)
TEXTS: Final = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@STEADY
@given(TEXTS)
def test_whatever_a_client_encodes_comes_back(text: str) -> None:
    encoded = quote(text, safe="")
    assert decode_segment(encoded) == decode_query(encoded) == text
    assert literal_key(encoded) == text
    if "/" not in text:
        assert decode_multi_segment(encoded) == text


def slashes_decoded(text: str) -> str:
    return text.replace("%2F", "/").replace("%2f", "/")


@STEADY
@given(st.text(alphabet="%2fF5Ba/é\udce9 ", max_size=12))
def test_any_text_is_decoded_or_refused_and_kept_escapes_survive(raw: str) -> None:
    try:
        whole = decode_segment(raw)
    except PercentError:
        for mode in Unescape:
            with pytest.raises(PercentError):
                decode_multi_segment(raw, mode)
    else:
        assert slashes_decoded(decode_multi_segment(raw)) == slashes_decoded(whole)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("zones", "zones"),
        ("%7aones", "zones"),
        ("a%2fb", "a/b"),
        ("%E4%B8%96", "世"),
        ("世", "世"),
        ("%ff", "\udcff"),
        ("\udcff", "\udcff"),
        ("%zz", None),
        ("%", None),
    ],
)
def test_literals_are_compared_without_their_escapes(raw: str, key: str | None) -> None:
    assert literal_key(raw) == key


def test_literal_that_only_looks_like_a_broken_escape_is_not_mixed_up_with_one() -> None:
    assert literal_key("%25zz") == "%zz"
    assert literal_key("%zz") is None


@pytest.mark.parametrize(
    ("before", "flag", "after"),
    [
        (Unescape.ALL_EXCEPT_RESERVED, True, Unescape.ALL_EXCEPT_SLASH),
        (Unescape.ALL_EXCEPT_RESERVED, False, Unescape.ALL_EXCEPT_RESERVED),
        (Unescape.ALL_EXCEPT_SLASH, True, Unescape.ALL_EXCEPT_SLASH),
        (Unescape.ALL, False, Unescape.ALL),
    ],
)
def test_fully_decode_reserved_expansion_lifts_the_older_reading(
    before: Unescape, flag: bool, after: Unescape
) -> None:
    assert before.with_full_expansion(flag) is after
