"""Checks of the cutover across sections: what a route in a stage needs, what groups agree on.

Belongs here: each yields every problem it finds, as those of `checks` do. Does not: what needs
descriptors, such as a route's safety (`resolved`).
"""

from collections.abc import Iterator
from typing import Final

from proxy.config.agreement import canary_faults, group_faults
from proxy.config.canary import Canary
from proxy.config.draft import Check, Draft, Finding
from proxy.config.inheritance import RAMP_KEYS, canary_of
from proxy.config.naming import default_route_name, service_of
from proxy.config.options import STAGES_OF_GRPC, Defaults, Route
from proxy.config.resolved import service_table
from proxy.config.tree import Location

#: The options that are about sharing requests between two sides.
_BOTH_SIDES: Final = (
    *("canary", "fallback", "breaker", "rollback"),
    *("mirror", "compare", "gate"),
)


def _stages_have_legacy(draft: Draft) -> Iterator[Finding]:
    if draft.has_legacy:
        return
    for location, options in draft.owners():
        if options.stage not in (None, "grpc"):
            message = f"stage {options.stage} needs an upstream named legacy"
            yield (*location, "stage"), message
        for key in _BOTH_SIDES:
            if key in options.model_fields_set and getattr(options, key) is not None:
                yield (*location, key), f"{key} needs an upstream named legacy"


def _grpc_stage_has_upstream(draft: Draft) -> Iterator[Finding]:
    settings, table = draft.settings, service_table(draft.settings)
    for index, route in draft.routes:
        named = route.upstream or table.find(service_of(route.rpc)) or settings.defaults.upstream
        if draft.stage_of(route) in STAGES_OF_GRPC and named is None:
            yield ("routes", index, "rpc"), "no gRPC upstream has this service in its services"


def _canaries_are_whole(draft: Draft) -> Iterator[Finding]:
    for index, route in draft.routes:
        if draft.stage_of(route) == "canary":
            key = "stage" if route.canary is None else "canary"
            for fault in canary_faults(canary_of(route, draft.settings.defaults)):
                yield ("routes", index, key), fault


def _ramp_keys_have_steps(draft: Draft) -> Iterator[Finding]:
    """What is only beside `steps` does nothing without them, in the entry or in `defaults`."""
    defaults = draft.settings.defaults
    for location, options in draft.owners():
        ramps = [canary_of(options, defaults)] if isinstance(options, Route) else _canaries(draft)
        if options.canary is None or any(canary and canary.steps for canary in ramps):
            continue
        for key in sorted(options.canary.model_fields_set & RAMP_KEYS):
            alias = Canary.model_fields[key].alias or key
            yield (*location, "canary", alias), "does nothing without steps"


def _groups_agree(draft: Draft) -> Iterator[Finding]:
    for location, first, message in group_faults(_located_canaries(draft)):
        yield location, f"{message} from {draft.tree.place(first)}"


def _located_canaries(draft: Draft) -> Iterator[tuple[str, Canary, Location]]:
    for index, route in draft.routes:
        canary = canary_of(route, draft.settings.defaults)
        if canary is not None:
            name = route.name or default_route_name(route.rpc)
            yield name, canary, ("routes", index, "canary")


def _canaries(draft: Draft) -> Iterator[Canary | None]:
    yield draft.settings.defaults.canary
    yield from (canary_of(route, draft.settings.defaults) for _, route in draft.routes)


def _override_is_not_passed_on(draft: Draft) -> Iterator[Finding]:
    override = draft.settings.override
    if override is None:
        return
    message = f"is the override header of {draft.tree.place(('override', 'header'))}"
    for location, options in draft.owners():
        # An entry without a list of its own has that of `defaults`: one problem, told once.
        own = isinstance(options, Defaults) or "request_headers" in options.model_fields_set
        if own and override.header in options.request_headers:
            index = options.request_headers.index(override.header)
            yield (*location, "request_headers", index), f"{message}, which no server may see"


CHECKS: Final[tuple[Check, ...]] = (
    (frozenset({"defaults"}), _stages_have_legacy),
    (frozenset({"defaults", "upstreams"}), _grpc_stage_has_upstream),
    (frozenset({"defaults"}), _canaries_are_whole),
    (frozenset({"defaults", "routes"}), _ramp_keys_have_steps),
    (frozenset({"defaults"}), _groups_agree),
    (frozenset({"override", "defaults"}), _override_is_not_passed_on),
)
