"""What an exchange would do with a request, and why, without a connection or an upstream.

Belongs here: an account of one request for people, made of the same look-ups and the same
compiled parts that serve requests. Does not: how it is shown (`described`, `cli`), and what the
listener refuses before any route is looked for: framing, and the sizes of target and headers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from multidict import CIMultiDictProxy

from proxy.config.upstreams import LEGACY, Upstreams
from proxy.cutover.decision import REFUSED, Decision, Reason, decide
from proxy.cutover.mirror import mirrored_side
from proxy.cutover.overrides import NOTHING_MOVED, Overrides, position_of
from proxy.cutover.position import Position
from proxy.cutover.stages import Side
from proxy.cutover.sticky import Caller, sticky_key
from proxy.errors import RequestError, StatusError
from proxy.exchange.exchange import not_served, unanswerable
from proxy.exchange.explained_shape import shape_steps
from proxy.exchange.failure import failure
from proxy.exchange.form_methods import form_reader
from proxy.exchange.messages import Answer, body_too_large
from proxy.exchange.outcomes import asked_of
from proxy.exchange.steering import trusted_side
from proxy.routing.outcomes import Candidate
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found, Route, RouteBinding
from proxy.shadow.mirror import skip_of
from proxy.shadow.sample import Drop, Skip
from proxy.shadow.sampling import Sampler
from proxy.shape.described import ShapeStep
from proxy.shape.errors.readable import ErrorContext
from proxy.shape.programs import BindingPrograms
from proxy.telemetry.tracing import TRACEPARENT, parse_traceparent, without_trace
from proxy.transcoding.explain import FieldOrigin, explain_request
from proxy.transcoding.forwarding import Arrival
from proxy.transcoding.metadata import Pairs
from proxy.transcoding.metadata_policies import origin_metadata
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.protojson.faults import DecodeFailure
from proxy.transcoding.response import JSON_CONTENT

#: Runs the program for the body of a request, of a content type. Raises `StatusError`.
RunProgram = Callable[[BindingPrograms, bytes, str | None], bytes]

_DEFAULT_JSON: Final = JsonOptions()


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request to be explained. *target* is path and query, raw; *body* is without coding.

    *client_address* is the one by which clients are known, after trusted hops.
    """

    http_method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes = b""
    client_address: str = ""

    @property
    def path(self) -> str:
        """The raw path."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The raw query, without the question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class ExplainedCall:
    """The gRPC call that a request is transcoded to.

    *message* is the request message as ProtoJSON, None for the rare one that has none. *unknown*
    names parameters and JSON keys that were passed over. *begins_trace* says that each call gets
    a `traceparent` of its own, since the request has no valid one. *answer_type* is the content
    type of the answer, None where the upstream names it (`google.api.HttpBody`).
    """

    method_path: str
    timeout_s: float
    metadata: Pairs
    begins_trace: bool
    fields: tuple[FieldOrigin, ...]
    unknown: tuple[str, ...]
    message: bytes | None
    answer_type: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The upstream that a request goes to. *timeout_s* is how long it may take.

    That is the whole call for a gRPC upstream, and the time until the answer begins for legacy.
    """

    name: str
    address: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ExplainedMirror:
    """Whether a request would be mirrored, to which *side* and how deep.

    *percent* of the requests are sampled, or with *sampled* of the clients: it says whether this
    one is. *never* says why no request like this one is mirrored, whatever is sampled.
    """

    side: str
    depth: str
    percent: float
    sampled: bool | None
    never: str | None


