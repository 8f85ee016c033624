import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gate.words import at_least_text, at_most_text, duration_text, share_text


def read(text: str) -> float:
    return float(text.removesuffix(" %")) / 100


@given(st.floats(1e-9, 1))
def test_rounding_never_crosses_a_limit(share: float) -> None:
    slack = 1e-11  # in which a share is taken for the round number that it is meant to be
    assert read(at_least_text(share)) - slack <= share <= read(at_most_text(share)) + slack
    assert read(at_least_text(share)) <= read(share_text(share)) <= read(at_most_text(share))


@given(st.integers(0, 10_000))
def test_a_whole_number_of_basis_points_reads_as_itself(points: int) -> None:
    share = points / 10_000
    texts = {share_text(share), at_most_text(share), at_least_text(share)}
    assert texts == {f"{points // 100}.{points % 100:02}".rstrip("0").rstrip(".") + " %"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0ms"),
        (0.000889, "0.88ms"),
        (0.5, "500ms"),
        (119.99, "119.99s"),
        (7_199.0, "119m"),
        (86_399.9, "23.9h"),
        (259_200.0, "3d"),
        (950_400.0, "11d"),
    ],
)
def test_a_duration_never_reads_longer_than_it_is(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
