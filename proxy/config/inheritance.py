"""What an entry of `routes` takes from `defaults` where an option is a section of its own.

Belongs here: the rule of who goes first, key by key. Does not: options that are one value, which
are taken or not (`resolved`).
"""

from typing import Any, Final, TypeVar

from proxy.config.base import Section
from proxy.config.canary import Canary
from proxy.config.compare import Compare, Noise
from proxy.config.gate import Gate
from proxy.config.mirror import Mirror, MirrorHeaders
from proxy.config.options import Defaults, Options, Route
from proxy.config.safeguards import Breaker, Fallback, Rollback

_Kind = TypeVar("_Kind", bound=Section)

#: The keys of a canary that say something about `steps` only.
RAMP_KEYS: Final = frozenset({"hold_s", "windows", "max_auto_basis_points"})
#: What a key of an entry takes the place of beside its own value in `defaults`: a route that
#: fixes its percentage leaves the ramp of the others, and one that ramps their percentage.
_REPLACES: Final[dict[str, frozenset[str]]] = {
    "basis_points": RAMP_KEYS | {"steps"},
    "steps": frozenset({"basis_points"}),
}
#: Sections inside of a section whose keys are taken one by one as well.
_INNER: Final = (Noise, MirrorHeaders)
#: The gate of a route that has a mirror and says nothing of a gate.
_GATE: Final = Gate()


def canary_of(route: Route | None, defaults: Defaults) -> Canary | None:
    """The canary of a route, None when neither the entry nor `defaults` has one."""
    return _inherited((route or defaults).canary, defaults.canary)


def fallback_of(route: Route | None, defaults: Defaults) -> Fallback | None:
    """The fallback of a route, None when it is off."""
    own = route or defaults
    return _switched(own, "fallback", own.fallback, defaults.fallback)


def breaker_of(route: Route | None, defaults: Defaults) -> Breaker | None:
    """The breaker of a route, None when it is off."""
    own = route or defaults
    return _switched(own, "breaker", own.breaker, defaults.breaker)


def rollback_of(route: Route | None, defaults: Defaults) -> Rollback | None:
    """When a route goes back by itself, None when it is off."""
    own = route or defaults
    return _switched(own, "rollback", own.rollback, defaults.rollback)


def mirror_of(route: Route | None, defaults: Defaults) -> Mirror | None:
    """The mirror of a route, None when neither the entry nor `defaults` has one, or it is off."""
    own = route or defaults
    return _switched(own, "mirror", own.mirror, defaults.mirror)


def compare_of(route: Route | None, defaults: Defaults) -> Compare | None:
    """How a route's answers are compared, None when neither the entry nor `defaults` says it."""
    return _inherited((route or defaults).compare, defaults.compare)


def gate_of(route: Route | None, defaults: Defaults, mirror: Mirror | None) -> Gate | None:
    """The gate of a route with such a *mirror*, None when it is off or there is none."""
    own = route or defaults
    if not any("gate" in options.model_fields_set for options in (own, defaults)):
        return None if mirror is None else _GATE
    return _switched(own, "gate", own.gate, defaults.gate)


def _switched(
    options: Options, key: str, own: _Kind | None, defaults: _Kind | None
) -> _Kind | None:
    """As `_inherited`; but *options* that give the *key* without a section have switched it off."""
    if key not in options.model_fields_set:
        return defaults
    return None if own is None else _inherited(own, defaults)


def _inherited(own: _Kind | None, defaults: _Kind | None) -> _Kind | None:
    """The keys that *own* gives, then those of *defaults*, then what is built in."""
    if own is None or defaults is None or own is defaults:
        return own or defaults
    given = _given(own)
    replaced = frozenset().union(*(_REPLACES.get(key, ()) for key in given))
    kept = {key: value for key, value in _given(defaults).items() if key not in replaced}
    for key in kept.keys() & given.keys():
        if isinstance(given[key], _INNER):
            given[key] = _inherited(given[key], kept[key])
    return type(own)().model_copy(update=kept | given)


def _given(section: Section) -> dict[str, Any]:
    return {key: getattr(section, key) for key in section.model_fields_set}
