"""False alarms of the error test while both sides fail alike, counted with fixed seeds.

Millions of events are counted here, so they go through a short form of the test, which is first
held to the test itself, event by event.
"""

import random
from collections.abc import Iterator
from itertools import accumulate, islice

import pytest

from proxy.cutover.error_test import ErrorTest, ErrorTestOptions

RUNS = 2000
#: One in a hundred, as `max_e_value` promises.
ALLOWED = RUNS // 100

#: An error: the good requests before it, on gRPC and on legacy, and whether it was on gRPC.
Event = tuple[int, int, bool]
#: A percentage, and the errors while it lasts.
Stages = list[tuple[float, Iterator[Event]]]


def e_values(stages: Stages, allowed_ratio: float = 1.0) -> Iterator[float]:
    """The e-value after each event, by the text of `error_test`."""
    kept, moved = 0.1, 0.0
    b1 = b2 = b3 = b4 = b5 = b6 = 0.15
    for percent, events in stages:
        prior = min(80.0, max(20.0, 3.2 * percent))
        grpc, requests = prior * percent / 100, prior
        for good_grpc, good_legacy, on_grpc in events:
            grpc += good_grpc
            requests += good_grpc + good_legacy
            s = allowed_ratio * grpc / (requests - grpc + allowed_ratio * grpc)
            stake = min(kept - moved, 0.0002)
            kept -= moved + stake
            each = (moved + stake) / 6
            moved = 0.0
            if on_grpc:
                b1 = (b1 + each) * 1.5 / (1 + 0.5 * s)
                b2 = (b2 + each) * 2 / (1 + s)
                b3 = (b3 + each) * 4 / (1 + 3 * s)
                b4 = (b4 + each) * 8 / (1 + 7 * s)
                b5 = (b5 + each) * 16 / (1 + 15 * s)
                b6 = (b6 + each) * 64 / (1 + 63 * s)
                grpc += 1
                yield kept + b1 + b2 + b3 + b4 + b5 + b6
            else:
                b1 = (b1 + each) / (1 + 0.5 * s)
                b2 = (b2 + each) / (1 + s)
                b3 = (b3 + each) / (1 + 3 * s)
                b4 = (b4 + each) / (1 + 7 * s)
                b5 = (b5 + each) / (1 + 15 * s)
                b6 = (b6 + each) / (1 + 63 * s)
            requests += 1
        moved = kept / 4


def alarms(runs: Iterator[Stages], allowed_ratio: float = 1.0) -> int:
    """How many runs come to an e-value that would end them."""
    limit = ErrorTestOptions().max_e_value
    return sum(max(e_values(run, allowed_ratio), default=0.0) >= limit for run in runs)


def errors_only(chance: random.Random, share: float, count: int) -> Iterator[Event]:
    """Every request fails, on both sides: then the share is least known for each error."""
    draw = chance.random
    return ((0, 0, draw() < share) for _ in range(count))


def ramps(stages: list[tuple[float, int]], runs: int) -> Iterator[Stages]:
    chance = random.Random(11)
    for _ in range(runs):
        yield [(percent, errors_only(chance, percent / 100, count)) for percent, count in stages]


def by_the_test_itself(
    stages: list[tuple[float, list[Event]]], allowed_ratio: float
) -> Iterator[float]:
    """The e-values after errors on gRPC, by the test itself."""
    options = ErrorTestOptions(max_e_value=1e300, allowed_ratio=allowed_ratio)
    test = ErrorTest(options, round(100 * stages[0][0]))
    for number, (percent, events) in enumerate(stages):
        if number:
            test.moved(round(100 * percent))
        for good_grpc, good_legacy, on_grpc in events:
            for on_side in [True] * good_grpc + [False] * good_legacy:
                test.answered(on_side)
            test.failed(on_grpc, 0.0)
            if on_grpc:
                yield test.e_value


