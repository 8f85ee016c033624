"""Checks of mirrors, comparisons and evidence across sections.

Belongs here: each yields every problem it finds, as those of `checks` do. Does not: what needs
descriptors, such as a route's safety (`rpc_checks`) and paths of fields (`routing.field_paths`).
"""

from collections.abc import Iterator
from typing import Final

from proxy.config.compare import HEADER, Compare
from proxy.config.draft import Check, Draft, Finding
from proxy.config.inheritance import canary_of, mirror_of
from proxy.config.mirror_checks import mirror_faults
from proxy.config.options import Defaults
from proxy.config.tree import Location


def _mirrors_are_whole(draft: Draft) -> Iterator[Finding]:
    if not draft.has_legacy:
        return
    defaults = draft.settings.defaults
    for index, route in draft.routes:
        mirror, canary = mirror_of(route, defaults), canary_of(route, defaults)
        for location, fault in mirror_faults(draft.stage_of(route), mirror, canary):
            yield ("routes", index, *location), fault


def _writes_are_allowed_one_by_one(draft: Draft) -> Iterator[Finding]:
    mirror = draft.settings.defaults.mirror
    if mirror is not None and mirror.allow_unsafe:
        message = "must be set for each route by itself: its writes are done twice"
        yield ("defaults", "mirror", "allow_unsafe"), message


def _compare_has_a_mirror(draft: Draft) -> Iterator[Finding]:
    """What is compared is the answers of mirrored requests. `mirror: off` is one put by."""
    defaults = draft.settings.defaults
    if "mirror" in defaults.model_fields_set:
        return
    mirrored = {index for index, route in draft.routes if "mirror" in route.model_fields_set}
    for index, route in draft.routes:
        if route.compare is not None and index not in mirrored:
            yield ("routes", index, "compare"), "does nothing without mirror"
    if defaults.compare is not None and not mirrored:
        yield ("defaults", "compare"), "does nothing without mirror"


def _rules_hold_today(draft: Draft) -> Iterator[Finding]:
    for location, compare in _compares(draft):
        for index, rule in enumerate(compare.rules):
            if rule.expires is not None and rule.expires < draft.today:
                message = f"was the last day of the rule, {rule.expires}; today is {draft.today}"
                yield (*location, "rules", index, "expires"), message


def _rules_are_given_once(draft: Draft) -> Iterator[Finding]:
    for location, compare in _compares(draft):
        first: dict[str, int] = {}
        for index, rule in enumerate(compare.rules):
            earlier = first.setdefault(rule.path, index)
            if earlier != index:
                place = draft.tree.place((*location, "rules", earlier))
                yield (*location, "rules", index, "path"), f"has a rule already, {place}"


def _revealed_headers_are_compared(draft: Draft) -> Iterator[Finding]:
    shared = draft.settings.defaults.compare
    for location, compare in _compares(draft):
        own = "headers" in compare.model_fields_set or shared is None
        compared = compare.headers if own or shared is None else shared.headers
        for index, path in enumerate(compare.reveal):
            if path.startswith(HEADER) and path.removeprefix(HEADER) not in compared:
                yield (*location, "reveal", index), "is not among headers, which are compared"


def _mirrored_bodies_fit(draft: Draft) -> Iterator[Finding]:
    most = draft.settings.shadow.max_total_bytes
    for location, options in draft.owners():
        for key in ("max_request_bytes", "max_response_bytes"):
            if options.mirror is not None and getattr(options.mirror, key) > most:
                yield (*location, "mirror", key), "must not be above shadow.max_total_bytes"


def _mark_is_the_proxys_own(draft: Draft) -> Iterator[Finding]:
    header = draft.settings.shadow.mark.header
    place = draft.tree.place(("shadow", "mark", "header"))
    for location, options in draft.owners():
        own = isinstance(options, Defaults) or "request_headers" in options.model_fields_set
        if own and header in options.request_headers:
            index = options.request_headers.index(header)
            message = f"is the mark of mirrors, {place}, which no client can send"
            yield (*location, "request_headers", index), message
        if options.mirror is not None:
            for key in ("set", "remove"):
                if header in getattr(options.mirror.headers, key):
                    message = f"must leave {header} alone, the mark of mirrors, {place}"
                    yield (*location, "mirror", "headers", key), message


def _mark_and_override_differ(draft: Draft) -> Iterator[Finding]:
    override, mark = draft.settings.override, draft.settings.shadow.mark
    if override is not None and override.header == mark.header:
        place = draft.tree.place(("override", "header"))
        yield ("shadow", "mark", "header"), f"must differ from {place}"


def _compares(draft: Draft) -> Iterator[tuple[Location, Compare]]:
    for location, options in draft.owners():
        if options.compare is not None:
            yield (*location, "compare"), options.compare


CHECKS: Final[tuple[Check, ...]] = (
    (frozenset({"defaults"}), _mirrors_are_whole),
    (frozenset({"defaults"}), _writes_are_allowed_one_by_one),
    (frozenset({"defaults", "routes"}), _compare_has_a_mirror),
    (frozenset(), _rules_hold_today),
    (frozenset(), _rules_are_given_once),
    (frozenset({"defaults"}), _revealed_headers_are_compared),
    (frozenset({"shadow"}), _mirrored_bodies_fit),
    (frozenset({"shadow", "defaults"}), _mark_is_the_proxys_own),
    (frozenset({"shadow", "override"}), _mark_and_override_differ),
)
