"""The sections of the cutover to the values that it goes by.

Belongs here: one function per value, for sections that are checked already. Does not: checks, and
where a section comes from (`inheritance`).
"""

import re

from proxy.config.canary import Canary, HeaderMatch, StickySource, ValueList
from proxy.config.safeguards import FOR_SAFE_CALLS, Breaker, Fallback, Rollback
from proxy.cutover import canary as cutover
from proxy.cutover import sticky
from proxy.cutover.breaker import BreakerOptions
from proxy.cutover.error_test import ErrorTestOptions
from proxy.cutover.fallback import FallbackReason, Safety
from proxy.cutover.guard import GuardOptions
from proxy.cutover.latency_test import LatencyTestOptions
from proxy.cutover.ramp import Ramp
from proxy.cutover.windows import Window


def canary_value(section: Canary | None, group: str) -> cutover.Canary | None:
    """A canary as decisions read it; *group* is that of a section without one."""
    if section is None:
        return None
    return cutover.Canary(
        group=section.group or group,
        sticky=tuple(_source(source) for source in section.sticky),
        match=tuple(_match(match) for match in section.match),
        allow=_values(section.allow),
        deny=_values(section.deny),
        pin_ttl_s=section.pin_s,
    )


def ramp_value(section: Canary | None) -> Ramp | None:
    """The ramp of a canary, None where its percentage is fixed."""
    if section is None or not section.steps:
        return None
    return Ramp(
        steps=section.steps,
        hold_s=section.hold_s,
        windows=tuple(Window.parse(text) for text in section.windows),
        max_auto_basis_points=section.max_auto_basis_points,
    )


def first_basis_points(section: Canary | None) -> int:
    """The share with which a route enters canary; 0 for one that says nothing of it."""
    if section is None:
        return 0
    return section.steps[0] if section.steps else section.basis_points or 0


def fallback_on(section: Fallback | None, safety: Safety) -> frozenset[FallbackReason]:
    """The failures after which legacy answers: of those in the section, what *safety* admits.

    `defaults` name them for all routes; a route that is not safe takes those that are for it.
    """
    reasons = frozenset(FallbackReason(kind) for kind in (section.on if section else ()))
    return reasons if safety is Safety.SAFE else reasons - {*map(FallbackReason, FOR_SAFE_CALLS)}


def guard_options(
    fallback: Fallback | None, breaker: Breaker | None, rollback: Rollback | None
) -> GuardOptions:
    """What a route guards itself with; what is None is off."""
    return GuardOptions(
        breaker=None if breaker is None else BreakerOptions(breaker.failures, breaker.open_for_s),
        errors=None if rollback is None else _errors(rollback),
        latency=None if rollback is None else _latency(rollback),
        fallback_max_ratio=fallback_max_ratio(fallback),
    )


def fallback_max_ratio(section: Fallback | None) -> float:
    """The share of requests that may fall back, 0 where none does."""
    return 0.0 if section is None else section.max_ratio


def _errors(section: Rollback) -> ErrorTestOptions:
    return ErrorTestOptions(section.max_e_value, section.allowed_ratio)


def _latency(section: Rollback) -> LatencyTestOptions | None:
    if section.latency_ratio is None:
        return None
    return LatencyTestOptions(
        allowed_ratio=section.latency_ratio,
        interval_s=section.interval_s,
        threshold=section.threshold,
        min_requests=section.min_requests,
    )


def _source(section: StickySource) -> sticky.StickySource:
    if section.header is not None:
        return sticky.HeaderKey(section.header)
    if section.cookie is not None:
        return sticky.CookieKey(section.cookie)
    return sticky.ClientKey() if section.query is None else sticky.QueryKey(section.query)


def _match(section: HeaderMatch) -> cutover.HeaderMatch:
    regex = None if section.regex is None else re.compile(section.regex)
    return cutover.HeaderMatch(
        section.header, section.exact, section.prefix, regex, section.present
    )


def _values(section: ValueList | None) -> cutover.ValueList | None:
    if section is None:
        return None
    return cutover.ValueList(_source(section), frozenset(section.values))
