"""The bucket: a contract with every other process and version, and a fair draw."""

import json
from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.bucket import BUCKETS, bucket

VECTORS: Final[list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bucket.json").read_text(encoding="utf-8")
)["cases"]

#: Standard deviations that a share may be off. The keys are always the same, so a test that
#: passes once passes always; a hash that is no good is off by far more.
SIGMAS: Final = 4.0

#: Text as it comes from the wire: any bytes at all.
wire_text = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))


def off_by(hits: int, count: int, share: float) -> float:
    """How many standard deviations of a binomial *hits* of *count* is from *share*."""
    return abs(hits - count * share) / sqrt(count * share * (1 - share))


def test_there_are_fifty_vectors():
    assert len({(case["group"], case["key"]) for case in VECTORS}) == 50


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: ascii(case["key"][:20]))
def test_vector_has_its_bucket(case: dict[str, Any]):
    assert bucket(case["group"], case["key"]) == case["bucket"]


@pytest.mark.parametrize("case", [case for case in VECTORS if "key_hex" in case])
def test_bytes_that_are_no_text_are_hashed_as_they_came(case: dict[str, Any]):
    raw = bytes.fromhex(case["key_hex"])
    assert bucket(case["group"], raw.decode("utf-8", "surrogateescape")) == case["bucket"]


@given(wire_text, wire_text)
def test_whatever_is_sent_has_a_bucket(group: str, key: str):
    assert 0 <= bucket(group, key) < BUCKETS


@pytest.mark.parametrize(
    "spelling",
    ["{}", "user-{}", "{}@example.org", "00000000-0000-4000-8000-{:012x}", "10.0.{}"],
)
def test_the_share_is_within_binomial_error(spelling: str):
    keys = 100_000
    drawn = [bucket("records", spelling.format(number)) for number in range(keys)]
    for basis_points in (1, 50, 100, 500, 2_500, 5_000, 9_900, 9_999):
        hits = sum(number < basis_points for number in drawn)
        assert off_by(hits, keys, basis_points / BUCKETS) < SIGMAS, basis_points


def test_every_bucket_is_drawn_alike():
    keys = 200_000
    drawn = Counter(bucket("records", f"user-{number}") for number in range(keys))
    expected = keys / BUCKETS
    chi_squared = sum((drawn[each] - expected) ** 2 / expected for each in range(BUCKETS))
    # Mean and variance of chi-squared with n degrees of freedom are n and 2n.
    assert abs(chi_squared - (BUCKETS - 1)) < SIGMAS * sqrt(2 * (BUCKETS - 1))


@pytest.mark.parametrize(
    ("one", "other"), [("records", "zones"), ("records", "records2"), ("a", "b"), ("", "x")]
)
def test_groups_are_independent_of_each_other(one: str, other: str):
    keys, share = 50_000, 0.2
    limit = int(share * BUCKETS)
    both = sum(
        bucket(one, f"user-{number}") < limit and bucket(other, f"user-{number}") < limit
        for number in range(keys)
    )
    assert off_by(both, keys, share * share) < SIGMAS
