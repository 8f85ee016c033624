"""A snapshot: one immutable, validated configuration with everything that was compiled for it.

Belongs here: putting configuration, descriptors and HTTP rules together, with every problem that
only shows when they meet. Does not: reading any of them (`sources`, `config`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from types import MappingProxyType

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.config.resolved import Config
from proxy.config.shape_requests import url_quirks
from proxy.cutover.plan import RoutePlan
from proxy.errors import ConfigError, Place, Problem
from proxy.routing.compiled import Compiled, Compiler
from proxy.routing.legacy_url_problems import duplicate_problems, legacy_url_problems
from proxy.routing.legacy_urls import AddBinding, LegacyDuplicates, with_legacy_urls
from proxy.routing.outcome_problems import OutcomeProblems
from proxy.routing.path_problems import PathProblems
from proxy.routing.program_problems import ProgramProblems
from proxy.routing.request_problems import RequestProblems
from proxy.routing.request_settings import path_settings
from proxy.routing.request_shape_problems import RequestShapeProblems
from proxy.routing.schema import Schema
from proxy.routing.shape_problems import ShapeProblems
from proxy.routing.table import Route, RouteBinding, RouteTable
from proxy.routing.trie import DuplicateRoutes, Matcher, MatcherBuilder
from proxy.routing.validation_problems import ValidationProblems
from proxy.shape.errors.renderer import ErrorRenderer
from proxy.shape.urls import UrlQuirks


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What requests are answered by.

    *plans* say by route name what the configuration wants of its cutover. *report* has a line for
    each RPC that is not served, or is served otherwise than written; it holds nothing that stops
    the proxy. *compiled* is what the next one may take over. *errors* writes the errors of requests
    that no route maps. *fingerprint* is a digest of all files that it was read from, "" when it was
    not read from files.
    """

    config: Config
    pool: DescriptorPool
    routes: tuple[Route, ...]
    bindings: tuple[RouteBinding, ...]
    table: RouteTable
    plans: Mapping[str, RoutePlan]
    report: tuple[str, ...]
    compiled: Compiled
    errors: ErrorRenderer
    fingerprint: str = ""

    @property
    def schema(self) -> Schema:
        """What its descriptor sources say."""
        return self.compiled.schema

    def __repr__(self) -> str:
        return f"<Snapshot {self.config.digest[:12]} routes={len(self.routes)}>"


def build_snapshot(
    config: Config,
    schema: Schema,
    before: Snapshot | None = None,
    breathe: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Compile all routes. Raises `ConfigError` with every problem of descriptors, rules, routes.

    What is the same in *before*, and was compiled for it, is taken from there; the snapshot that
    comes of it is the same as without. *breathe* is called between one step and the next: a
    thread that compiles while others serve can give way there.
    """
    problems = [*schema.descriptors.problems, *schema.resolution.problems]
    # An entry for an RPC whose rule is broken would be called unknown: one problem, told twice.
    if not problems:
        problems += config.check_rpcs(tuple(schema.facts))
        breathe()
        problems += config.check_methods(schema.facts)
        problems += RequestProblems(config, schema.bindings).find()
        misshapen = [*ShapeProblems(config, schema, breathe).find()]
        problems += misshapen
        if not misshapen:  # names of fields follow from shapes
            problems += PathProblems(config, schema.bindings, breathe).find()
        problems += OutcomeProblems(config, schema, breathe).find()
        problems += RequestShapeProblems(config, schema, breathe).find()
        problems += ProgramProblems(config, schema, breathe).find()
        problems += ValidationProblems(config, schema, breathe).find()
    compiler = Compiler(config, schema, None if before is None else before.compiled)
    bindings = tuple(compiler.compile_all(breathe))
    try:
        table = _table(bindings, config, before, breathe)
    except LegacyDuplicates as error:
        problems += duplicate_problems(config, error)
    except DuplicateRoutes as error:
        problems += _duplicates(error)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    routes = compiler.routes()
    has_legacy = config.settings.upstreams.legacy is not None
    return Snapshot(
        config=config,
        pool=schema.descriptors.pool,
        routes=routes,
        bindings=bindings,
        table=table,
        plans=MappingProxyType({route.name: _plan(route, has_legacy) for route in routes}),
        report=(*schema.report, *schema.resolution.report, *compiler.report),
        compiled=compiler.compiled(),
        errors=ErrorRenderer(config.unmapped_errors, schema.descriptors.pool),
    )


def _table(
    bindings: tuple[RouteBinding, ...],
    config: Config,
    before: Snapshot | None,
    breathe: Callable[[], None],
) -> RouteTable:
    """The table of *bindings*: that of *before* when it leads to the very same ones."""
    if before is not None and _are_same(bindings, before.bindings):
        return before.table
    add = _adder(config)
    builder = MatcherBuilder[RouteBinding]()
    for target in bindings:
        breathe()
        add(builder, target)
    own, quirks = RouteTable(builder.build(), _forms(bindings, add)), _quirks(bindings, config)
    table = with_legacy_urls(own, quirks, add)
    problems = [*legacy_url_problems(config, table, quirks, breathe)]
    if problems:
        raise ConfigError(problems)
    return table


def _forms(bindings: Sequence[RouteBinding], add: AddBinding) -> Matcher[RouteBinding] | None:
    """What finds the bindings that a form may stand for, None where there are none."""
    builder = MatcherBuilder[RouteBinding]()
    taking = [(target, target.form) for target in bindings if target.form is not None]
    for target, form in taking:
        # Variants are for requests whose parameters are all in the URL.
        add(builder, replace(target, request=form, variants=None))
    return builder.build() if taking else None


def _quirks(bindings: Sequence[RouteBinding], config: Config) -> dict[RouteBinding, UrlQuirks]:
    """The legacy forms of the bindings that have any."""
    shapes = ((target, config.options_for(target.binding.rpc).shape) for target in bindings)
    quirks = ((target, url_quirks(shape.urls)) for target, shape in shapes if shape is not None)
    return {target: each for target, each in quirks if each is not None}


def _are_same(some: Sequence[RouteBinding], others: Sequence[RouteBinding]) -> bool:
    """Whether they are the same objects: a route has all options that its place depends on."""
    return len(some) == len(others) and all(map(is_, some, others))


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
        has_mirror=route.mirror is not None,
    )


def _adder(config: Config) -> AddBinding:
    """What adds a binding to a matcher, by the options of its route."""

    def add(builder: MatcherBuilder[RouteBinding], target: RouteBinding) -> None:
        options = config.options_for(target.binding.rpc)
        settings = path_settings(options, target.binding)
        builder.add(
            target.binding.http_method, target.binding.template, target, **settings._asdict()
        )

    return add


def _duplicates(error: DuplicateRoutes) -> Iterator[Problem]:
    for pair in error.duplicates:
        first, second = pair.first.binding, pair.second.binding
        yield Problem(
            Place(second.origin, path=second.rpc),
            f"{pair.http_method} {second.template} is bound already, as {first.template} "
            f"by {first.rpc} ({first.origin})",
        )
