"""How often calls are made again, and how many of them all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.retry import Retries, RetryOptions
from tests.fakes import FakeClock


def unavailable(*metadata: tuple[str, str]) -> UpstreamError:
    return UpstreamError(Status(Code.UNAVAILABLE), metadata=metadata)


def retries_of(clock: FakeClock | None = None, **options: float) -> Retries:
    return Retries(RetryOptions(**options), lambda: 1.0, clock or FakeClock())


def granted(retries: Retries, times: int) -> int:
    asked = (retries.delay_s(unavailable(), 1, 60.0, elsewhere=False) for _ in range(times))
    return sum(delay_s is not None for delay_s in asked)


def test_the_wait_grows_up_to_its_limit():
    retries = retries_of(max_attempts=9)
    waits = [
        retries.delay_s(unavailable(), attempt, 60.0, elsewhere=False) for attempt in range(1, 8)
    ]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_another_server_is_asked_at_once_unless_the_first_says_otherwise():
    retries = retries_of()
    assert retries.delay_s(unavailable(), 1, 60.0, elsewhere=True) == 0.0
    pushed_back = unavailable(("grpc-retry-pushback-ms", "250"))
    assert retries.delay_s(pushed_back, 1, 60.0, elsewhere=True) == 0.25


@pytest.mark.parametrize("text", ["-1", "9" * 5000, "soon", "1.5", ""])
def test_a_server_that_wants_no_retry_gets_none(text):
    pushed_back = unavailable(("grpc-retry-pushback-ms", text))
    assert retries_of().delay_s(pushed_back, 1, 60.0, elsewhere=True) is None


def test_a_fifth_of_all_calls_is_made_again_in_the_long_run():
    clock = FakeClock()
    retries = retries_of(clock, reserve_per_s=0.0)
    made = 0
    for _ in range(10_000):
        retries.deposit()
        made += granted(retries, 1)
    assert made == 2000
    assert repr(retries) == "<Retries saved=0.0 granted=2000 refused=8000>"


def test_few_calls_have_a_reserve():
    clock = FakeClock()
    retries = retries_of(clock)
    assert granted(retries, 50) == 10
    clock.advance(1.0)
    assert granted(retries, 50) == 10


@given(calls=st.integers(0, 5000), quiet_s=st.floats(0, 1e6))
def test_no_more_is_saved_up_than_may_be(calls, quiet_s):
    clock = FakeClock()
    retries = retries_of(clock)
    for _ in range(calls):
        retries.deposit()
    clock.advance(quiet_s)
    assert granted(retries, 200) <= 100


def test_nothing_is_taken_out_for_what_is_not_made_again():
    retries = retries_of()
    for attempt, remaining_s in ((3, 60.0), (1, 0.01)):
        assert retries.delay_s(unavailable(), attempt, remaining_s, elsewhere=False) is None
    broken = UpstreamError(Status(Code.INTERNAL))
    assert retries.delay_s(broken, 1, 60.0, elsewhere=True) is None
    assert granted(retries, 50) == 10


def test_a_failure_of_tls_is_not_retried():
    error = UpstreamError(Status(Code.UNAVAILABLE), http_status=502)
    assert retries_of().delay_s(error, 1, 60.0, elsewhere=False) is None