@dataclass(slots=True)
class Refusal(Answer):
    """The answer to a request that is refused, and what is wrong with it.

    A route's form of errors need not say that, and says it by other names than the proto has:
    *field* is a proto path, or "".
    """

    message: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a request.

    *candidates* are all bindings whose path fits, the most specific first, whatever their HTTP
    method. *asked* is None when the proxy answers by itself. *outcome* is the call, or the answer
    that the proxy gives: a refusal, or that to OPTIONS. On the legacy side it is what the gRPC
    side would make of the request, None when nothing is mapped. *position* is where the route
    stands, None when nothing is mapped. *mirror* is None when there is none in this stage.
    *shape* are the steps of the route's shape, of the request first.
    """

    inquiry: Inquiry
    decision: Decision
    position: Position | None
    binding: RouteBinding | None
    candidates: tuple[Candidate[RouteBinding], ...]
    asked: Asked | None
    outcome: ExplainedCall | Answer | None
    mirror: ExplainedMirror | None = None
    shape: tuple[ShapeStep, ...] = ()


def explain(
    snapshot: Snapshot,
    inquiry: Inquiry,
    overrides: Overrides = NOTHING_MOVED,
    now_s: float = 0.0,
    run: RunProgram | None = None,
) -> Explanation:
    """Explain a request as *snapshot* would serve it, with what was moved by *now_s*.

    *run* runs the programs of routes; without it bodies are explained as if there were none.
    Breakers count as closed, and nobody as pinned: both change by the second. Raises nothing.
    """
    found = _found(snapshot, inquiry)
    binding = found.binding
    position = None if binding is None else _position(snapshot, binding.route, overrides, now_s)
    killed = overrides.is_killed(now_s) and snapshot.config.settings.upstreams.legacy is not None
    header = snapshot.config.override_header
    caller = Caller(inquiry.headers, inquiry.query, inquiry.client_address)
    decision = decide(
        position,
        None if binding is None else binding.route.canary,
        caller,
        killed=killed,
        override=None
        if header is None or binding is None
        else trusted_side(header, inquiry.headers, snapshot.plans[binding.route.name]),
        breaker_open=False,
        pinned=None,
    )
    outcome = _outcome(snapshot, inquiry, found, run)
    asked = _asked(snapshot.config.settings.upstreams, decision.side, binding, outcome)
    return Explanation(
        inquiry,
        REFUSED if asked is None else decision,
        position,
        binding,
        tuple(snapshot.table.matcher.candidates(inquiry.path)),
        asked,
        None if binding is None and asked is not None else outcome,
        None
        if binding is None or position is None or asked is None
        else _mirror(snapshot, binding.route, position, decision, inquiry, caller),
        shape_steps(snapshot, found, inquiry.query),
    )


def _found(snapshot: Snapshot, inquiry: Inquiry) -> Found:
    """What is mapped, looked for in the order in which an exchange does."""
    table, path, content_type = snapshot.table, inquiry.path, inquiry.headers.get("content-type")
    found = table.find(inquiry.http_method, path, inquiry.query)
    if inquiry.http_method == "POST":
        found = table.posted(found, path, inquiry.headers)
    forms = form_reader(table)
    if forms is not None and inquiry.body and not found.quirks:
        limit = forms.form_limit(inquiry.http_method, path, content_type)
        if len(inquiry.body) <= limit:
            found = forms.find_by_form(path, content_type, inquiry.body) or found
    return found.as_asked(inquiry.query)


def _position(snapshot: Snapshot, route: Route, overrides: Overrides, now_s: float) -> Position:
    return position_of(snapshot.plans[route.name], overrides.standing(route.name, now_s))


def _mirror(
    snapshot: Snapshot,
    route: Route,
    position: Position,
    decision: Decision,
    inquiry: Inquiry,
    caller: Caller,
) -> ExplainedMirror | None:
    options, side = route.mirror, mirrored_side(position.stage, decision.side)
    if options is None or side is None:
        return None
    sampled: bool | None = None
    if options.sticky:
        sources = () if route.canary is None else route.canary.sticky
        key = sticky_key(sources, caller) or caller.client_address
        sampled = Sampler.of(route, options, random=_never).has(key)
    return ExplainedMirror(
        side.value,
        options.depth.value,
        options.basis_points / 100,
        sampled,
        _never_mirrored(snapshot, route, decision, inquiry),
    )


def _never_mirrored(
    snapshot: Snapshot, route: Route, decision: Decision, inquiry: Inquiry
) -> str | None:
    if decision.reason is Reason.KILL_SWITCH:
        return Drop.KILL_SWITCH.value
    if inquiry.http_method == "HEAD":
        return Skip.HEAD.value
    upstream = snapshot.config.settings.upstreams.grpc.get(route.upstream or "")
    has_sink = upstream is not None and upstream.shadow_sink
    skip = skip_of(route, decision.side, has_sink=has_sink)
    return None if skip is None else skip.value


def _never() -> float:
    """Stands for chance where it is not asked."""
    return 1.0


def _asked(
    upstreams: Upstreams,
    side: Side,
    binding: RouteBinding | None,
    outcome: ExplainedCall | Answer,
) -> Asked | None:
    legacy = upstreams.legacy
    if side is Side.LEGACY and legacy is not None:
        timeout_s = legacy.timeout_s if binding is None else binding.route.timeout_s
        return Asked(LEGACY, legacy.url, timeout_s)
    if binding is None or isinstance(outcome, Answer):
        return None
    name = str(binding.route.upstream)
    return Asked(name, upstreams.grpc[name].target, outcome.timeout_s)


def _outcome(
    snapshot: Snapshot, inquiry: Inquiry, found: Found, run: RunProgram | None
) -> ExplainedCall | Answer:
    """What the request would be without a legacy host: a call, or the proxy's own answer."""
    try:
        if found.binding is None:
            return unanswerable(inquiry.http_method, found)
        if found.refusal is not None:
            raise found.refusal
        return _call(snapshot, inquiry, found.binding, found.captures, run)
    except StatusError as error:
        trace = parse_traceparent(inquiry.headers.get(TRACEPARENT))
        trace_id = "" if trace is None else trace.trace_id
        request_id = inquiry.headers.get("x-request-id", "")
        context = ErrorContext(inquiry.path, trace_id, request_id)
        told = failure(error, snapshot, found.binding, context)
        field = error.field if isinstance(error, RequestError) else ""
        return Refusal(
            told.http_status, told.headers, told.body, message=error.status.message, field=field
        )


