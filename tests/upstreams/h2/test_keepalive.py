"""When a silent connection is pinged, and when it is dead."""

from collections.abc import Callable

from proxy.upstreams.h2.keepalive import Keepalive
from tests.fakes import FakeClock


class Timer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeTimers:
    """A loop whose timers fire when its clock is moved past them."""

    def __init__(self) -> None:
        self.clock = FakeClock(100.0)
        self._due: list[tuple[float, Callable[[], None], Timer]] = []

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        timer = Timer()
        self._due.append((self.clock() + delay_s, call, timer))
        return timer

    def advance(self, seconds: float) -> None:
        until_s = self.clock() + seconds
        while due := [each for each in self._due if each[0] <= until_s]:
            first = min(due, key=lambda each: each[0])
            self._due.remove(first)
            self.clock.now_s = max(self.clock.now_s, first[0])
            if not first[2].is_cancelled:
                first[1]()
        self.clock.now_s = until_s


class Watched:
    """A keepalive of 10 s and 2 s over fake timers."""

    def __init__(self) -> None:
        self.timers = FakeTimers()
        self.events: list[str] = []
        self.is_needed = True
        self.keepalive = Keepalive(
            self.timers,
            self.timers.clock,
            time_s=10.0,
            timeout_s=2.0,
            is_needed=lambda: self.is_needed,
            ping=lambda: self.events.append("ping"),
            dead=lambda: self.events.append("dead"),
        )
        self.keepalive.watch()

    def hear(self) -> None:
        self.keepalive.heard_s = self.timers.clock()


def test_silence_is_pinged_and_then_death():
    watched = Watched()
    watched.timers.advance(9.9)
    assert watched.events == []
    watched.timers.advance(0.2)
    assert watched.events == ["ping"]
    watched.timers.advance(1.8)
    assert watched.events == ["ping"]
    watched.timers.advance(0.2)
    assert watched.events == ["ping", "dead"]
    watched.timers.advance(100.0)
    assert watched.events == ["ping", "dead"]


def test_a_server_that_answers_pings_lives():
    watched = Watched()
    for number in range(1, 6):
        watched.timers.advance(10.0)
        assert watched.events == ["ping"] * number
        watched.hear()


def test_a_server_that_talks_is_not_pinged():
    watched = Watched()
    for _ in range(20):
        watched.timers.advance(9.0)
        watched.hear()
    assert watched.events == []


def test_without_calls_there_is_silence():
    watched = Watched()
    watched.is_needed = False
    watched.timers.advance(100.0)
    assert (watched.events, repr(watched.keepalive)) == ([], "<Keepalive asleep>")
    watched.is_needed = True
    watched.keepalive.watch()
    watched.keepalive.watch()
    watched.timers.advance(9.9)
    assert (watched.events, repr(watched.keepalive)) == ([], "<Keepalive awake>")
    watched.timers.advance(0.2)
    assert watched.events == ["ping"]


def test_a_stopped_keepalive_says_nothing():
    watched = Watched()
    watched.keepalive.stop()
    watched.timers.advance(100.0)
    assert watched.events == []


def test_a_call_without_an_answer_is_reason_to_ping_at_once():
    watched = Watched()
    watched.timers.advance(1.0)
    watched.keepalive.suspect()
    watched.keepalive.suspect()
    assert watched.events == ["ping"]
    watched.timers.advance(2.1)
    assert watched.events == ["ping", "dead"]


def test_a_server_that_answers_what_was_asked_on_suspicion_lives_and_is_left_alone():
    watched = Watched()
    watched.timers.advance(1.0)
    watched.keepalive.suspect()
    watched.hear()
    watched.timers.advance(5.0)
    watched.keepalive.suspect()
    assert watched.events == ["ping"]
    watched.timers.advance(6.1)
    assert watched.events == ["ping", "ping"]


def test_no_server_is_suspected_that_was_heard_just_now_or_just_called():
    watched = Watched()
    watched.timers.advance(0.4)
    watched.keepalive.suspect()
    watched.timers.advance(2.0)
    watched.hear()
    watched.keepalive.suspect()
    assert watched.events == []
