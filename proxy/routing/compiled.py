"""The bindings of one schema, compiled; those of the snapshot before are taken where they can be.

Belongs here: compiling a binding, and when it need not be done again. Does not: what is wrong
with a configuration, the table of routes (`routing.snapshot`).

A binding follows from its schema, the options of its route and two limits. Where all of that is
the same, so is what was compiled. From another schema nothing is taken but the code of functions
whose generated source is the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from proxy.comparison.comparator import Comparator
from proxy.comparison.requests import RequestComparator
from proxy.config import mirror_policy, policy
from proxy.config.outcome_policy import outcome_options, shown_names
from proxy.config.resolved import Config, MethodFacts, ResolvedRoute
from proxy.config.shape_options import shape_options
from proxy.config.shape_programs import binding_programs
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import MirrorOptions
from proxy.cutover.override_header import DEFAULT_NAME
from proxy.cutover.stages import Stage
from proxy.gate.redaction import Redactor
from proxy.routing.comparisons import ComparisonCompiler, Comparisons
from proxy.routing.errors import ErrorRenderers
from proxy.routing.evidence_digest import EvidenceSettings, FileDigests, evidence_digest
from proxy.routing.json_tables import JsonTables, TableKey, TableMaker
from proxy.routing.request_settings import request_options, takes_forms
from proxy.routing.route_parts import PartsMaker, RouteParts
from proxy.routing.schema import Schema
from proxy.routing.table import Route, RouteBinding
from proxy.routing.variants import VariantCompiler
from proxy.routing.written import written_of
from proxy.shape.errors.renderer import ErrorRenderer
from proxy.shape.options import ShapeOptions
from proxy.shape.outcomes.options import OutcomeOptions
from proxy.shape.outcomes.outcomes import Outcomes
from proxy.shape.programs import BindingPrograms
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import takes_json
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.response import ResponseRenderer, is_raw_answer

_REPEATABLE: Final = frozenset({MethodOptions.IDEMPOTENT, MethodOptions.NO_SIDE_EFFECTS})


class RouteInputs(NamedTuple):
    """All that a route is made from. *evidence* is None where nothing is mirrored."""

    options: ResolvedRoute
    facts: MethodFacts
    withheld: frozenset[str]
    idempotent: bool
    evidence: EvidenceSettings | None

    @property
    def safety(self) -> Safety:
        """What a second call would do, as the entry says it, or else the descriptors."""
        return Safety(self.options.safety or self.facts.safety)


class BindingInputs(NamedTuple):
    """All that a binding is made from, beside the schema: *position* is its place there."""

    position: int
    json: JsonOptions
    shape: ShapeOptions | None
    request: RequestOptions


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """What was compiled for a snapshot, and what from.

    *routes* are by their RPC, *comparisons*, of bindings that are mirrored, by their position.
    """

    schema: Schema
    tables: Mapping[TableKey, JsonTables] = field(repr=False)
    routes: Mapping[str, tuple[RouteInputs, Route]] = field(repr=False)
    bindings: Mapping[BindingInputs, RouteBinding] = field(repr=False)
    files: FileDigests
    comparisons: Mapping[int, Comparisons] = field(repr=False)


class Compiler:
    """Compiles the bindings of *schema* as *config* has them; *before* is an earlier result."""

    def __init__(self, config: Config, schema: Schema, before: Compiled | None) -> None:
        self._config = config
        self._schema = schema
        same = before is not None and before.schema is schema
        files = FileDigests(schema.descriptors.files)
        fresh = Compiled(schema, {}, {}, {}, files, {})
        self._before = before if before is not None and same else fresh
        self._idempotent = _idempotent_rpcs(schema)
        override, mark = config.settings.override, config.settings.shadow.mark
        name = DEFAULT_NAME if override is None else override.header
        #: Headers by which the proxy is told something: no server is.
        self._withheld = frozenset({name, mark.header})
        known = {} if before is None else before.tables
        self._tables = TableMaker(schema.descriptors.pool, self._before.tables, known)
        self._routes: dict[str, tuple[RouteInputs, Route]] = {}
        self._bindings: dict[BindingInputs, RouteBinding] = {}
        self._errors = ErrorRenderers(schema.descriptors.pool)
        self._parts = PartsMaker(self._withheld)
        self._comparing = ComparisonCompiler()
        self._comparisons: dict[int, Comparisons] = {}
        #: Of each RPC that is not served, why not.
        self.report: list[str] = []

    def compile_all(self, breathe: Callable[[], None]) -> Iterator[RouteBinding]:
        """The bindings that can be served; the report says of the others why not."""
        for index, binding in enumerate(self._schema.resolution.bindings):
            try:
                breathe()
                yield self._compile(index, binding, breathe)
            except ValueError as error:
                self.report.append(f"{binding.rpc} is not served: {error} ({binding.origin})")

    def routes(self) -> tuple[Route, ...]:
        """The routes of the bindings so far."""
        return tuple(route for _, route in self._routes.values())

    def compiled(self) -> Compiled:
        """What a later compiler can take."""
        return Compiled(
            self._schema,
            self._tables.made,
            self._routes,
            self._bindings,
            self._before.files,
            self._comparisons,
        )

    def _compile(self, index: int, binding: Binding, breathe: Callable[[], None]) -> RouteBinding:
        options = self._config.options_for(binding.rpc)
        json, shape = self._json_options(options), shape_options(options.shape)
        inputs = BindingInputs(index, json, shape, self._request_options(options))
        found = self._before.bindings.get(inputs)
        tables = self._tables.of(inputs.json, inputs.shape)
        if found is None:
            for body in _bodies(binding):
                for _ in tables.codecs.prepare(body):
                    breathe()
            request = tables.builder(binding, inputs.request)
            response = ResponseRenderer.compile(binding, tables.codecs)
        else:
            request, response = found.request, found.response
        route = self._route(binding, options)
        compared = self._compared(index, route, options, request, tables.codecs)
        if found is None or found.route is not route:
            found = RouteBinding(route, binding, request, response, *compared)
            if options.shape is not None:
                outcomes = self._outcomes(binding, options, route, tables.codecs)
                found = replace(found, outcomes=outcomes, programs=_programs(options, binding))
        if found.form is None and takes_forms(options, binding):
            read = replace(inputs.request, reads_form=True)
            found = replace(found, form=tables.builder(binding, read))
        if options.answers.system_parameters == "honour" and found.variants is None:
            found = self._with_variants(found, inputs, options)
        self._bindings[inputs] = found
        return found

    def _with_variants(
        self, target: RouteBinding, inputs: BindingInputs, options: ResolvedRoute
    ) -> RouteBinding:
        """The binding with the forms in which clients can ask for its answers."""

        def builder(json: JsonOptions) -> RequestBuilder:
            tables = self._tables.of(json, inputs.shape)
            return tables.builder(target.binding, inputs.request)

        return VariantCompiler(
            target,
            codecs_of=lambda json: self._tables.of(json, inputs.shape).codecs,
            builder_of=builder,
            by_alt=options.answers.http_body == "by_alt",
        ).compile()

    def _outcomes(
        self, binding: Binding, options: ResolvedRoute, route: Route, codecs: Codecs
    ) -> Outcomes | None:
        """What makes status, headers and pages of the answers, None where no shape says any."""
        if options.shape is None:
            return None
        outcomes, shown = outcome_options(options.shape), shown_names(options.shape)
        if outcomes is None and not shown:
            return None
        outcomes = outcomes or OutcomeOptions(base_url=options.shape.base_url)
        safe = route.safety is Safety.SAFE
        return Outcomes.compile(binding, outcomes, codecs, safe=safe, shown=shown)[0]

    def _compared(
        self,
        index: int,
        route: Route,
        options: ResolvedRoute,
        request: RequestBuilder,
        codecs: Codecs,
    ) -> tuple[Comparator, RequestComparator, Redactor] | tuple[()]:
        """What compares the requests of a binding, nothing where none is mirrored."""
        if route.mirror is None:
            return ()
        written = written_of(options, request.binding, codecs.options)
        inputs = self._comparing.inputs(options.compare, route.mirror, request, written)
        before = self._before.comparisons.get(index)
        found = self._comparisons[index] = self._comparing.compile(inputs, codecs, before)
        return found.comparator, found.requests, found.redactor

    def _route(self, binding: Binding, options: ResolvedRoute) -> Route:
        known = self._routes.get(binding.rpc)
        if known is not None:
            return known[1]
        inputs = self._route_inputs(binding.rpc, options)
        found = self._before.routes.get(binding.rpc)
        if found is None or found[0] != inputs:
            found = inputs, self._new_route(binding, inputs)
        self._routes[binding.rpc] = found
        return found[1]

    def _route_inputs(self, rpc: str, options: ResolvedRoute) -> RouteInputs:
        settings, evidence = self._config.settings, None
        if options.mirror is not None:
            evidence = EvidenceSettings.of(settings, options.upstream)
        facts, idempotent = self._schema.facts[rpc], rpc in self._idempotent
        return RouteInputs(options, facts, self._withheld, idempotent, evidence)

    def _new_route(self, binding: Binding, inputs: RouteInputs) -> Route:
        mirror, digest = _mirror(inputs), ""
        if mirror is not None and inputs.evidence is not None:
            bindings = self._schema.bindings[binding.rpc]
            files = self._before.files
            digest = evidence_digest(bindings, inputs.options, mirror, inputs.evidence, files)
        errors = self._errors.of(self._schema.bindings[binding.rpc], inputs.options)
        return _route(binding, inputs, mirror, digest, errors, self._parts.of(inputs.options))

    def _request_options(self, options: ResolvedRoute) -> RequestOptions:
        return request_options(options, self._config.settings.limits.max_query_parameters)

    def _json_options(self, options: ResolvedRoute) -> JsonOptions:
        limits = self._config.settings.limits
        return JsonOptions(
            names=options.names,
            emit_defaults=options.emit_defaults,
            emit_unset=options.answers.emit_unset,
            enums_as_numbers=options.enums_as_numbers,
            int64_as_numbers=options.int64_as_numbers,
            unknown_fields=options.unknown_fields,
            max_depth=limits.max_json_depth,
            max_object_keys=limits.max_object_keys,
            rejects_enum_names=options.requests.unknown_enum_names == "reject",
        )


def _bodies(binding: Binding) -> Iterator[Descriptor]:
    """The message types of a binding's bodies."""
    body, answer = binding.body, binding.response_body
    inputs = binding.method.input_type if body is Body.WHOLE else None
    if not isinstance(body, Body):
        inputs = body.message_type
    outputs = binding.method.output_type if answer is None else answer.message_type
    return (each for each in (inputs, outputs) if each is not None)


