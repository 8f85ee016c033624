"""The shadow bench in short: whatever is behind the mirrors, requests are answered and counted."""

import pytest

from bench.faults.ground import Ground
from bench.mirrors import lines
from tests.scenarios.judging import missed

SHORT = {"rounds": 1, "round_s": 1.5}


def test_answers_of_a_healthy_mirror_are_compared_and_every_one_is_accounted_for(ground: Ground):
    assert missed(lines.healthy(ground, **SHORT)) == []


def test_answers_of_400_kb_are_compared_beside_the_event_loop(ground: Ground):
    assert missed(lines.large(ground, **SHORT)) == []


@pytest.mark.parametrize("behaviour", ["hang", "break", "flood"])
def test_a_mirror_that_goes_wrong_with_every_call_fails_no_request(ground: Ground, behaviour: str):
    assert missed(lines.broken(ground, behaviour, **SHORT)) == []


def test_every_mirror_that_hangs_comes_to_its_end(ground: Ground):
    assert missed(lines.memory(ground, hung=30, steps=2, round_s=1.0)) == []
