"""The configuration as the rest of the proxy reads it: settings, and the options of each RPC.

Belongs here: what a valid configuration says about an RPC. Does not: reading and checking files
(`load`).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from proxy.config.answer_dialect import AnswerDialect
from proxy.config.error_values import error_options
from proxy.config.inheritance import (
    breaker_of,
    canary_of,
    compare_of,
    fallback_of,
    gate_of,
    mirror_of,
    rollback_of,
)
from proxy.config.layers import Layers
from proxy.config.naming import ServiceTable, default_route_name, service_of
from proxy.config.options import Options, Route, Stage
from proxy.config.request_dialect import RequestDialect
from proxy.config.resolved_route import MethodFacts, ResolvedRoute
from proxy.config.rpc_checks import RpcChecks
from proxy.config.schema import Settings
from proxy.config.secret_files import SecretFile, digest_with, read_secrets
from proxy.config.shape import Profile, shape_of
from proxy.config.tree import Location, Tree, Value, parse_path
from proxy.cutover.override_header import OverrideHeader
from proxy.errors import Place, Problem
from proxy.shape.errors.options import ErrorOptions

__all__ = ["Config", "MethodFacts", "ResolvedRoute", "service_table"]

#: The options that an entry takes from `defaults` by rules of their own.
_BY_RULE: Final = frozenset(
    {
        *("stage", "upstream", "canary", "fallback", "breaker", "rollback", "max_inflight"),
        *("mirror", "compare", "gate", "shape"),
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


def _options(settings: Settings, route: Route | None) -> dict[str, Any]:
    """What a route has of its entry and of `defaults`; all without an entry have the same."""
    defaults = settings.defaults
    values = Layers.of(route, defaults)
    has_legacy = settings.upstreams.legacy is not None
    mirror = mirror_of(route, defaults) if has_legacy else None
    own = (route or defaults).max_inflight or defaults.max_inflight
    return {
        **{name: values[name] for name in _INHERITED},
        "requests": RequestDialect.model_construct(**values.rows(RequestDialect)),
        "answers": AnswerDialect.model_construct(**values.rows(AnswerDialect)),
        "shape": _shape(settings, route),
        "listed": route is not None,
        "has_legacy": has_legacy,
        "stage": (route or defaults).stage or _default_stage(settings),
        "safety": None if route is None else route.safety,
        "safety_reason": None if route is None else route.safety_reason,
        "canary": canary_of(route, defaults),
        "fallback": fallback_of(route, defaults) if has_legacy else None,
        "breaker": breaker_of(route, defaults) if has_legacy else None,
        "rollback": rollback_of(route, defaults) if has_legacy else None,
        "mirror": mirror,
        "compare": compare_of(route, defaults),
        "gate": gate_of(route, defaults, mirror) if has_legacy else None,
        # What is not set is what the process has: it refuses for less.
        "max_inflight": own or settings.limits.max_inflight,
    }


def _shape(settings: Settings, route: Route | None) -> Profile | None:
    """The shape of a route that has not switched it off."""
    defaults = settings.defaults.shape
    if route is None or "shape" not in route.model_fields_set:
        return shape_of(None, defaults, settings.profiles)
    return None if route.shape is None else shape_of(route.shape, defaults, settings.profiles)


def _default_stage(settings: Settings) -> Stage:
    return settings.defaults.stage or ("grpc" if settings.upstreams.legacy is None else "legacy")


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
    _unlisted: Mapping[str, Any] = field(repr=False)
    _services: ServiceTable = field(repr=False)
    _secrets: Mapping[str, str] = field(repr=False, default_factory=dict)
    #: What `options_for` has made: all who check and compile a route ask for the same.
    _resolved: dict[str, ResolvedRoute] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    @classmethod
    def of(cls, settings: Settings, digest: str, tree: Tree) -> "Config":
        """Put a configuration together from its checked parts."""
        routes = {route.rpc: route for route in settings.routes}
        unlisted = _options(settings, None)
        return cls(settings, digest, tree, routes, unlisted, service_table(settings))

    def place(self, path: str) -> Place:
        """Where the value at *path* (`routes[2].rpc`) stands, or the nearest thing around it."""
        return self._tree.place(parse_path(path))

    def place_at(self, location: Location) -> Place:
        """As `place`, of a value whose keys may have dots in them."""
        return self._tree.place(location)

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
        return _default_stage(self.settings)

    @property
    def unmapped_errors(self) -> ErrorOptions:
        """How errors are written of requests that no route maps: as `defaults` say it.

        Texts of upstreams stay hidden there: nobody has said of any route that they may be told.
        """
        shape: Profile | None = self._unlisted["shape"]
        keys = None if shape is None else shape.errors
        return error_options(self._unlisted["answers"], keys, reveal_upstream=False)

    def options_for(self, rpc: str) -> ResolvedRoute:
        """All options of the RPC with the full name *rpc*, whether it has an entry or not."""
        found = self._resolved.get(rpc)
        if found is None:
            found = self._resolved[rpc] = self._resolve(rpc)
        return found

    def _resolve(self, rpc: str) -> ResolvedRoute:
        route = self._routes.get(rpc)
        options = self._unlisted if route is None else _options(self.settings, route)
        return ResolvedRoute(
            rpc=rpc,
            name=(route and route.name) or default_route_name(rpc),
            upstream=(route and route.upstream) or self.upstream_for(service_of(rpc)),
            **options,
        )

    def check_rpcs(self, rpcs: Collection[str]) -> tuple[Problem, ...]:
        """Problems that only the descriptors bring to light.

        *rpcs* are the full names of all methods that have a binding. Found are entries for other
        methods, names that two methods share, and of methods without an entry: those without an
        upstream, with half a canary or half a mirror, and those that differ from others of their
        group.
        """
        return tuple(self._rpc_checks().of_rpcs(rpcs))

    def check_methods(self, facts: Mapping[str, MethodFacts]) -> tuple[Problem, ...]:
        """Problems of entries with what their RPCs are, by the *facts* of each full name."""
        return tuple(self._rpc_checks().of_methods(facts))

    def _rpc_checks(self) -> RpcChecks:
        return RpcChecks(self.settings, self._tree, self.options_for)

    def _written(self, value: Value, location: Location) -> Any:
        if isinstance(value, dict):
            return {key: self._written(inner, (*location, key)) for key, inner in value.items()}
        if isinstance(value, tuple):
            return [self._written(inner, (*location, i)) for i, inner in enumerate(value)]
        return self._tree.templates.get(location, value)
