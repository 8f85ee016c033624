"""Replaying recorded exchanges: the request through the transcoder, the answer of today's server.

Belongs here: one exchange from its record to what came of it. Does not: files (`recordings`),
upstreams and their life (`cli.replay`).

It goes the way of a mirror: the same calls, marked as copies, the same documents, the comparator
and the rules of the route. It is no mirror: nothing is sampled, kept or counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Difference, Document, Obstacle
from proxy.comparison.requests import Lost, RequestComparator
from proxy.cutover.fallback import Safety
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.errors import StatusError
from proxy.programs.steps import ProgramSteps
from proxy.recordings.exchange import Headers, Recorded
from proxy.recordings.redaction import RedactionRules, holds_credentials, redacted_answer
from proxy.recordings.replays import Ending, Replayed
from proxy.routing.legacy_urls import LegacyRouteTable
from proxy.routing.table import Found, Route, RouteBinding, RouteTable
from proxy.shadow.asking import with_asked
from proxy.shadow.coding import Undecodable, plain_document
from proxy.shadow.comparing import Made
from proxy.shadow.legs import Legs, Prepared
from proxy.shadow.pairs import refused_by_one
from proxy.shadow.sample import Failed, Sample
from proxy.shape.outcomes.asked import Values
from proxy.transcoding.httpbody import Content

#: Bytes of an answer that are compared, and messages of a stream: recordings are made of what
#: clients got, and are read as a whole.
MAX_ANSWER_BYTES: Final = 64 << 20
MAX_MESSAGES: Final = 10_000
_ALL_BASIS_POINTS: Final = 10_000


class Tools(NamedTuple):
    """What compares the exchanges of one binding; *redaction* is by the paths that were kept."""

    comparator: Comparator
    requests: RequestComparator
    redaction: Callable[[tuple[str, ...]], RedactionRules]


class Replayer:
    """Replays exchanges by one route table.

    *legs* make the calls; without them requests are only translated. Requests that may change
    something are sent only where *writes* says so. *headers* take the place of the recorded ones
    of their names: what was recorded has no credentials.
    """

    def __init__(
        self,
        table: RouteTable,
        tools: Callable[[RouteBinding], Tools],
        programs: ProgramSteps,
        legs: Legs,
        *,
        calls: bool,
        writes: bool,
        sinks: frozenset[str] = frozenset(),
        headers: Headers = (),
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._tools = tools
        self._programs = programs
        self._legs = legs
        self._calls = calls
        self._writes = writes
        self._sinks = sinks
        self._headers = headers
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Replayer {'calls' if self._calls else 'translates'} by {self._table!r}>"

    async def replay(self, recorded: Recorded, name: str) -> Replayed:
        """What comes of *recorded*, which is called *name*. Raises nothing but cancellation."""
        headers = self._headers_of(recorded)
        found = _found(self._table, recorded, headers)
        if found.binding is None:
            return Replayed(name, "", Ending.SKIPPED, "no route takes this request")
        route, began_s = found.binding.route, self._clock()
        if route.cardinality.request_streams:
            return Replayed(name, route.name, Ending.SKIPPED, "requests of the route are streams")
        replayed = await self._replayed(recorded, _sample(recorded, found, headers), found, name)
        return replace(replayed, seconds=self._clock() - began_s)

    def _headers_of(self, recorded: Recorded) -> CIMultiDictProxy[str]:
        given = recorded.request_headers
        if recorded.redacted:
            given = tuple(pair for pair in given if not holds_credentials(pair[0].lower()))
        headers = CIMultiDict(given)
        for name in {name for name, _ in self._headers}:
            headers.popall(name, None)
        headers.extend(self._headers)
        return CIMultiDictProxy(headers)

    async def _replayed(
        self, recorded: Recorded, sample: Sample, found: Found, name: str
    ) -> Replayed:
        route, tools = sample.binding.route, self._tools(sample.binding)
        mirror = mirror_of(route)
        try:
            if found.refusal is not None:
                raise found.refusal
            sample = with_asked(sample)
            prepared = await self._legs.prepare(sample, mirror, self._build)
        except StatusError as error:
            return self._refused(recorded, self._legs.refusal(error, sample), tools, route, name)
        if isinstance(prepared, Failed):
            return Replayed(name, route.name, Ending.ERROR, prepared.reason)
        lost = _lost(sample, prepared, tools)
        if not self._calls:
            return _told(name, route, lost.differences, by_rules=bool(lost.rule_hits))
        refused = self._may_not(route)
        if refused:
            if lost.differences:
                return _told(name, route, lost.differences, by_rules=False)
            return Replayed(name, route.name, Ending.SKIPPED, refused)
        return await self._called(recorded, sample, prepared, lost, name)

    def _may_not(self, route: Route) -> str:
        """Why requests of *route* are not sent; "" where they are."""
        if route.safety is Safety.SAFE:
            return ""
        if not self._writes:
            return "it may change something, and writes are not allowed"
        if route.upstream not in self._sinks:
            return f"it may change something, and upstream {route.upstream} is no shadow_sink"
        return ""

    async def _called(
        self, recorded: Recorded, sample: Sample, prepared: Prepared, lost: Lost, name: str
    ) -> Replayed:
        route, tools = sample.binding.route, self._tools(sample.binding)
        mirror = mirror_of(route)
        answered = await self._legs.grpc(sample, prepared, mirror, self._render)
        if isinstance(answered, Failed):
            reason = f"the server's answer cannot be had: {answered.reason}"
            return Replayed(name, route.name, Ending.ERROR, reason)
        comparison = _compared(recorded, answered.document, tools)
        if comparison.obstacle is not None:
            reason = f"the answers cannot be compared: {comparison.obstacle.value}"
            return Replayed(name, route.name, Ending.ERROR, reason)
        differences = (*lost.differences, *comparison.differences)
        by_rules = bool(lost.rule_hits or comparison.rule_hits)
        return _told(name, route, differences, by_rules=by_rules)

    def _refused(
        self, recorded: Recorded, refusal: Document, tools: Tools, route: Route, name: str
    ) -> Replayed:
        """A request that makes no message: its answer is the refusal."""
        if not self._calls:
            differences = refused_by_one(_document(recorded), refusal)
            return _told(name, route, differences, by_rules=False)
        comparison = _compared(recorded, refusal, tools)
        return _told(name, route, comparison.differences, by_rules=bool(comparison.rule_hits))

    async def _build(self, sample: Sample) -> Made | None:
        body, content_type = sample.body, sample.headers.get("content-type")
        if sample.binding.programs is not None:
            body = await self._programs.request(sample.binding.programs, body, content_type)
        built = sample.binding.request.build(sample.captures, sample.query, body, content_type)
        requests = self._tools(sample.binding).requests
        return Made(built.message, requests.documents(body, built.message))

    async def _render(
        self, binding: RouteBinding, wire: bytes, values: Values | None
    ) -> Content | None:
        content = binding.response.render(wire, values)
        if binding.programs is None:
            return content
        return await self._programs.answer(binding.programs, content)


def mirror_of(route: Route) -> MirrorOptions:
    """How the calls of a route are made: with the limits of a recording, and what a mirror sets."""
    options = route.mirror or MirrorOptions(Depth.RPC, _ALL_BASIS_POINTS)
    return replace(
        options,
        timeout_s=route.timeout_s,
        max_request_bytes=route.max_request_bytes,
        max_response_bytes=MAX_ANSWER_BYTES,
        max_messages=MAX_MESSAGES,
    )


def _found(table: RouteTable, recorded: Recorded, headers: CIMultiDictProxy[str]) -> Found:
    """What is mapped, looked for in the order in which an exchange does."""
    method, path = recorded.http_method, recorded.path
    found = table.find(method, path, recorded.query)
    if method == "POST":
        found = table.posted(found, path, headers)
    if isinstance(table, LegacyRouteTable) and table.reads_forms and not found.quirks:
        content_type = headers.get("content-type")
        if len(recorded.request_body) <= table.form_limit(method, path, content_type):
            named = table.find_by_form(path, content_type, recorded.request_body)
            found = named or found
    return found.as_asked(recorded.query)


def _sample(recorded: Recorded, found: Found, headers: CIMultiDictProxy[str]) -> Sample:
    if found.binding is None:
        raise LookupError("nothing is mapped")
    return Sample(
        binding=found.binding,
        captures=found.captures,
        http_method=recorded.http_method,
        target=recorded.target,
        query=recorded.query,
        headers=headers,
        body=recorded.request_body,
        peer="",
        client="",
        scheme="http",
        key="",
        primary=Side.LEGACY,
        primary_s=recorded.duration_s,
        answer=_document(recorded),
        at_s=recorded.at_s or 0.0,
    )


def _document(recorded: Recorded) -> Document:
    return Document(recorded.http_status, recorded.answer_headers, recorded.answer_body)


def _lost(sample: Sample, prepared: Prepared, tools: Tools) -> Lost:
    """What of the request is not in its message."""
    lost = tools.requests.of_texts(sample.captures, sample.query, prepared.message)
    if tools.requests.body is None or prepared.documents is None:
        return lost
    comparison = tools.requests.body.compare(*prepared.documents)
    return lost.and_also(tools.requests.of_body(comparison))


def _compared(recorded: Recorded, answer: Document, tools: Tools) -> Comparison:
    """The recorded answer and that of today; both redacted where the recorded one is."""
    try:
        answer = plain_document(answer, MAX_ANSWER_BYTES)
    except Undecodable:
        return Comparison(obstacle=Obstacle.CODING)
    if recorded.redacted:
        rules = tools.redaction(recorded.kept)
        body = redacted_answer(answer.body, answer.headers, rules)
        answer = replace(answer, body=body)
    return tools.comparator.compare(_document(recorded), answer)


def _told(
    name: str, route: Route, differences: Iterable[Difference], *, by_rules: bool
) -> Replayed:
    found = tuple(differences)
    same = Ending.SAME_BY_RULES if by_rules else Ending.SAME
    return Replayed(name, route.name, Ending.DIFFERENT if found else same, "", found)
