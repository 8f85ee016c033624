"""The configuration as the rest of the proxy reads it: settings, and the options of each RPC.

Belongs here: what a valid configuration says about an RPC. Does not: reading and checking files
(`load`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any, Final

from proxy.config.agreement import canary_faults, group_faults
from proxy.config.canary import Canary
from proxy.config.compare import Compare
from proxy.config.gate import Gate
from proxy.config.inheritance import (
    breaker_of,
    canary_of,
    compare_of,
    fallback_of,
    gate_of,
    mirror_of,
    rollback_of,
)
from proxy.config.mirror import Mirror
from proxy.config.naming import ServiceTable, default_route_name, did_you_mean, service_of
from proxy.config.options import (
    STAGES_OF_GRPC,
    Names,
    Options,
    Route,
    Safety,
    Stage,
    StreamFormat,
    TrailingSlash,
    UnknownFields,
)
from proxy.config.safeguards import FOR_SAFE_CALLS, Breaker, Fallback, Rollback
from proxy.config.schema import Settings
from proxy.config.secret_files import SecretFile, digest_with, read_secrets
from proxy.config.tree import Location, Tree, Value, parse_path
from proxy.cutover.override_header import OverrideHeader
from proxy.errors import Place, Problem


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """All options of one RPC: its entry's, else those of `defaults`, else the built-in ones.

    *upstream* is None when no gRPC upstream serves it; *compress_min_bytes* when answers are not
    compressed. *listed* says whether the RPC has an entry in `routes`. *fallback*, *breaker*,
    *rollback*, *mirror* and *gate* are None when they are off, and where there is no legacy
    upstream to turn to.
    *safety* is None when the descriptors are to say it.
    """

    rpc: str
    name: str
    listed: bool
    has_legacy: bool
    stage: Stage
    safety: Safety | None
    safety_reason: str | None
    canary: Canary | None
    fallback: Fallback | None
    breaker: Breaker | None
    rollback: Rollback | None
    mirror: Mirror | None
    compare: Compare | None
    gate: Gate | None
    owner: str | None
    target_date: date | None
    upstream: str | None
    timeout_s: float
    max_inflight: int
    unknown_fields: UnknownFields
    trailing_slash: TrailingSlash
    names: Names
    emit_defaults: bool
    enums_as_numbers: bool
    int64_as_numbers: bool
    stream_format: StreamFormat
    reveal_internal_errors: bool
    request_headers: tuple[str, ...]
    response_metadata: tuple[str, ...]
    max_request_bytes: int
    compress_min_bytes: int | None


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What descriptors say of an RPC.

    *safety* is what a second call would do, *streams_requests* whether clients send any number of
    messages, *can_validate* whether the message has a truth value `validate_only`.
    """

    safety: Safety
    streams_requests: bool
    can_validate: bool = False


#: The options that an entry takes from `defaults` by rules of their own.
_BY_RULE: Final = frozenset(
    {
        *("stage", "upstream", "canary", "fallback", "breaker", "rollback", "max_inflight"),
        *("mirror", "compare", "gate"),
    }
)
#: Those that it takes as they are.
_INHERITED: Final = tuple(
    option.name
    for option in fields(ResolvedRoute)
    if option.name in Options.model_fields and option.name not in _BY_RULE
)


def service_table(settings: Settings) -> ServiceTable:
    """Which upstream serves which service, by the `services` of all upstreams."""
    upstreams = settings.upstreams.grpc.items()
    return ServiceTable({glob: name for name, up in upstreams for glob in up.services})


