"""One request from start to finish: find the route, decide the side, call it, answer.

The order of the methods is the way of a request. Everything that can be known before a request
comes is in the snapshot; here are look-ups and calls only.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from proxy.cutover.decision import REFUSED
from proxy.cutover.fallback import Safety
from proxy.cutover.stages import Side
from proxy.errors import LimitExceeded, RequestError, StatusError, UpstreamError
from proxy.exchange.compression import negotiated
from proxy.exchange.failure import context_of, errors_of, failure, late_failure
from proxy.exchange.form_methods import form_reader, named_in_form
from proxy.exchange.keeping import keep_answer
from proxy.exchange.messages import Answer, Outcome, Request, StreamAnswer
from proxy.exchange.mirroring import Mirroring
from proxy.exchange.orphans import Orphans
from proxy.exchange.outcomes import asked_of, delivered, replied_by
from proxy.exchange.passthrough import Passthrough
from proxy.exchange.recording import Recorder
from proxy.exchange.steering import Steering
from proxy.exchange.streaming import StreamingReply
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found, Route, RouteBinding
from proxy.shadow.marks import Mark
from proxy.shape.outcomes.asked import Asked
from proxy.shape.outcomes.outcomes import Outcomes
from proxy.status import Code, Status
from proxy.telemetry.tracing import (
    TRACEPARENT,
    parse_traceparent,
    start_trace,
    without_trace,
)
from proxy.transcoding.forwarding import Arrival
from proxy.transcoding.httpbody import Content
from proxy.transcoding.metadata_policies import origin_metadata
from proxy.upstreams import Call, Metadata, Reply, Upstream

_log: Final = structlog.get_logger("proxy.exchange")

#: Tells that legacy answered after gRPC could not, and why not.
FALLBACK_HEADER: Final = "x-cutover-fallback"

#: Tells which side answered, where the configuration wants it told.
SIDE_HEADER: Final = "x-cutover-side"

#: Headers of answers that are ours to set; clients and tests must be able to rely on them.
_OURS: Final = frozenset({FALLBACK_HEADER, SIDE_HEADER})

#: Seconds that legacy gets for a request that fell back, if gRPC has left it fewer of the route's
#: timeout: enough to answer, and not to double a client's wait.
FALLBACK_TIMEOUT_S: Final = 1.0

#: Seconds without a message after which an event stream gets a comment: a quarter of the idle
#: time that proxies and load balancers commonly allow.
STREAM_KEEP_ALIVE_S: Final = 15.0

_INTERNAL: Final = StatusError(Status(Code.INTERNAL, "internal error"))


class Exchange:
    """Answers requests by one snapshot, over the upstreams that it names.

    *orphans* are the writes on the gRPC side whose clients have left. Without *mirroring* nothing
    is mirrored, without *recorder* nothing recorded. The *mark* of mirrored calls passes on only
    from those who know its secret.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        upstreams: Mapping[str, Upstream],
        passthrough: Passthrough | None,
        steering: Steering,
        *,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        keep_alive_s: float = STREAM_KEEP_ALIVE_S,
        mark: Mark | None = None,
        mirroring: Mirroring | None = None,
        programs: ProgramSteps | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.snapshot = snapshot
        self._upstreams = upstreams
        self._passthrough = passthrough
        self._steering = steering
        self.orphans = Orphans(clock)
        self._clock = clock
        self._random_bytes = random_bytes
        self._keep_alive_s = keep_alive_s
        self._mirroring = mirroring
        self._programs = programs or ProgramSteps(ProgramPool())
        self._recorder = recorder
        self._mark = mark
        self._ours = _OURS if self._mark is None else _OURS | {self._mark.header}
        self._exposes_side = snapshot.config.settings.debug.expose_side
        self._forms = form_reader(snapshot.table)
        self._trusted_hops = snapshot.config.settings.forwarding.trusted_hops

    def __repr__(self) -> str:
        return f"<Exchange over {self.snapshot!r} upstreams={len(self._upstreams)}>"

    async def answer(self, request: Request, outcome: Outcome) -> Answer | StreamAnswer:
        """Answer *request*, and note in *outcome* what happened.

        Raises only `ConnectionError`, about the client who is gone, and cancellation.
        """
        try:
            answer = await self._route(request, outcome)
        except StatusError as error:
            answer = self._refusal(error, outcome, request)
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
            # A bug of ours must cost one request, not the connection or the process.
            _log.exception("exchange failed", rpc=outcome.binding and outcome.binding.binding.rpc)
            answer = self._refusal(_INTERNAL, outcome, request)
        outcome.began_s = self._clock()
        self._steering.answered(request, outcome, answer.http_status)
        if outcome.capture is not None and self._mirroring is not None:
            self._mirroring.answered(outcome.capture, answer)
        if outcome.recording is not None:
            keep_answer(outcome.recording, answer)
        self._tell_side(answer, outcome)
        return answer

    async def settle(self, deadline_s: float) -> None:
        """Wait for writes whose clients have left, until *deadline_s* on the clock."""
        orphans = [self.orphans]
        if self._passthrough is not None:
            orphans.append(self._passthrough.orphans)
        await asyncio.gather(*(each.settle(deadline_s) for each in orphans))

    def unread(self, error: StatusError) -> Answer:
        """The answer for what never became a request; nothing is noted."""
        return failure(error, self.snapshot, None)

    def refuse(self, error: StatusError, outcome: Outcome) -> Answer:
        """The answer for a request that the front end cannot take, for *error*."""
        answer = self._refusal(error, outcome)
        self._tell_side(answer, outcome)
        return answer

    def _tell_side(self, answer: Answer | StreamAnswer, outcome: Outcome) -> None:
        """Say who answered. Only we do: what a side says in these headers is left out."""
        if answer.as_is and not self._ours.isdisjoint([name.lower() for name, _ in answer.headers]):
            kept = [pair for pair in answer.headers if pair[0].lower() not in self._ours]
            answer.headers = tuple(kept)
        if outcome.fallback is not None:
            answer.headers += ((FALLBACK_HEADER, outcome.fallback.value),)
        if self._exposes_side:
            answer.headers += ((SIDE_HEADER, outcome.decision.side.value),)

    def _refusal(
        self, error: StatusError, outcome: Outcome, request: Request | None = None
    ) -> Answer:
        outcome.code, outcome.error = error.status.code, str(error)
        outcome.upstream_failed = isinstance(error, UpstreamError)
        outcome.limit = error.limit if isinstance(error, LimitExceeded) else ""
        if not outcome.upstream_failed:
            outcome.decision = REFUSED
        outcome.error_status = error.http_status
        errors = errors_of(self.snapshot, outcome.binding)
        context = context_of(errors, request, outcome)
        return failure(error, self.snapshot, outcome.binding, context)

    async def _route(self, request: Request, outcome: Outcome) -> Answer | StreamAnswer:
        table = self.snapshot.table
        found = table.find(request.http_method, request.path, request.query)
        if table.forms is not None and request.http_method == "POST":
            found = table.posted(found, request.path, request.headers)
        if self._forms is not None:
            found = await named_in_form(self._forms, found, request)
        binding = found.binding
        if binding is not None and binding.variants is not None:
            found = found.as_asked(request.query)
            binding = found.binding
        outcome.binding, outcome.quirks = binding, found.quirks
        trace = parse_traceparent(request.headers.get(TRACEPARENT))
        outcome.trace_id = "" if trace is None else trace.trace_id
        route = None if binding is None else binding.route
        if route is not None:
            self._steering.enter(route, outcome)
        decision = self._steering.decide(route, request, outcome)
        if binding is not None and binding.route.mirror is not None and self._mirroring is not None:
            self._mirroring.begin(binding, found, request, outcome, decision)
        if self._recorder is not None and self._recorder.session is not None:
            self._recorder.begin(found, request, outcome, decision.side)
        if decision.side is Side.GRPC and binding is not None:
            outcome.decision = decision
            return await self._by_grpc(binding, found, request, outcome)
        if self._passthrough is None:
            return unanswerable(request.http_method, found)
        outcome.decision = decision
        timeout_s = None if route is None else route.timeout_s
        return await self._passthrough.answer(request, outcome, timeout_s)

    async def _by_grpc(
        self, binding: RouteBinding, found: Found, request: Request, outcome: Outcome
    ) -> Answer | StreamAnswer:
        """Answer by the gRPC side; by legacy when that fails, where it may answer instead."""
        try:
            if found.refusal is not None:
                raise found.refusal
            return await self._transcode(binding, found.captures, request, outcome)
        except (RequestError, UpstreamError) as error:
            reason = self._steering.fall_back(binding.route, error, outcome)
            if reason is None or self._passthrough is None:
                raise
            outcome.fell_back(reason, error)
        left_s = binding.route.timeout_s - (self._clock() - outcome.decided_s)
        timeout_s = max(left_s, FALLBACK_TIMEOUT_S)
        return await self._passthrough.answer(request, outcome, timeout_s)

    async def _transcode(
        self, binding: RouteBinding, captures: tuple[str, ...], request: Request, outcome: Outcome
    ) -> Answer | StreamAnswer:
        route = binding.route
        if route.cardinality.request_streams:
            raise not_served(route)
        outcomes = binding.outcomes
        asked = None if outcomes is None else asked_of(outcomes, request, request.scheme)
        call = await self._call(binding, captures, request, outcome, asked)
        upstream = self._upstreams[str(route.upstream)]
        if route.cardinality.response_streams:
            return await self._stream(binding, upstream, call, request, outcome)
        if asked is not None and binding.outcomes is not None:
            return await self._shaped(binding, binding.outcomes, asked, call, request, outcome)
        reply = await self._reply(route, upstream, call, outcome)
        outcome.code = Code.OK
        rendered = binding.response.render(reply.message)
        if binding.programs is not None:
            rendered = await self._programs.answer(binding.programs, rendered)
        headers = route.headers_of(reply.metadata)
        if reply.trailers:
            headers += route.trailers_of(reply.trailers, request.headers)
        answer = Answer(200, (("content-type", rendered.content_type), *headers), rendered.body)
        if route.compress_min_bytes is None or len(answer.body) < route.compress_min_bytes:
            return answer
        return await negotiated(answer, ",".join(request.headers.getall("accept-encoding", ())))

    async def _shaped(
        self,
        binding: RouteBinding,
        outcomes: Outcomes,
        asked: Asked,
        call: Call,
        request: Request,
        outcome: Outcome,
    ) -> Answer:
        """Answer with the status, headers and page that the route's shape says."""
        route = binding.route
        make = partial(self._reply, route, self._upstreams[str(route.upstream)], outcome=outcome)
        replied = await replied_by(make, outcomes, asked, call, outcome, self._clock)
        outcome.code = Code.OK
        subject = outcomes.subject(asked, replied)
        rendered = binding.response.render(replied.wire, outcomes.values(subject))
        rendered = await self._programmed(binding, rendered)
        headers = route.headers_of(replied.metadata)
        headers += route.trailers_of(replied.trailers, request.headers)
        whole = outcomes.answer(subject, rendered.body, rendered.content_type, headers)
        answer, size = Answer(*whole), len(rendered.body)
        return await delivered(answer, route.compress_min_bytes, size, request)

    async def _programmed(self, binding: RouteBinding, content: Content) -> Content:
        """An answer after the route's program, if it has one."""
        if binding.programs is None:
            return content
        return await self._programs.answer(binding.programs, content)

    async def _reply(self, route: Route, upstream: Upstream, call: Call, outcome: Outcome) -> Reply:
        """Make a unary call; one that may change something to its end, though the client leaves."""
        started_s = self._clock()
        try:
            if route.safety is Safety.SAFE:
                return await upstream.unary(call)
            return await self.orphans.finish(upstream.unary(call), route.rpc, _ignored)
        finally:
            outcome.upstream_s += self._clock() - started_s

    async def _call(
        self,
        binding: RouteBinding,
        captures: tuple[str, ...],
        request: Request,
        outcome: Outcome,
        asked: Asked | None,
    ) -> Call:
        """Transcode the request into a call of the binding's RPC."""
        route, headers = binding.route, request.headers
        body = await request.body.read(route.max_request_bytes)
        content_type = headers.get("content-type")
        query = request.query if asked is None else asked.query
        if binding.programs is not None:
            body = await self._programs.request(binding.programs, body, content_type)
        built = binding.request.build(captures, query, body, content_type)
        outcome.unknown_fields = built.unknown
        if asked is not None and binding.outcomes is not None:
            binding.outcomes.enter(asked, built.message)
        timeout_s = route.call_timeout_s(headers.get("grpc-timeout"))
        outcome.hurried = timeout_s < route.timeout_s
        metadata = self._metadata(route, request, outcome)
        if asked is not None:
            metadata += asked.metadata
        return Call(route.method_path, built.wire, metadata, timeout_s, route.idempotent)

    def _metadata(self, route: Route, request: Request, outcome: Outcome) -> Metadata:
        """What of the headers the call carries, in the client's trace or in a new one."""
        headers = request.headers
        metadata = route.metadata_of(headers)
        if route.tells_origin:
            arrival = Arrival(request.client, request.scheme, headers.get("host", ""))
            metadata += origin_metadata(headers, arrival, self._trusted_hops)
        if self._mark is not None and self._mark.is_in(headers):
            metadata = self._mark.carried(headers, metadata)
        if route.traced and not outcome.trace_id:
            trace = start_trace(self._random_bytes)
            outcome.trace_id = trace.trace_id
            return (*without_trace(metadata), (TRACEPARENT, str(trace)))
        return metadata

    async def _stream(
        self,
        binding: RouteBinding,
        upstream: Upstream,
        call: Call,
        request: Request,
        outcome: Outcome,
    ) -> StreamAnswer:
        accept = ",".join(request.headers.getall("accept", ()))
        stream_format = binding.streams.of(accept)
        replies = upstream.stream(call)
        reply = StreamingReply(
            binding,
            replies,
            stream_format,
            outcome,
            partial(_late_error, request, outcome),
            self._keep_alive_s,
            None if binding.programs is None else partial(self._programmed, binding),
        )
        started_s = self._clock()
        try:
            return await reply.answer()
        finally:
            outcome.upstream_s += self._clock() - started_s


def _late_error(
    request: Request, outcome: Outcome, error: StatusError, binding: RouteBinding
) -> bytes:
    errors = binding.route.errors
    return late_failure(error, errors, context_of(errors, request, outcome))


async def _ignored(_reply: Reply) -> None:
    """Let go of an answer that nobody waits for."""


def unanswerable(http_method: str, found: Found) -> Answer:
    """Without a legacy host, what is not mapped ends here (RFC 9110 §9.3.7 for OPTIONS).

    Raises `StatusError` for anything but OPTIONS on a path that is mapped.
    """
    if http_method == "OPTIONS" and found.allow and found.answers_options:
        return Answer(204, (("allow", ", ".join((*found.allow, "OPTIONS"))),))
    raise found.refusal or RequestError(
        "nothing is mapped to this path", code=Code.NOT_FOUND, is_unmapped=True
    )


def not_served(route: Route) -> RequestError:
    """The refusal of a request to an RPC that takes a stream of requests."""
    return RequestError(
        f"{route.rpc} takes a stream of requests, which this proxy does not transcode yet",
        code=Code.UNIMPLEMENTED,
    )