@pytest.mark.parametrize("allowed_ratio", [1.0, 2.0])
def test_the_short_form_is_the_test(allowed_ratio):
    chance = random.Random(10)
    for _ in range(20):
        stages = [
            (
                percent,
                [
                    (chance.randrange(3), chance.randrange(5), chance.random() < 0.3)
                    for _ in range(40)
                ],
            )
            for percent in (1.0, 5.0, 25.0, 50.0)
        ]
        short = list(e_values([(percent, iter(each)) for percent, each in stages], allowed_ratio))
        assert short == pytest.approx(list(by_the_test_itself(stages, allowed_ratio)), rel=1e-9)


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
    assert alarms(ramps(stages, RUNS)) <= ALLOWED


def test_alarms_are_counted_when_grpc_fails_more_often():
    chance = random.Random(12)
    runs: Iterator[Stages] = (
        [(5, ((1, 19, chance.random() < 0.2) for _ in range(500)))] for _ in range(200)
    )
    assert alarms(runs) == 200


def clients_after_zipf(chance: random.Random, percent: float) -> Iterator[Event]:
    """Requests of 1,000 clients, one in ten fails; the first client makes an eighth of them all.

    Whole clients are on a side, so that gRPC's share is anything but the percentage.
    """
    ranks = range(1000)
    weights = list(accumulate(1 / (rank + 1) for rank in ranks))
    on_grpc = [chance.random() * 100 < percent for _ in ranks]
    while True:
        failing, *others = chance.choices(ranks, cum_weights=weights, k=10)
        good = sum(on_grpc[rank] for rank in others)
        yield good, 9 - good, on_grpc[failing]


@pytest.mark.parametrize("percent", [5, 25])
def test_a_few_clients_with_most_of_the_requests_raise_no_false_alarm(percent):
    chance, count = random.Random(13), 300
    runs: Iterator[Stages] = (
        [(percent, islice(clients_after_zipf(chance, percent), 500))] for _ in range(count)
    )
    assert alarms(runs) <= count // 100


def is_false_alarm(chance: random.Random, exponent: float, clients: int, broken: float) -> bool:
    """Whether 3,000 requests at 25 % end the test, though the sides do not differ.

    The share *broken* of the clients, who make requests after Zipf's law, fails every other time.
    """
    ranks = range(clients)
    weights = list(accumulate((rank + 1) ** -exponent for rank in ranks))
    on_grpc = [chance.random() < 0.25 for _ in ranks]
    fails = [0.5 if chance.random() < broken else 0.0 for _ in ranks]
    test = ErrorTest(ErrorTestOptions(), 2500)
    for client in chance.choices(ranks, cum_weights=weights, k=3000):
        if chance.random() >= fails[client]:
            test.answered(on_grpc[client])
        elif test.failed(on_grpc[client], 0.0, client) is not None:
            return True
    return False


@pytest.mark.parametrize(
    ("exponent", "clients", "broken", "in_hundred"),
    [
        pytest.param(2.0, 100, 1.0, 2, id="a-few-clients-with-most-requests"),
        pytest.param(1.0, 1000, 0.02, 4, id="a-few-clients-that-fail"),
        pytest.param(1.0, 1000, 0.1, 15, id="many-clients-that-fail"),
    ],
)
def test_heavy_clients_raise_few_false_alarms(exponent, clients, broken, in_hundred):
    chance, count = random.Random(15), 200
    alarms = sum(is_false_alarm(chance, exponent, clients, broken) for _ in range(count))
    assert alarms <= in_hundred * count // 100


def test_failing_as_often_as_is_allowed_raises_no_false_alarm():
    """Twice the errors of legacy: two fifths of all, at a quarter of the requests."""
    chance, count = random.Random(14), 500
    runs: Iterator[Stages] = (
        [(25, ((1, 3, chance.random() < 0.4) for _ in range(400)))] for _ in range(count)
    )
    assert alarms(runs, allowed_ratio=2.0) <= count // 100