def _programs(options: ResolvedRoute, binding: Binding) -> BindingPrograms | None:
    """The programs that have something to read."""
    programs = None if options.shape is None else binding_programs(options.shape.jq)
    if programs is None:
        return None
    request = programs.request if takes_json(binding) else None
    answer = None if is_raw_answer(binding) else programs.answer
    return BindingPrograms(request, answer) if request or answer else None


def _mirror(inputs: RouteInputs) -> MirrorOptions | None:
    """The mirror of a route. Requests that stream cannot be repeated: nothing keeps them."""
    options, facts = inputs.options, inputs.facts
    if options.mirror is None or facts.streams_requests:
        return None
    depth = mirror_policy.depth_of(options.mirror, inputs.safety, can_validate=facts.can_validate)
    return mirror_policy.mirror_value(options.mirror, options.compare, depth, inputs.safety)


def _route(
    binding: Binding,
    inputs: RouteInputs,
    mirror: MirrorOptions | None,
    digest: str,
    errors: ErrorRenderer,
    parts: RouteParts,
) -> Route:
    options, safety, forward = inputs.options, inputs.safety, inputs.options.answers.forward_headers
    service, _, method = binding.rpc.rpartition(".")
    canary, fallback = options.canary, options.fallback
    return Route(
        name=options.name,
        rpc=binding.rpc,
        method_path=f"/{service}/{method}",
        cardinality=binding.cardinality,
        idempotent=_may_repeat(inputs),
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
        mirror=mirror,
        gate=mirror_policy.gate_value(options.gate, mirror.depth if mirror else None),
        evidence_digest=digest,
        expiries=mirror_policy.expiries(options.compare),
        owner=options.owner,
        target_date=options.target_date,
        upstream=options.upstream,
        timeout_s=options.timeout_s,
        max_inflight=options.max_inflight,
        max_request_bytes=options.max_request_bytes,
        compress_min_bytes=options.compress_min_bytes,
        reveal_internal=options.reveal_internal_errors,
        traced=forward == "all" or "traceparent" in options.request_headers,
        tells_origin=forward != "list",
        errors=errors,
        **parts._asdict(),
    )


def _may_repeat(inputs: RouteInputs) -> bool:
    """Whether a call may be sent again: someone has said so, and nothing says otherwise."""
    said = inputs.idempotent or inputs.options.safety is not None
    return said and inputs.safety is not Safety.UNSAFE


def _idempotent_rpcs(schema: Schema) -> frozenset[str]:
    """The RPCs of which it is said that they can be called again: in the proto, or by a GET.

    By a GET, not by PUT and DELETE: the second DELETE of one thing answers that it is not there.
    """
    return frozenset(
        binding.rpc
        for binding in schema.resolution.bindings
        if binding.http_method == "GET"
        or binding.method.GetOptions().idempotency_level in _REPEATABLE
    )
