"""A snapshot: one immutable, validated configuration with everything that was compiled for it.

Belongs here: putting configuration, descriptors and HTTP rules together, with every problem that
only shows when they meet. Does not: reading any of them (`sources`, `config`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.config import policy
from proxy.config.resolved import Config, MethodFacts, ResolvedRoute
from proxy.cutover.fallback import Safety
from proxy.cutover.override_header import DEFAULT_NAME
from proxy.cutover.plan import RoutePlan
from proxy.cutover.stages import Stage
from proxy.errors import ConfigError, Place, Problem
from proxy.routing.methods import facts_of
from proxy.routing.table import Route, RouteBinding, RouteTable
from proxy.routing.trie import DuplicateRoutes, MatcherBuilder
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import Descriptors
from proxy.transcoding.httprule import ServiceConfigRules
from proxy.transcoding.metadata import compile_request_metadata, compile_response_headers
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.percent import Unescape
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.response import ResponseRenderer
from proxy.transcoding.rules import resolve
from proxy.transcoding.streams import FORMATS

_REPEATABLE: Final = frozenset({MethodOptions.IDEMPOTENT, MethodOptions.NO_SIDE_EFFECTS})


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What requests are answered by.

    *plans* say by route name what the configuration wants of its cutover. *report* has a line for
    each RPC that is not served, or is served otherwise than written; it holds nothing that stops
    the proxy. *fingerprint* is a digest of all files that it was read from, "" when it was not
    read from files.
    """

    config: Config
    pool: DescriptorPool
    routes: tuple[Route, ...]
    bindings: tuple[RouteBinding, ...]
    table: RouteTable
    plans: Mapping[str, RoutePlan]
    report: tuple[str, ...]
    fingerprint: str = ""

    def __repr__(self) -> str:
        return f"<Snapshot {self.config.digest[:12]} routes={len(self.routes)}>"