@dataclass(frozen=True, slots=True)
class Config:
    """One valid configuration.

    *digest* is the SHA-256 of what it says, in hex: order of keys, comments, spelling of units
    and the spread over files do not change it, values from the environment do.
    """

    settings: Settings = field(repr=False)
    digest: str
    _tree: Tree = field(repr=False)
    _routes: Mapping[str, Route] = field(repr=False)
    _services: ServiceTable = field(repr=False)
    _secrets: Mapping[str, str] = field(repr=False, default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, digest: str, tree: Tree) -> "Config":
        """Put a configuration together from its checked parts."""
        routes = {route.rpc: route for route in settings.routes}
        return cls(settings, digest, tree, routes, service_table(settings))

    def place(self, path: str) -> Place:
        """Where the value at *path* (`routes[2].rpc`) stands, or the nearest thing around it."""
        return self._tree.place(parse_path(path))

    def redacted(self) -> dict[str, Any]:
        """The configuration as written: values from the environment stay `${NAME}`."""
        return {key: self._written(value, (key,)) for key, value in self._tree.values.items()}

    def secret_files(self) -> tuple[SecretFile, ...]:
        """The files with secrets that this configuration names."""
        override, token = self.settings.override, self.settings.admin.token_file
        named = (
            ("override.secret_file", override and override.secret_file),
            ("admin.token_file", token),
            ("shadow.mark.secret_file", self.settings.shadow.mark.secret_file),
        )
        return tuple(SecretFile(path, self.place(key)) for key, path in named if path)

    def with_secrets(self, read: Callable[[str], bytes]) -> "Config":
        """The same configuration with the content of its secret files, which its digest covers too.

        *read* gives the bytes of a path as written, relative to the folder, or raises `OSError`.
        Raises `ConfigError` with every file that cannot be read or holds no good secret.
        """
        secrets = read_secrets(self.secret_files(), read)
        return replace(self, digest=digest_with(self.digest, secrets), _secrets=secrets)

    @property
    def override_header(self) -> OverrideHeader | None:
        """The override header, None when nobody may override. Needs `with_secrets`."""
        section = self.settings.override
        if section is None:
            return None
        secret = section.secret or self._secrets[section.secret_file or ""]
        return OverrideHeader(section.header, secret)

    @property
    def mark_secret(self) -> str | None:
        """The secret of the mark of mirrors, None when one is to be made. Needs `with_secrets`."""
        mark = self.settings.shadow.mark
        return mark.secret if mark.secret_file is None else self._secrets[mark.secret_file]

    @property
    def admin_token(self) -> str | None:
        """The token of the admin port, None when there is none. Needs `with_secrets`."""
        path = self.settings.admin.token_file
        return None if path is None else self._secrets[path]

    def upstream_for(self, service: str) -> str | None:
        """The gRPC upstream of a full service name: by `services`, else by `defaults`."""
        return self._services.find(service) or self.settings.defaults.upstream

    @property
    def default_stage(self) -> Stage:
        """The stage of a route that sets none."""
        alone = self.settings.upstreams.legacy is None
        return self.settings.defaults.stage or ("grpc" if alone else "legacy")

    def options_for(self, rpc: str) -> ResolvedRoute:
        """All options of the RPC with the full name *rpc*, whether it has an entry or not."""
        route, defaults = self._routes.get(rpc), self.settings.defaults
        given = frozenset() if route is None else route.model_fields_set
        inherited = {
            option: getattr(route if option in given else defaults, option) for option in _INHERITED
        }
        has_legacy = self.settings.upstreams.legacy is not None
        mirror = mirror_of(route, defaults) if has_legacy else None
        return ResolvedRoute(
            rpc=rpc,
            name=(route and route.name) or default_route_name(rpc),
            listed=route is not None,
            has_legacy=has_legacy,
            stage=(route and route.stage) or self.default_stage,
            safety=None if route is None else route.safety,
            safety_reason=None if route is None else route.safety_reason,
            canary=canary_of(route, defaults),
            fallback=fallback_of(route, defaults) if has_legacy else None,
            breaker=breaker_of(route, defaults) if has_legacy else None,
            rollback=rollback_of(route, defaults) if has_legacy else None,
            mirror=mirror,
            compare=compare_of(route, defaults),
            gate=gate_of(route, defaults, mirror) if has_legacy else None,
            upstream=(route and route.upstream) or self.upstream_for(service_of(rpc)),
            max_inflight=self._max_inflight(route),
            **inherited,
        )

    def _max_inflight(self, route: Route | None) -> int:
        """What is set for the route; else what the process has: it refuses for less."""
        own = (route and route.max_inflight) or self.settings.defaults.max_inflight
        return own or self.settings.limits.max_inflight

    def check_rpcs(self, rpcs: Collection[str]) -> tuple[Problem, ...]:
        """Problems that only the descriptors bring to light.

        *rpcs* are the full names of all methods that have a binding. Found are entries for other
        methods, names that two methods share, and of methods without an entry: those without an
        upstream or with half a canary, and those that differ from others of their group.
        """
        resolved = [self.options_for(rpc) for rpc in rpcs]
        return (
            *self._unknown_rpcs(rpcs),
            *self._without_upstream(resolved),
            *self._half_canaries(resolved),
            *self._groups_that_differ(resolved),
            *self._shared_names(resolved),
        )

    def check_methods(self, facts: Mapping[str, MethodFacts]) -> tuple[Problem, ...]:
        """Problems of entries with what their RPCs are, by the *facts* of each full name."""
        return tuple(
            Problem(self._tree.place(("routes", index, *location)), message)
            for index, route in enumerate(self.settings.routes)
            if route.rpc in facts
            for location, message in self._against(route, facts[route.rpc])
        )

    def _against(self, route: Route, facts: MethodFacts) -> Iterator[tuple[Location, str]]:
        if route.safety == "safe" != facts.safety and route.safety_reason is None:
            message = "must have safety_reason beside it: its HTTP methods say otherwise"
            yield ("safety",), message
        if (route.safety or facts.safety) != "safe" and route.fallback is not None:
            for index, kind in enumerate(route.fallback.on):
                if kind in FOR_SAFE_CALLS:
                    yield ("fallback", "on", index), f"{kind} needs a route whose safety is safe"
        has_legacy = self.settings.upstreams.legacy is not None
        if facts.streams_requests and has_legacy and route.stage in ("canary", "grpc"):
            yield ("stage",), "must stay legacy: requests that stream are not served by gRPC yet"

    def _unknown_rpcs(self, rpcs: Collection[str]) -> Iterator[Problem]:
        known = frozenset(rpcs)
        for index, route in enumerate(self.settings.routes):
            if route.rpc not in known:
                message = f"no method {route.rpc} has an HTTP rule"
                place = self._tree.place(("routes", index, "rpc"))
                yield Problem(place, message + did_you_mean(route.rpc, rpcs))

    def _without_upstream(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        for route in routes:
            if not route.listed and route.stage in STAGES_OF_GRPC and route.upstream is None:
                message = f"no gRPC upstream has the service of {route.rpc} in its services"
                yield Problem(self._tree.place(("upstreams",)), message)

    def _half_canaries(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        for route in routes:
            if not route.listed and route.stage == "canary":
                place = self._tree.place(("defaults", "stage"))
                for fault in canary_faults(route.canary):
                    yield Problem(place, f"{fault}, for {route.rpc}")
                return  # All others have the same: that of `defaults`.

    def _groups_that_differ(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        """Where a route without an entry differs: entries have been compared with one another."""
        places: dict[str, Location] = {
            route.rpc: ("routes", index, "canary")
            for index, route in enumerate(self.settings.routes)
        }
        canaries = (
            (route.name, route.canary, places.get(route.rpc, ("defaults", "canary")))
            for route in sorted(routes, key=lambda route: route.listed)
            if route.canary is not None
        )
        for location, first, message in group_faults(canaries):
            if first[0] == "defaults":
                text = f"{message} from {self._tree.place(first)}"
                yield Problem(self._tree.place(location), text)

    def _shared_names(self, routes: list[ResolvedRoute]) -> Iterator[Problem]:
        owners: defaultdict[str, list[str]] = defaultdict(list)
        for route in routes:
            owners[route.name].append(route.rpc)
        for name, sharing in owners.items():
            if len(sharing) > 1:
                message = f"'{name}' would name {' and '.join(sharing)}; give one of them a name"
                yield Problem(self._tree.place(("routes",)), message)

    def _written(self, value: Value, location: Location) -> Any:
        if isinstance(value, dict):
            return {key: self._written(inner, (*location, key)) for key, inner in value.items()}
        if isinstance(value, tuple):
            return [self._written(inner, (*location, i)) for i, inner in enumerate(value)]
        return self._tree.templates.get(location, value)
