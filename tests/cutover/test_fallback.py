"""Which failures legacy may make good within the request, and how many of them."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.fallback import (
    BURST,
    FLOOR_PER_S,
    Failure,
    FallbackBudget,
    FallbackReason,
    Safety,
    fallback_reason,
)
from proxy.errors import LimitExceeded, RequestError, UpstreamError
from proxy.status import Code, Status

ALL = frozenset(FallbackReason)

failures = st.builds(
    Failure, st.sampled_from(Code), st.booleans(), ours=st.booleans(), hurried=st.booleans()
)
allowances = st.frozensets(st.sampled_from(FallbackReason))


def upstream_error(code: Code, *, sent: bool, http_status: int | None = None) -> UpstreamError:
    return UpstreamError(Status(code, "text"), sent=sent, http_status=http_status)


def reasons(failure: Failure) -> dict[Safety, FallbackReason | None]:
    return {safety: fallback_reason(failure, safety, ALL) for safety in Safety}


@given(failures, allowances)
def test_what_may_be_a_write_never_goes_to_legacy_once_it_may_have_left(failure, on):
    if failure.sent:
        assert fallback_reason(failure, Safety.UNSAFE, on) is None
        assert fallback_reason(failure, Safety.IDEMPOTENT, on) is None


@given(failures, st.sampled_from(Safety), allowances)
def test_only_reasons_that_the_route_allows_are_given(failure, safety, on):
    reason = fallback_reason(failure, safety, on)
    assert reason is None or reason in on
    if reason is not None:
        assert fallback_reason(failure, safety, on - {reason}) is None


@pytest.mark.parametrize(
    "code",
    sorted(set(Code) - {Code.UNAVAILABLE, Code.UNIMPLEMENTED}),
)
def test_the_applications_answers_stand(code: Code):
    assert set(reasons(Failure(code, sent=True)).values()) == {None}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (Code.UNAVAILABLE, FallbackReason.UNAVAILABLE),
        (Code.UNIMPLEMENTED, FallbackReason.UNIMPLEMENTED),
    ],
)
def test_safe_requests_may_be_repeated_although_they_were_sent(code, reason):
    assert reasons(Failure(code, sent=True)) == {
        Safety.SAFE: reason,
        Safety.IDEMPOTENT: None,
        Safety.UNSAFE: None,
    }


@pytest.mark.parametrize(
    "error",
    [
        upstream_error(Code.UNAVAILABLE, sent=False),
        pytest.param(upstream_error(Code.UNAVAILABLE, sent=False, http_status=502), id="tls"),
    ],
)
def test_without_a_connection_any_request_falls_back(error: UpstreamError):
    assert set(reasons(Failure.of(error)).values()) == {FallbackReason.NOT_READY}


@pytest.mark.parametrize(
    "error",
    [
        RequestError("the query names no field"),
        RequestError("not served yet", code=Code.UNIMPLEMENTED),
        upstream_error(Code.INTERNAL, sent=False),
    ],
    ids=["mapping", "cardinality", "metadata"],
)
def test_what_cannot_be_made_a_call_falls_back_whatever_its_method(error):
    assert set(reasons(Failure.of(error)).values()) == {FallbackReason.TRANSLATE_ERROR}


@pytest.mark.parametrize(
    "error",
    [
        upstream_error(Code.RESOURCE_EXHAUSTED, sent=False, http_status=413),
        upstream_error(Code.RESOURCE_EXHAUSTED, sent=False, http_status=431),
        upstream_error(Code.DEADLINE_EXCEEDED, sent=False),
        upstream_error(Code.CANCELLED, sent=False),
        LimitExceeded("the body is larger than 10 bytes", http_status=413),
        LimitExceeded("too many requests in flight", http_status=503),
        RequestError("too slow", code=Code.DEADLINE_EXCEEDED, http_status=408),
    ],
    ids=["message", "metadata", "late", "cancelled", "body", "overload", "drip"],
)
def test_limits_and_lost_time_are_answers_although_nothing_was_sent(error):
    assert set(reasons(Failure.of(error)).values()) == {None}


def test_an_answer_that_cannot_be_rendered_has_been_a_call():
    assert set(reasons(Failure(Code.INTERNAL, sent=True, ours=True)).values()) == {None}


def test_every_reason_can_be_reached():
    reached = {
        fallback_reason(Failure(code, sent, ours), Safety.SAFE, ALL)
        for code, sent, ours in product(Code, (False, True), (False, True))
    }
    assert reached == {*FallbackReason, None}


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED])
def test_a_server_that_says_nothing_is_a_transport_failure(code, sent):
    assert Failure.of(upstream_error(code, sent=sent)).is_of_transport


@pytest.mark.parametrize(
    "failure",
    [
        Failure(Code.INTERNAL, sent=True),
        Failure(Code.UNAVAILABLE, sent=False, ours=True),
        Failure(Code.RESOURCE_EXHAUSTED, sent=False),
    ],
)
def test_errors_of_the_application_and_of_the_proxy_are_not_of_the_transport(failure):
    assert not failure.is_of_transport


def test_the_requests_in_flight_when_a_server_dies_are_covered():
    budget = FallbackBudget(0.2)
    assert all(budget.withdraw(1.0) for _ in range(BURST))
    assert not budget.withdraw(1.0)
    assert (budget.allowed, budget.refused) == (BURST, 1)


def test_in_the_long_run_a_share_of_the_requests_falls_back():
    budget = FallbackBudget(0.05)
    allowed = 0
    for _ in range(20_000):
        budget.deposit()
        allowed += budget.withdraw(5.0)
    assert allowed == pytest.approx(BURST + 0.05 * 20_000, abs=2)


def test_the_floor_covers_probes_though_nothing_is_paid_in():
    budget = FallbackBudget(0.0, burst=1)
    now_s = 0.0
    for _ in range(1000):
        now_s += 1.01 / FLOOR_PER_S
        assert budget.withdraw(now_s)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1000)), max_size=200))
def test_no_more_falls_back_than_was_paid_in(steps):
    budget, now_s, paid = FallbackBudget(0.5, burst=3), 0.0, 0
    for is_deposit, gap_s in steps:
        now_s += gap_s
        if is_deposit:
            budget.deposit()
            paid += 1
        else:
            budget.withdraw(now_s)
    assert budget.allowed <= 3 + 0.5 * paid + FLOOR_PER_S * now_s + 1e-6
    assert "refused" in repr(budget)