def build_snapshot(
    config: Config,
    descriptors: Descriptors,
    service_configs: Sequence[ServiceConfigRules],
    report: Sequence[str] = (),
    breathe: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Compile all routes. Raises `ConfigError` with every problem of descriptors, rules, routes.

    *report* is what the sources said already; it stands first in the snapshot's. *breathe* is
    called between one binding and the next: a thread that compiles while others serve can give
    way there.
    """
    resolution = resolve(descriptors, service_configs)
    facts = facts_of(resolution.bindings)
    problems = [*descriptors.problems, *resolution.problems]
    # An entry for an RPC whose rule is broken would be called unknown: one problem, told twice.
    if not problems:
        problems += (*config.check_rpcs(tuple(facts)), *config.check_methods(facts))
    builder = _Builder(config, descriptors.pool, facts)
    bindings = tuple(builder.compile_all(resolution.bindings, breathe))
    try:
        table = RouteTable(_matcher_builder(bindings, config).build())
    except DuplicateRoutes as error:
        problems += _duplicates(error)
    if problems:
        raise ConfigError(problems)
    routes = tuple(builder.routes.values())
    has_legacy = config.settings.upstreams.legacy is not None
    plans = MappingProxyType({route.name: _plan(route, has_legacy) for route in routes})
    lines = (*report, *resolution.report, *builder.report)
    return Snapshot(config, descriptors.pool, routes, bindings, table, plans, lines)


class _Builder:
    """Compiles bindings; what routes with the same options share is compiled once."""

    def __init__(
        self, config: Config, pool: DescriptorPool, facts: Mapping[str, MethodFacts]
    ) -> None:
        self._config = config
        self._pool = pool
        self._facts = facts
        self._tables: dict[JsonOptions, tuple[Codecs, FieldTables]] = {}
        self._idempotent: frozenset[str] = frozenset()
        self.routes: dict[str, Route] = {}
        self.report: list[str] = []

    def compile_all(
        self, bindings: Sequence[Binding], breathe: Callable[[], None]
    ) -> Iterator[RouteBinding]:
        """The bindings that can be served; the report says of the others why not."""
        self._idempotent = _idempotent_rpcs(bindings)
        for binding in bindings:
            try:
                breathe()
                yield self._compile(binding)
            except ValueError as error:
                self.report.append(f"{binding.rpc} is not served: {error} ({binding.origin})")

    def _compile(self, binding: Binding) -> RouteBinding:
        options = self._config.options_for(binding.rpc)
        codecs, tables = self._codecs(options)
        request_options = RequestOptions(
            unknown_parameters=options.unknown_fields,
            max_parameters=self._config.settings.limits.max_query_parameters,
        )
        request = RequestBuilder.compile(binding, codecs, request_options, tables)
        response = ResponseRenderer.compile(binding, codecs)
        route = self.routes.get(binding.rpc)
        if route is None:
            safety = Safety(options.safety or self._facts[binding.rpc].safety)
            repeatable = binding.rpc in self._idempotent
            override = self._config.settings.override
            withheld = DEFAULT_NAME if override is None else override.header
            route = _route(binding, options, safety, withheld, idempotent=repeatable)
            self.routes[binding.rpc] = route
        return RouteBinding(route, binding, request, response)

    def _codecs(self, options: ResolvedRoute) -> tuple[Codecs, FieldTables]:
        limits = self._config.settings.limits
        key = JsonOptions(
            names=options.names,
            emit_defaults=options.emit_defaults,
            enums_as_numbers=options.enums_as_numbers,
            int64_as_numbers=options.int64_as_numbers,
            unknown_fields=options.unknown_fields,
            max_depth=limits.max_json_depth,
            max_object_keys=limits.max_object_keys,
        )
        if key not in self._tables:
            codecs = Codecs(self._pool, key)
            self._tables[key] = (codecs, FieldTables(codecs))
        return self._tables[key]


def _route(
    binding: Binding, options: ResolvedRoute, safety: Safety, withheld: str, *, idempotent: bool
) -> Route:
    service, _, method = binding.rpc.rpartition(".")
    canary, fallback = options.canary, options.fallback
    return Route(
        name=options.name,
        rpc=binding.rpc,
        method_path=f"/{service}/{method}",
        cardinality=binding.cardinality,
        idempotent=idempotent if options.safety is None else safety is not Safety.UNSAFE,
        safety=safety,
        stage=Stage(options.stage),
        basis_points=policy.first_basis_points(canary),
        canary=policy.canary_value(canary, options.name),
        ramp=policy.ramp_value(canary),
        fallback_on=policy.fallback_on(fallback, safety),
        fallback_max_ratio=policy.fallback_max_ratio(fallback),
        guard=policy.guard_options(fallback, options.breaker, options.rollback)
        if options.has_legacy
        else None,
        owner=options.owner,
        target_date=options.target_date,
        upstream=options.upstream,
        timeout_s=options.timeout_s,
        max_request_bytes=options.max_request_bytes,
        compress_min_bytes=options.compress_min_bytes,
        reveal_internal=options.reveal_internal_errors,
        traced="traceparent" in options.request_headers,
        stream_format=FORMATS[options.stream_format],
        metadata_of=compile_request_metadata(options.request_headers, withheld=withheld),
        headers_of=compile_response_headers(options.response_metadata),
    )


def _plan(route: Route, has_legacy: bool) -> RoutePlan:
    return RoutePlan(
        name=route.name,
        stage=route.stage,
        basis_points=route.basis_points,
        ramp=route.ramp,
        has_legacy=has_legacy,
        # Requests that stream are not served by gRPC: to move there would be to lose them.
        has_grpc=route.upstream is not None and not route.cardinality.request_streams,
        has_sticky=route.canary is not None and bool(route.canary.sticky),
    )


def _idempotent_rpcs(bindings: Sequence[Binding]) -> frozenset[str]:
    """The RPCs that may be called again: the proto says so, or a GET, safe by definition, can."""
    return frozenset(
        binding.rpc
        for binding in bindings
        if binding.http_method == "GET"
        or binding.method.GetOptions().idempotency_level in _REPEATABLE
    )


def _matcher_builder(
    bindings: Sequence[RouteBinding], config: Config
) -> MatcherBuilder[RouteBinding]:
    builder = MatcherBuilder[RouteBinding]()
    for target in bindings:
        options = config.options_for(target.binding.rpc)
        unescape = Unescape.ALL_EXCEPT_SLASH.with_full_expansion(
            target.binding.fully_decode_reserved_expansion
        )
        builder.add(
            target.binding.http_method,
            target.binding.template,
            target,
            unescape=unescape,
            ignore_trailing_slash=options.trailing_slash == "ignore",
        )
    return builder


def _duplicates(error: DuplicateRoutes) -> Iterator[Problem]:
    for pair in error.duplicates:
        first, second = pair.first.binding, pair.second.binding
        yield Problem(
            Place(second.origin, path=second.rpc),
            f"{pair.http_method} {second.template} is bound already, as {first.template} "
            f"by {first.rpc} ({first.origin})",
        )
