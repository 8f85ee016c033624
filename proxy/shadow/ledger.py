"""What became of every eligible request: counted once, told to metrics and to the evidence.

Belongs here: the accounts of routes over all snapshots of a process, and whether they add up. Does
not: what a life is (`sample`), how counts are kept (`evidence`).
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from proxy.gate.evidence import Epoch, Observation, Outcome
from proxy.shadow.sample import Life, Lives

#: Seconds after which counts are told to metrics and evidence: together, since one batch costs what
#: one count would.
FLUSH_S: Final = 0.5


class Evidence(Protocol):
    """Takes what is to be kept; never blocks, never raises."""

    def put(self, observation: Observation) -> bool:
        """Keep an observation; False when there is no room for it."""
        ...

    def count(self, epoch: Epoch, outcome: Outcome, n: int = 1) -> None:
        """Keep that *n* mirrors came to *outcome*."""
        ...


class Tells(Protocol):
    """Counts lives where operators see them (`telemetry.Metrics`)."""

    def shadow(self, route: str, life: str, reason: str = "", count: int = 1) -> None:
        """Count *count* requests of *route* that came to *life*."""
        ...


class Timer(Protocol):
    """What `call_later` gives."""

    def cancel(self) -> None:
        """Do not call."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Account:
    """The lives of one route's requests in this process, whatever snapshots they began with.

    *capturing* requests are still being answered, *waiting* and *running* are mirrors.
    """

    __slots__ = ("capturing", "lives", "route", "running", "waiting")

    def __init__(self, route: str) -> None:
        self.route = route
        self.lives = Lives()
        self.capturing = 0
        self.waiting = 0
        self.running = 0

    def __repr__(self) -> str:
        now = f"capturing={self.capturing} waiting={self.waiting} running={self.running}"
        return f"<Account {self.route} {now}>"

    @property
    def imbalance(self) -> int:
        """By how much the equations of `Life` do not hold: 0, or there is a bug."""
        return self.lives.imbalance(self.capturing + self.waiting, self.running)


class Counts:
    """What is counted of one route in one epoch and has not been handed to the evidence yet."""

    __slots__ = ("_ledger", "_new", "account", "epoch")

    def __init__(self, ledger: "Ledger", account: Account, epoch: Epoch) -> None:
        self._ledger = ledger
        self._new: dict[tuple[Life, str], int] = {}
        self.account = account
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"<Counts of {self.epoch} new={sum(self._new.values())}>"

    def add(self, life: Life, reason: str = "") -> None:
        """Count one request that came to *life*; it is told of with the next `flush`.

        On the way of every eligible request: one dictionary, and nothing else.
        """
        new = self._new
        if not new:
            self._ledger.note(self)
        key = life, reason
        new[key] = new.get(key, 0) + 1

    def follow(self, epoch: Epoch) -> None:
        """Count for *epoch* from now on; what was counted before is of the one before."""
        if epoch != self.epoch:
            self.hand_over()
            self.epoch = epoch

    def hand_over(self) -> None:
        """Tell the account, the metrics and the evidence what is new."""
        new, self._new = self._new, {}
        account, metrics, evidence = self.account, self._ledger.metrics, self._ledger.evidence
        for (life, reason), count in new.items():
            account.lives.add(life, reason, count)
            metrics.shadow(account.route, life.value, reason, count)
            evidence.count(self.epoch, (life.value, str(reason)), count)


class Ledger:
    """All accounts of a process; counts go to *metrics* and to the *evidence* soon.

    Whoever reads metrics calls `flush` before.
    """

    def __init__(self, metrics: Tells, evidence: Evidence, call_later: CallLater) -> None:
        self.metrics = metrics
        self.evidence = evidence
        self._call_later = call_later
        self._accounts: dict[str, Account] = {}
        self._new: list[Counts] = []
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<Ledger routes={len(self._accounts)} imbalance={self.imbalance}>"

    @property
    def accounts(self) -> Iterable[Account]:
        """The accounts of all routes that were ever mirrored here, with all that was counted."""
        self.flush()
        return self._accounts.values()

    @property
    def imbalance(self) -> int:
        """The sum over all accounts, of all that was counted so far: 0, or there is a bug."""
        self.flush()
        return sum(account.imbalance for account in self._accounts.values())

    def account_of(self, route: str) -> Account:
        """The account of *route*; the same one whenever it is asked for."""
        if route not in self._accounts:
            self._accounts[route] = Account(route)
        return self._accounts[route]

    def counts_of(self, epoch: Epoch) -> Counts:
        """Where to count the requests of *epoch*."""
        return Counts(self, self.account_of(epoch.route), epoch)

    def note(self, counts: Counts) -> None:
        """Hand *counts* over soon: they have something new."""
        self._new.append(counts)
        if self._timer is None:
            self._timer = self._call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Hand over what is new, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        new, self._new = self._new, []
        for counts in new:
            counts.hand_over()
