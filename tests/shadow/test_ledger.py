"""The accounts: told at once to metrics, soon to the evidence, and never twice."""

from collections.abc import Callable

from proxy.gate.evidence import Epoch
from proxy.routing.snapshot import Snapshot
from proxy.shadow.epochs import Versions
from proxy.shadow.ledger import FLUSH_S, Ledger
from proxy.shadow.sample import Life, Skip
from proxy.telemetry.metrics import Metrics
from tests.shadow.stand import FakeEvidence

EPOCH = Epoch("orders", "digest", "")


class Timers:
    """Takes what is to be called later; one that is cancelled is forgotten."""

    def __init__(self) -> None:
        self.waiting: list[Timer] = []

    def __call__(self, delay_s: float, act: Callable[[], None]) -> "Timer":
        self.waiting.append(Timer(self, delay_s, act))
        return self.waiting[-1]


class Timer:
    def __init__(self, timers: Timers, delay_s: float, act: Callable[[], None]) -> None:
        self._timers = timers
        self.delay_s = delay_s
        self.act = act

    def cancel(self) -> None:
        self._timers.waiting.remove(self)


def test_counts_are_handed_over_together_and_once():
    evidence, timers, metrics = FakeEvidence(), Timers(), Metrics()
    ledger = Ledger(metrics, evidence, timers)
    counts = ledger.counts_of(EPOCH)
    for _ in range(1000):
        counts.add(Life.ELIGIBLE)
        counts.add(Life.NOT_SAMPLED)
    assert [timer.delay_s for timer in timers.waiting] == [FLUSH_S]
    assert not evidence.counts
    timers.waiting[0].act()
    ledger.flush()
    assert 'cutover_shadow_total{route="orders"' in metrics.render()[1].decode()
    assert evidence.counts == {(EPOCH, ("eligible", "")): 1000, (EPOCH, ("not_sampled", "")): 1000}
    assert timers.waiting == []
    counts.add(Life.ELIGIBLE)
    counts.add(Life.SKIPPED, Skip.HEAD)
    ledger.flush()
    assert evidence.counts[EPOCH, ("skipped", "head")] == 1
    assert ledger.imbalance == 0


def test_what_was_counted_before_a_new_version_stays_with_the_old_one(shadowed: Snapshot):
    evidence = FakeEvidence()
    ledger, versions = Ledger(Metrics(), evidence, Timers()), Versions()
    route = next(each for each in shadowed.routes if each.name == "list-items")
    counts = ledger.counts_of(versions.epoch_of(route))

    def follow() -> None:
        counts.follow(versions.epoch_of(route))

    versions.watch(follow)
    counts.add(Life.ELIGIBLE)
    versions.seen("items", "2")
    counts.add(Life.NOT_SAMPLED)
    versions.seen("items", "2")
    versions.seen("others", "7")
    ledger.flush()
    told = {(epoch.version, life): n for (epoch, (life, _)), n in evidence.counts.items()}
    assert told == {("", "eligible"): 1, ("2", "not_sampled"): 1}
    versions.forget(follow)
    versions.forget(follow)
    versions.seen("items", "3" * 1000)
    assert counts.epoch.version == "2"
    assert len(versions.epoch_of(route).version) <= 200
    assert "items" in repr(versions)


def test_an_account_that_does_not_add_up_is_told_of():
    ledger = Ledger(Metrics(), FakeEvidence(), Timers())
    counts = ledger.counts_of(EPOCH)
    counts.add(Life.ELIGIBLE)
    assert ledger.imbalance == 1
    counts.account.capturing += 1
    assert ledger.imbalance == 0
    counts.account.capturing -= 1
    counts.add(Life.SENT)
    assert ledger.imbalance == 1
    counts.account.running += 1
    assert ledger.imbalance == 0
    assert "running=1" in repr(counts.account)
    assert ledger.account_of("orders") is counts.account


def test_lives_of_several_snapshots_are_of_one_account():
    ledger = Ledger(Metrics(), FakeEvidence(), Timers())
    one, other = ledger.counts_of(EPOCH), ledger.counts_of(Epoch("orders", "another"))
    one.add(Life.ELIGIBLE)
    other.add(Life.NOT_SAMPLED)
    assert ledger.imbalance == 0
    assert list(ledger.accounts) == [one.account]
    assert "another" in repr(other)
    assert "routes=1" in repr(ledger)
