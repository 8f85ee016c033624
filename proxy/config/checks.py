"""Checks across the sections of the configuration.

Belongs here: what two sections, or two entries of one, must agree on. Each check yields every
problem it finds. Does not: what descriptors are needed for (`resolved.Config.check_rpcs`).
"""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config import (
    answer_checks,
    cutover_checks,
    request_checks,
    shadow_checks,
    shape_checks,
    shape_error_checks,
)
from proxy.config.draft import Check, Draft, Finding
from proxy.config.naming import default_route_name, did_you_mean
from proxy.config.tree import Location
from proxy.config.upstreams import LEGACY, UPSTREAM_NAME
from proxy.errors import Problem

#: A value that is one variable and nothing else: no default, which would be a secret in a file.
_ONE_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def check_draft(draft: Draft) -> list[Problem]:
    """Every problem between sections. A check is left out when a section it reads was refused."""
    return [
        Problem(draft.tree.place(location), message)
        for sections, check in _CHECKS
        if not sections & draft.refused
        for location, message in check(draft)
    ]


def _listeners_differ(draft: Draft) -> Iterator[Finding]:
    listen, admin = draft.settings.listen, draft.settings.admin
    if listen.port == admin.port != 0:
        yield ("admin", "port"), f"must differ from listen.port, which is {listen.port} too"


def _header_limits_agree(draft: Draft) -> Iterator[Finding]:
    limits = draft.settings.limits
    if limits.max_header_field_bytes > limits.max_header_bytes:
        location = ("limits", "max_header_field_bytes")
        yield location, "must not be above limits.max_header_bytes"


def _upstream_names_are_plain(draft: Draft) -> Iterator[Finding]:
    for name in draft.upstream_names:
        if not UPSTREAM_NAME.fullmatch(name):
            message = "an upstream's name must be lower-case letters, digits and single hyphens"
            yield ("upstreams", name), message


def _some_upstream(draft: Draft) -> Iterator[Finding]:
    if not draft.upstream_names:
        yield ("upstreams",), "must name at least one upstream: legacy, or a gRPC server"


def _services_have_one_owner(draft: Draft) -> Iterator[Finding]:
    owners: dict[str, Location] = {}
    for name, upstream in draft.settings.upstreams.grpc.items():
        for index, glob in enumerate(upstream.services):
            location = ("upstreams", name, "services", index)
            first = owners.setdefault(glob, location)
            if first != location:
                yield (
                    location,
                    f"'{glob}' is also of upstream {first[1]} at {draft.tree.place(first)}",
                )


def _reflection_is_grpc(draft: Draft) -> Iterator[Finding]:
    for index, source in draft.sources:
        if source.reflection is not None:
            location = ("descriptors", index, "reflection")
            yield from _known_upstream(location, source.reflection, draft)


def _upstreams_are_known(draft: Draft) -> Iterator[Finding]:
    if draft.settings.defaults.upstream is not None:
        location: Location = ("defaults", "upstream")
        yield from _known_upstream(location, draft.settings.defaults.upstream, draft)
    for index, route in draft.routes:
        if route.upstream is not None:
            yield from _known_upstream(("routes", index, "upstream"), route.upstream, draft)


def _known_upstream(location: Location, name: str, draft: Draft) -> Iterator[Finding]:
    if name == LEGACY:
        yield location, "must be a gRPC upstream; legacy is the REST host"
    elif name not in draft.grpc_names:
        yield location, f"there is no upstream '{name}'{did_you_mean(name, draft.grpc_names)}"


def _rpcs_are_listed_once(draft: Draft) -> Iterator[Finding]:
    first: dict[str, Location] = {}
    for index, route in draft.routes:
        location = ("routes", index, "rpc")
        earlier = first.setdefault(route.rpc, location)
        if earlier != location:
            yield location, f"{route.rpc} has a route already at {draft.tree.place(earlier)}"


def _names_are_unique(draft: Draft) -> Iterator[Finding]:
    first: dict[str, tuple[Location, str]] = {}
    for index, route in draft.routes:
        name = route.name or default_route_name(route.rpc)
        location: Location = ("routes", index, "name")
        earlier, rpc = first.setdefault(name, (location, route.rpc))
        if rpc != route.rpc:
            yield location, f"'{name}' is also the name of the route at {draft.tree.place(earlier)}"


def _secrets_are_variables(draft: Draft) -> Iterator[Finding]:
    settings = draft.settings
    secrets: tuple[tuple[Location, str | None], ...] = (
        (("override", "secret"), settings.override.secret if settings.override else None),
        (("shadow", "mark", "secret"), settings.shadow.mark.secret),
        (("evidence", "url"), settings.evidence.url),
    )
    for location, value in secrets:
        if value is not None and not _ONE_VARIABLE.fullmatch(
            draft.tree.templates.get(location, "")
        ):
            yield location, "must be ${NAME}, a variable of the environment, and nothing else"


_CHECKS: Final[tuple[Check, ...]] = (
    (frozenset({"listen", "admin"}), _listeners_differ),
    (frozenset({"limits"}), _header_limits_agree),
    (frozenset(), _upstream_names_are_plain),
    (frozenset({"upstreams"}), _some_upstream),
    (frozenset({"upstreams"}), _services_have_one_owner),
    (frozenset(), _reflection_is_grpc),
    (frozenset({"defaults"}), _upstreams_are_known),
    (frozenset(), _rpcs_are_listed_once),
    (frozenset(), _names_are_unique),
    (frozenset(), _secrets_are_variables),
    *answer_checks.CHECKS,
    *cutover_checks.CHECKS,
    *shadow_checks.CHECKS,
    *request_checks.CHECKS,
    *shape_checks.CHECKS,
    *shape_error_checks.CHECKS,
)
