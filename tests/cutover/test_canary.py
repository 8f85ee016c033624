"""What a canary goes by: header tests, lists, groups."""

import re

import pytest

from proxy.cutover.canary import Canary, HeaderMatch, ValueList
from proxy.cutover.sticky import ClientKey, CookieKey, HeaderKey
from tests.cutover.callers import caller

STICKY = (HeaderKey("x-user-id"),)
TENANTS = ValueList(HeaderKey("x-tenant"), frozenset({"acme", "globex"}))


@pytest.mark.parametrize(
    ("test", "passing", "failing"),
    [
        (HeaderMatch("x-canary", exact="always"), "always", "Always"),
        (HeaderMatch("x-canary", exact=""), "", "x"),
        (HeaderMatch("x-canary", prefix="al"), "always", "to al"),
        (HeaderMatch("x-canary", regex=re.compile("al|always")), "always", "always so"),
    ],
)
def test_header_passes_its_test(test: HeaderMatch, passing: str, failing: str):
    assert test.matches(caller(("X-Canary", passing)))
    assert not test.matches(caller(("X-Canary", failing)))
    assert not test.matches(caller())


@pytest.mark.parametrize("value", ["always", ""])
def test_presence_is_tested_whatever_the_value(value: str):
    there, away = caller(("x-canary", value)), caller()
    assert HeaderMatch("x-canary", present=True).matches(there)
    assert not HeaderMatch("x-canary", present=True).matches(away)
    assert HeaderMatch("x-canary", present=False).matches(away)
    assert not HeaderMatch("x-canary", present=False).matches(there)


def test_of_several_headers_the_first_is_tested():
    given = caller(("x-canary", "never"), ("x-canary", "always"))
    assert not HeaderMatch("x-canary", exact="always").matches(given)


@pytest.mark.parametrize(
    ("tests", "has"),
    [
        ({}, "none"),
        ({"exact": "a", "prefix": "b"}, "exact, prefix"),
        ({"regex": re.compile("a"), "present": False}, "regex, present"),
    ],
)
def test_header_match_without_exactly_one_test_is_refused(tests: dict[str, object], has: str):
    with pytest.raises(ValueError, match=f"x-canary needs one of .*; it has {has}$"):
        HeaderMatch("x-canary", **tests)


def test_list_has_those_that_its_source_names():
    assert TENANTS.has(caller(("x-tenant", "acme")))
    assert not TENANTS.has(caller(("x-tenant", "Acme")))
    assert not TENANTS.has(caller())
    assert ValueList(CookieKey("t"), frozenset({"acme"})).has(caller(("cookie", "t=acme")))
    assert ValueList(ClientKey(), frozenset({"192.0.2.7"})).has(caller())


def test_canary_forces_in_whoever_passes_one_of_its_tests():
    tests = (HeaderMatch("x-canary", exact="always"), HeaderMatch("x-beta", present=True))
    canary = Canary("records", STICKY, match=tests)
    assert canary.matches(caller(("x-canary", "never"), ("x-beta", "")))
    assert not canary.matches(caller(("x-canary", "never")))


def test_canary_without_lists_neither_forces_nor_denies_anybody():
    canary, given = Canary("records", STICKY), caller(("x-tenant", "acme"))
    assert not canary.matches(given)
    assert not canary.allows(given)
    assert not canary.denies(given)


def test_lists_hold_for_those_on_them():
    canary = Canary("records", STICKY, allow=TENANTS)
    assert canary.allows(caller(("x-tenant", "globex")))
    assert not canary.allows(caller(("x-tenant", "initech")))
    assert not canary.denies(caller(("x-tenant", "globex")))
    assert Canary("records", STICKY, deny=TENANTS).denies(caller(("x-tenant", "acme")))


@pytest.mark.parametrize("group", ["", "\0", "rec\0ords"])
def test_group_that_cannot_salt_a_hash_is_refused(group: str):
    with pytest.raises(ValueError, match="is no name of a group"):
        Canary(group, STICKY)
