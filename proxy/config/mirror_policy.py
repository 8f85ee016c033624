"""The sections of mirrors and gates to the values that mirrors, comparisons and gates go by.

Belongs here: one function per value, for sections that are checked already. Does not: checks, and
where a section comes from (`inheritance`).
"""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from proxy.comparison import rules
from proxy.comparison.kinds import Kind
from proxy.config.compare import Compare, Rule, Use
from proxy.config.gate import Gate
from proxy.config.mirror import Mirror
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.gate.options import GateOptions

_NO_COMPARE: Final = Compare()


def depth_of(section: Mirror, safety: Safety, *, can_validate: bool) -> Depth:
    """How deep the requests of a route are mirrored.

    `defaults` name a depth for all routes; those that cannot do it have their own. A call that is
    no safe one is made only where the section allows it.
    """
    own = Depth.RPC if safety is Safety.SAFE else Depth.TRANSLATE
    named = own if section.depth is None else Depth(section.depth)
    if named is Depth.VALIDATE_ONLY and not can_validate:
        return own
    if named is Depth.RPC and safety is not Safety.SAFE and not section.allow_unsafe:
        return own
    return named


def mirror_value(
    section: Mirror | None, compare: Compare | None, depth: Depth, safety: Safety
) -> MirrorOptions | None:
    """A mirror as the mirrors read it; None for a section that says nothing of a share.

    Legacy is asked again only for safe calls.
    """
    if section is None or section.basis_points is None:
        return None
    noise = (compare or _NO_COMPARE).noise
    repeats = safety is Safety.SAFE and depth is Depth.RPC
    return MirrorOptions(
        depth=depth,
        basis_points=section.basis_points,
        sticky=section.sample_by == "sticky",
        timeout_s=section.timeout_s,
        max_concurrency=section.max_concurrency,
        max_pending=section.max_pending,
        max_request_bytes=section.max_request_bytes,
        max_response_bytes=section.max_response_bytes,
        max_messages=section.max_messages,
        max_rps=section.max_rps,
        set_headers=tuple(section.headers.set.items()),
        remove_headers=frozenset(section.headers.remove),
        reverify_after_s=noise.reverify_after_s if repeats else None,
        control_basis_points=noise.control_basis_points if repeats else 0,
    )


def gate_value(section: Gate | None, depth: Depth | None) -> GateOptions | None:
    """A gate as it is judged by, for a mirror of *depth*, None where there is no mirror.

    Where no answers are compared, no field of one is ever seen: coverage is not asked for.
    """
    if section is None:
        return None
    sees_answers = depth in (None, Depth.RPC)
    return GateOptions(
        max_mismatch=section.max_mismatch,
        confidence=section.confidence,
        min_keys=section.min_keys,
        min_duration_s=section.min_duration_s,
        min_field_coverage=section.min_field_coverage if sees_answers else 0.0,
        max_unseen_mass=section.max_unseen_mass,
        max_noise=section.max_noise,
        max_transient=section.max_transient,
        max_uncompared=section.max_uncompared,
        forbid=frozenset(map(Kind, section.forbid)),
    )


def expiries(section: Compare | None) -> tuple[tuple[str, date], ...]:
    """The rules that end, by their texts, each with its last day."""
    own = () if section is None else section.rules
    return tuple((rule.text, rule.expires) for rule in own if rule.expires is not None)


def rule_value(section: Rule) -> rules.Rule:
    """A rule as comparisons read it."""
    check = _CHECKS[section.use](section)
    return rules.Rule(section.path, check, section.reason, section.expires)


_CHECKS: Final[Mapping[Use, Callable[[Rule], rules.Check]]] = MappingProxyType(
    {
        "exact": lambda _: rules.Exact(),
        "number": lambda rule: rules.Number(rule.abs or 0.0, rule.rel or 0.0),
        "timestamp": lambda rule: rules.Timestamp(rule.tolerance_s or 0.0, rule.precision),
        "format": lambda rule: rules.Format(rule.format or "regex", rule.regex or ""),
        "set": lambda _: rules.Set(),
        "list": lambda rule: rules.ListBy(rule.key),
        "one_of": lambda rule: rules.OneOf(rule.values or ()),
        "present": lambda _: rules.Present(),
        "ignore": lambda _: rules.Ignore(),
    }
)
