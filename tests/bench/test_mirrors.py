"""What the bench of mirrors reads of its proxies, and that its judges see what is wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bench import shadow
from bench.figures import Figure
from bench.mirrors import lines
from bench.mirrors.pairs import Round, Side, run_pair, verdicts
from bench.stand.traffic import Kind, Record
from tests.bench.rendering import rendered

MS = 1_000
GOOD = Record("r-1", "read", 1 * MS, 1 * MS, 2 * MS, 200, "legacy", 4000, 7, False, "")
LIVES = {"eligible": 1.0, "sent": 1.0, "compared": 1.0}
QUIET = Round([GOOD], cpu_s=0.001, late=0.0, lives={})
MIRRORED = Round([GOOD], cpu_s=0.002, late=0.0, lives=LIVES)

SHOWN = """\
cutover_shadow_total{route="a",outcome="sent",reason=""} %(sent)d
cutover_shadow_total{route="b",outcome="sent",reason=""} %(sent)d
cutover_shadow_total{route="a",outcome="dropped",reason="cpu"} 3
cutover_shadow_compared_total{route="a",verdict="match"} 2
cutover_shadow_compared_total{route="a",verdict="match_with_rules"} 1
cutover_shadow_compared_total{route="a",verdict="mismatch"} 5
cutover_loop_lag_seconds_bucket{le="0.01"} 7
cutover_loop_lag_seconds_bucket{le="+Inf"} 9
"""


class FakeProcess:
    """Has used a second more of its processor whenever it is asked."""

    def __init__(self) -> None:
        self.used_s = 0.0

    def cpu_s(self) -> float:
        self.used_s += 1.0
        return self.used_s


class FakeService:
    """A proxy whose mirrors end when it is asked *busy* times whether they have."""

    address = "127.0.0.1:1"

    def __init__(self, busy: int = 0) -> None:
        self.process = FakeProcess()
        self.sent = 0
        self.busy = busy

    def get(self, _path: str) -> str:
        self.sent += 1
        return SHOWN % {"sent": self.sent}

    def metric(self, _name: str) -> float:
        self.busy = max(0, self.busy - 1)
        return float(self.busy)

    def wait_until(self, condition: Any, _failure: str) -> None:
        while not condition():
            pass


class FakeGround:
    """Answers every request well, and notes in which order proxies were loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def rate(self, address: str, kinds: Sequence[Kind], share: float) -> float:
        return 100.0 * share

    def quiet(self, address: str, kinds: Sequence[Kind], rate: float, for_s: float) -> list[Record]:
        self.loaded.append(f"{address} {rate:g}")
        return [GOOD, GOOD]


def side_of(*rounds: Round) -> Side:
    side = Side(FakeService())  # type: ignore[arg-type]
    side.rounds += rounds
    return side


def missed(figures: Iterator[Figure]) -> set[str]:
    return {figure.name for figure in figures if not figure.ok}


# --- what is read


def test_lives_are_summed_over_routes_and_reasons():
    side = side_of()
    assert side.lives() == {"sent": 2.0, "dropped": 3.0}
    assert (side.equal(), side.late()) == (3.0, 2.0)


def test_a_round_is_over_when_the_last_of_its_mirrors_is():
    service = FakeService(busy=5)
    side = Side(service)  # type: ignore[arg-type]
    side.round(FakeGround(), (), 50.0, 1.0)  # type: ignore[arg-type]
    assert service.busy == 0
    (found,) = side.rounds
    assert (found.cpu_s, found.cpu_us) == (1.0, 500_000.0)
    # Of what is shown only what is new counts.
    assert found.lives["dropped"] == 0.0
    assert found.lives["sent"] > 0.0
    assert side.total("sent") == found.lives["sent"]
    assert "rounds=1" in repr(side)


def test_both_are_loaded_in_turn_and_each_comes_first_as_often():
    ground, one, other = FakeGround(), FakeService(), FakeService()
    other.address = "127.0.0.1:2"
    without, with_ = run_pair(ground, one, other, rounds=4)  # type: ignore[arg-type]
    order = [loaded.split()[0][-1] for loaded in ground.loaded]
    assert order == ["1", "2", "2", "1", "1", "2", "2", "1"]
    assert {loaded.split()[1] for loaded in ground.loaded} == {"60"}
    assert len(without.rounds) == len(with_.rounds) == 4


# --- what is judged


def test_what_is_well_is_taken_for_well():
    assert missed(verdicts(side_of(QUIET), side_of(MIRRORED))) == set()


def test_slower_answers_are_seen():
    slow = GOOD._replace(done_us=GOOD.done_us + 2 * MS)
    found = verdicts(side_of(QUIET), side_of(replace(MIRRORED, records=[slow])))
    assert missed(found) == {"p99 with mirrors"}


@pytest.mark.parametrize("side", [0, 1])
def test_a_failed_request_is_seen(side: int):
    lost = GOOD._replace(status=502)
    rounds = [QUIET, MIRRORED]
    rounds[side] = replace(rounds[side], records=[lost])
    assert missed(verdicts(*map(side_of, rounds))) == {"requests that failed"}


def test_a_mirror_of_which_nobody_knows_is_seen():
    lives = {"eligible": 3.0, "sent": 1.0, "dropped": 1.0}
    found = verdicts(side_of(QUIET), side_of(replace(MIRRORED, lives=lives)))
    assert missed(found) == {"of which nobody knows what became"}


def test_a_proxy_that_mirrors_nothing_is_seen():
    assert missed(verdicts(side_of(QUIET), side_of(QUIET))) == {"requests that could be mirrored"}


# --- the bench


def test_the_bench_has_all_lines_and_shows_them_by_their_names():
    assert tuple(line.name for line in lines.LINES) == shadow.PARTS
    assert shadow.run(only=()) == []
    shown = rendered(shadow.table([Figure("hang: requests that failed", 0.0, "")]))
    assert "bench shadow" in shown
    assert "a mirror that never answers" in shown
