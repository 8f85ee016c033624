"""False alarms of the error test while both sides fail alike, counted with fixed seeds.

Every request fails, unless said otherwise: then the share is least known for each error.
"""

import random
from itertools import accumulate

import pytest

from proxy.cutover.error_test import ErrorTest, ErrorTestOptions

RUNS = 2000
#: One in a hundred, as `max_e_value` promises.
ALLOWED = RUNS // 100

Stages = list[tuple[int, int]]


def alarms(stages: Stages, runs: int, *, allowed_ratio: float = 1.0) -> int:
    """How many of *runs* end in an alarm; a stage is a percentage and its number of errors."""
    chance, options = random.Random(11), ErrorTestOptions(allowed_ratio=allowed_ratio)
    return sum(ends(ErrorTest(options, 100 * stages[0][0]), stages, chance) for _ in range(runs))


def ends(test: ErrorTest, stages: Stages, chance: random.Random) -> bool:
    for number, (percent, errors) in enumerate(stages):
        if number:
            test.moved(100 * percent)
        for _ in range(errors):
            if test.failed(chance.random() * 100 < percent, 0.0) is not None:
                return True
    return False


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([(1, 125), (5, 125), (25, 125), (50, 125)], id="ramp"),
        pytest.param([(5, 500)], id="5"),
        pytest.param([(25, 500)], id="25"),
        pytest.param([(50, 500)], id="50"),
    ],
)
def test_one_run_in_a_hundred_at_most_is_a_false_alarm(stages):
    assert alarms(stages, RUNS) <= ALLOWED


def test_the_simulation_sees_alarms_when_grpc_fails_more_often():
    chance = random.Random(12)
    options = ErrorTestOptions()
    seen = 0
    for _ in range(50):
        test = ErrorTest(options, 500)
        for _ in range(2000):
            test.answered(chance.random() < 0.05)
        seen += ends(test, [(20, 500)], chance)
    assert seen == 50


@pytest.mark.parametrize("percent", [5, 25])
def test_a_few_clients_with_most_of_the_requests_raise_no_false_alarm(percent):
    """Clients after Zipf's law: one of 1,000 makes an eighth of all requests.

    One request in ten fails on both sides. Whole clients are on a side, so that gRPC's share of the
    requests is anything but the percentage.
    """
    chance, runs = random.Random(13), 500
    clients = range(1000)
    weights = list(accumulate(1 / (rank + 1) for rank in clients))
    found = 0
    for _ in range(runs):
        on_grpc = [chance.random() * 100 < percent for _ in clients]
        test = ErrorTest(ErrorTestOptions(), percent * 100)
        for number, client in enumerate(chance.choices(clients, cum_weights=weights, k=5000)):
            if number % 10:
                test.answered(on_grpc[client])
            elif test.failed(on_grpc[client], 0.0) is not None:
                found += 1
                break
    assert found <= runs // 100


def test_failing_as_often_as_is_allowed_raises_no_false_alarm():
    chance, runs, found = random.Random(14), 500, 0
    for _ in range(runs):
        test = ErrorTest(ErrorTestOptions(allowed_ratio=2.0), 2500)
        for _ in range(1000):
            test.answered(chance.random() < 0.25)
        # Twice the errors of legacy: two fifths of all at a quarter of the requests.
        found += any(test.failed(chance.random() < 0.4, 0.0) is not None for _ in range(400))
    assert found <= runs // 100
