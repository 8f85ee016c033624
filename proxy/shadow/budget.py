"""What mirrors may use of a process: requests per second, processor time, memory.

Belongs here: counting it. Does not: what happens to a mirror for which there is none left (`pool`).
Clocks are monotonic, in seconds.
"""

from collections.abc import Callable
from typing import Final

#: Seconds for which processor time is saved up. What is saved may be used at once, while requests
#: wait: for not much longer than one large step takes.
_CPU_BURST_S: Final = 0.1
#: Seconds between two looks at how busy the core is.
_LOOK_S: Final = 0.1
#: What work takes in all, in terms of its steps: sampling, keeping a request and its answer, the
#: callbacks of connections and the writing of evidence are not measured one by one. The bench of
#: mirrors measures the sum, and holds it to the budget.
_WHOLE: Final = 1.5
#: How much the last piece of work counts for what the next one is expected to take.
_EXPECTED_SHARE: Final = 1 / 16


class Rate:
    """At most *per_s* a second, evenly; a second's worth at once, and at least one."""

    __slots__ = ("_clock", "_last_s", "_most", "_per_s", "_tokens")

    def __init__(self, per_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._tokens = self._most
        self._clock = clock
        self._last_s = clock()

    def __repr__(self) -> str:
        return f"<Rate {self._per_s}/s tokens={self._tokens:.2f}>"

    def take(self) -> bool:
        """Whether one more is within the rate; it counts then."""
        now_s = self._clock()
        self._tokens = min(self._most, self._tokens + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class CpuBudget:
    """Processor time for work on the event loop that may be left undone: of the *share* of a core.

    It is less beside others that keep the core busy, which is looked at again and again. What is
    taken of the part that they leave makes them wait longer in the same proportion, so that only a
    part of that part is granted: the share, times the square of what is left. Beside requests that
    are busy for 60 % of the time a fifth becomes 3.2 %. What is left counts as the share at least,
    so that something is done on a busy core, and all of it for a share of 1.

    How long a piece of work takes is known when it is done. What is expected, by those before, is
    set aside when it begins, so that not many begin in the same moment: the budget is overdrawn by
    the difference only, and nothing begins until that is made up for.

    *clock* is monotonic, *cpu_clock* gives the processor seconds of the event loop's thread.
    """

    __slots__ = (
        *("_clock", "_cpu_clock", "_expected_s", "_granted", "_last_s", "_left_s"),
        *("_looked_cpu_s", "_looked_s", "_share", "_used_s"),
    )

    def __init__(
        self, share: float, clock: Callable[[], float], cpu_clock: Callable[[], float]
    ) -> None:
        self._share = self._granted = share
        self._left_s = share * _CPU_BURST_S
        self._expected_s = 0.0
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._last_s = self._looked_s = clock()
        self._looked_cpu_s = cpu_clock()
        self._used_s = 0.0

    def __repr__(self) -> str:
        return f"<CpuBudget {self._granted:.1%} of a core, {self._left_s * 1e3:.1f} ms left>"

    def limit(self, share: float) -> None:
        """Grant another share from now on."""
        self._earn()
        self._share = share
        self._look()

    @property
    def is_spent(self) -> bool:
        """Whether there is nothing left just now."""
        self._earn()
        return self._left_s <= 0.0

    def begin(self) -> "Work":
        """Set aside what a piece of work is expected to take."""
        self._left_s -= self._expected_s
        return Work(self, self._expected_s)

    def charge(self, seconds: float) -> None:
        """Note that something took *seconds* of processor time on the event loop."""
        self._left_s -= seconds
        self._used_s += seconds

    def charge_step(self, seconds: float, over_s: float) -> None:
        """Note that a step took *seconds*, *over_s* of them beyond what was set aside for it."""
        self._left_s -= over_s
        self._used_s += seconds

    def end(self, unused_s: float, seconds: float) -> None:
        """Note that work has ended which took *seconds* in all: *unused_s* were not needed."""
        self._left_s += unused_s
        self._expected_s += (seconds - self._expected_s) * _EXPECTED_SHARE

    def _earn(self) -> None:
        now_s = self._clock()
        earned_s = (now_s - self._last_s) * self._granted
        self._left_s = min(self._granted * _CPU_BURST_S, self._left_s + earned_s)
        self._last_s = now_s
        if now_s - self._looked_s >= _LOOK_S:
            self._look()

    def _look(self) -> None:
        """Grant the share of what others have left of the core since the last look."""
        now_s, cpu_s = self._clock(), self._cpu_clock()
        span_s = max(now_s - self._looked_s, _LOOK_S)
        others = (cpu_s - self._looked_cpu_s - self._used_s) / span_s
        left = min(1.0, max(1.0 - others, self._share))
        self._granted = self._share * left * left
        self._looked_s, self._looked_cpu_s, self._used_s = now_s, cpu_s, 0.0


class Work:
    """A piece of work that has begun: of *budget*, *reserved_s* seconds are set aside for it."""

    __slots__ = ("_budget", "_reserved_s", "_used_s")

    def __init__(self, budget: CpuBudget, reserved_s: float) -> None:
        self._budget = budget
        self._reserved_s = reserved_s
        self._used_s = 0.0

    def __repr__(self) -> str:
        return f"<Work of {self._used_s * 1e3:.2f} ms, {self._reserved_s * 1e3:.2f} ms expected>"

    def charge(self, seconds: float) -> None:
        """Note that a step of it took *seconds*: of what is set aside, as long as there is some."""
        whole_s = seconds * _WHOLE
        self._used_s += whole_s
        over_s = max(0.0, self._used_s - self._reserved_s)
        self._budget.charge_step(whole_s, min(whole_s, over_s))

    def end(self) -> None:
        """Give back what is set aside and not used."""
        self._budget.end(max(0.0, self._reserved_s - self._used_s), self._used_s)


class Room:
    """Memory for at most *limit* bytes of what is kept for mirrors."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def __repr__(self) -> str:
        return f"<Room {self.used} of {self.limit} bytes>"

    def take(self, size: int) -> bool:
        """Whether there is room for *size* bytes more; they are taken then."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Give back *size* bytes that were taken."""
        self.used -= size