def _call(
    snapshot: Snapshot,
    inquiry: Inquiry,
    binding: RouteBinding,
    captures: tuple[str, ...],
    run: RunProgram | None,
) -> ExplainedCall:
    """The call, in the order in which an exchange makes it, so that the same fault comes first."""
    route, headers = binding.route, inquiry.headers
    if route.cardinality.request_streams:
        raise not_served(route)
    if len(inquiry.body) > route.max_request_bytes:
        raise body_too_large(route.max_request_bytes)
    # The scheme is only for URLs of answers.
    asked = None if binding.outcomes is None else asked_of(binding.outcomes, inquiry, "")
    query = inquiry.query if asked is None else asked.query
    body, content_type = inquiry.body, headers.get("content-type")
    if binding.programs is not None and run is not None:
        body = run(binding.programs, body, content_type)
    given = (captures, query, body, content_type)
    built = binding.request.build(*given)
    if asked is not None and binding.outcomes is not None:
        binding.outcomes.enter(asked, built.message)
    timeout_s = route.call_timeout_s(headers.get("grpc-timeout"))
    metadata = route.metadata_of(headers) + (() if asked is None else asked.metadata)
    if route.tells_origin:
        # Hops were counted already when the client was told.
        arrival = Arrival(inquiry.client_address, "", headers.get("host", ""))
        metadata += origin_metadata(headers, arrival, 0)
    begins_trace = route.traced and parse_traceparent(headers.get(TRACEPARENT)) is None
    if begins_trace:
        metadata = without_trace(metadata)
    return ExplainedCall(
        method_path=route.method_path,
        timeout_s=timeout_s,
        metadata=metadata,
        begins_trace=begins_trace,
        fields=explain_request(binding.request, *given),
        unknown=built.unknown,
        message=_json_of(snapshot, binding, built.message),
        answer_type=_answer_type(binding, headers),
    )


def _json_of(snapshot: Snapshot, binding: RouteBinding, message: Any) -> bytes | None:
    codec = Codecs(snapshot.pool, _DEFAULT_JSON).message(binding.binding.method.input_type)
    try:
        return codec.print(message)
    except DecodeFailure:
        # A field mask that was given with proto names need not have a JSON spelling.
        return None


def _answer_type(binding: RouteBinding, headers: CIMultiDictProxy[str]) -> str | None:
    if binding.response.raw:
        return None
    if not binding.route.cardinality.response_streams:
        return JSON_CONTENT
    accept = ",".join(headers.getall("accept", ()))
    return binding.streams.of(accept).content_type
