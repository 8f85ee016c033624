"""Routes and their bindings, compiled, and the one look-up that a request makes.

Belongs here: what a request needs to know of its route, put together at load. Does not: how it
is put together from a configuration (`routing.snapshot`), who answers (`cutover`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from proxy.comparison.comparator import Comparator
from proxy.comparison.requests import RequestComparator
from proxy.cutover.canary import Canary
from proxy.cutover.fallback import FallbackReason, Safety
from proxy.cutover.guard import GuardOptions
from proxy.cutover.mirror import MirrorOptions
from proxy.cutover.ramp import Ramp
from proxy.cutover.stages import Stage
from proxy.cutover.sticky import HeaderLookup
from proxy.errors import RequestError, StatusError
from proxy.gate.options import GateOptions
from proxy.gate.redaction import Redactor
from proxy.routing.trie import CaptureError, Matched, Matcher, MethodMismatch
from proxy.shape.errors.renderer import ErrorRenderer
from proxy.shape.outcomes.outcomes import Outcomes
from proxy.shape.programs import BindingPrograms
from proxy.status import HTTP_STATUS, Code
from proxy.transcoding.binding import Binding, Cardinality
from proxy.transcoding.body import is_form
from proxy.transcoding.metadata import Headers, HeaderView, Pairs, call_timeout_s
from proxy.transcoding.request import RequestBuilder
from proxy.transcoding.response import ResponseRenderer
from proxy.transcoding.streams import StreamChoice
from proxy.transcoding.system_parameters import Variants


class Manners(NamedTuple):
    """What a route does with HTTP methods that it has no binding for, and with client timeouts.

    *mismatch_status* is 405, 404 or 501.
    """

    mismatch_status: int = 405
    answers_options: bool = True
    honours_timeout: bool = True


SPEC_MANNERS: Final = Manners()


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """An RPC's bindings together: what they share.

    *upstream* is None only for a route that stays on the legacy side. *timeout_s* bounds a call,
    *max_inflight* the requests that a process serves at one time, on either side;
    *compress_min_bytes* is None when answers are never compressed. *traced* says that calls carry
    a trace, begun here when the client sent none. *metadata_of* makes a call's
    metadata from request headers, and with *tells_origin* more says where the request came from;
    *headers_of* makes response headers from metadata, *trailers_of* from trailers, for a request's
    headers. *streams* are the forms of a streamed answer, *errors* writes errors.

    *stage* and *basis_points* are what the configuration says; where the route stands is theirs
    who move it. *basis_points* is the share with which it enters canary. *fallback_on* holds only
    what the route's *safety* admits, and is empty where legacy is never asked. *guard* is None
    where there is no legacy host to turn to.

    *mirror* is None where nothing is mirrored in any stage. *gate* is what `promote` asks for, None
    where it asks for nothing. *evidence_digest* is of all that the route's comparisons follow
    from, "" without a mirror. *expiries* are the rules of comparison that end, by their texts,
    with their last days.
    """

    name: str
    rpc: str
    method_path: str
    cardinality: Cardinality
    idempotent: bool
    safety: Safety
    stage: Stage
    basis_points: int
    canary: Canary | None
    ramp: Ramp | None
    fallback_on: frozenset[FallbackReason]
    fallback_max_ratio: float
    guard: GuardOptions | None
    mirror: MirrorOptions | None
    gate: GateOptions | None
    evidence_digest: str
    expiries: tuple[tuple[str, date], ...]
    owner: str | None
    target_date: date | None
    upstream: str | None
    timeout_s: float
    max_inflight: int
    max_request_bytes: int
    compress_min_bytes: int | None
    reveal_internal: bool
    traced: bool
    streams: StreamChoice
    metadata_of: Callable[[HeaderView], Pairs]
    tells_origin: bool
    headers_of: Callable[[Pairs], Headers]
    trailers_of: Callable[[Pairs, HeaderView], Headers]
    errors: ErrorRenderer
    manners: Manners

    def call_timeout_s(self, header: str | None) -> float:
        """The timeout of a call of a client that sent *header* as `Grpc-Timeout`.

        Raises `RequestError` for one that cannot be read, unless the route has no use for it.
        """
        if header is None or not self.manners.honours_timeout:
            return self.timeout_s
        return call_timeout_s(self.timeout_s, header)


@dataclass(frozen=True, slots=True, eq=False)
class RouteBinding:
    """One binding of a route, with what was compiled for it.

    *comparator* is of answers, *requests* of what a client sent with the message made of it, and
    *redactor* hides what may not be kept of either; all are None where nothing is mirrored.
    *outcomes* say status, headers and pages where the shape does, None where it does not.
    *programs* change bodies where declarations do not say all, None where they do.
    *variants* are what answers in forms that a query can ask for, None where none can; one that
    always streams in the same form has it as *streams_as*. *form* builds requests that come as a
    form in a POST, None where none may.
    """

    route: Route
    binding: Binding
    request: RequestBuilder
    response: ResponseRenderer
    comparator: Comparator | None = None
    requests: RequestComparator | None = None
    redactor: Redactor | None = None
    outcomes: Outcomes | None = None
    programs: BindingPrograms | None = None
    variants: "Variants[RouteBinding] | None" = None
    streams_as: StreamChoice | None = None
    form: RequestBuilder | None = None

    @property
    def streams(self) -> StreamChoice:
        """The forms of a streamed answer."""
        return self.streams_as or self.route.streams

    def __repr__(self) -> str:
        rule = f"{self.binding.http_method} {self.binding.template}"
        return f"<RouteBinding {rule} of {self.route.name}>"


class Found(NamedTuple):
    """What the table has for a request.

    *binding* is None when nothing is mapped; *allow* then names the HTTP methods for which the
    path is. *refusal* is what to answer if no legacy host can take the request, None where there is
    only to say that nothing is mapped; or, beside a binding, if the binding is to be transcoded:
    its captures cannot be decoded then. It is made for one request: an error that were raised
    again and again would hold on to the frames of every request that it ended. *quirks* are the
    legacy forms by which the request's URL led to the binding. *answers_options* says that OPTIONS
    is answered with what the path allows.
    """

    binding: RouteBinding | None
    captures: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    refusal: StatusError | None = None
    quirks: tuple[str, ...] = ()
    answers_options: bool = True

    def as_asked(self, query: str) -> "Found":
        """The same, with the variant of the binding for what the raw *query* asks for."""
        if self.binding is None or self.binding.variants is None:
            return self
        try:
            variant = self.binding.variants.of(query)
        except RequestError as error:
            return self._replace(refusal=self.refusal or error)
        return self if variant is None else self._replace(binding=variant)


_NOT_FOUND: Final = Found(None)

_new_tuple: Final = tuple.__new__


def _not_allowed(match: MethodMismatch) -> Found:
    """What the most specific route has for a method that no route takes."""
    target, allow = match.target, match.allow
    manners = target.route.manners if isinstance(target, RouteBinding) else SPEC_MANNERS
    status = manners.mismatch_status
    answers_options = manners.answers_options
    if status == HTTP_STATUS[Code.NOT_FOUND]:
        return Found(None, allow=allow, answers_options=answers_options)
    refusal = RequestError(
        "this path is mapped, but not for this HTTP method",
        code=Code.UNIMPLEMENTED,
        http_status=status,
        headers=(("allow", ", ".join(allow)),) if status == _NOT_ALLOWED else (),
        is_unmapped=True,
    )
    return Found(None, allow=allow, refusal=refusal, answers_options=answers_options)


#: RFC 9110, section 15.5.6: the one status that lists what is allowed.
_NOT_ALLOWED: Final = 405


class RouteTable:
    """Which binding a request belongs to. Immutable.

    *forms* finds what a POST with a form may stand for, None where it stands for itself.
    """

    def __init__(
        self, matcher: Matcher[RouteBinding], forms: Matcher[RouteBinding] | None = None
    ) -> None:
        self.matcher = matcher
        self.forms = forms

    def __repr__(self) -> str:
        return f"<RouteTable over {self.matcher!r}>"

    def find(self, http_method: str, raw_path: str, query: str = "") -> Found:  # noqa: ARG002
        """Look a request up by its HTTP method and its raw path. Raises nothing.

        A table that knows legacy forms of URLs looks at the *query*, too.
        """
        try:
            match = self.matcher.match(http_method, raw_path)
        except CaptureError as error:
            binding = error.target if isinstance(error.target, RouteBinding) else None
            return Found(binding, refusal=error)
        if isinstance(match, Matched):
            # Not Found(...): the constructor of a named tuple costs three times as much.
            return _new_tuple(Found, (match.target, match.captures, (), None, (), True))
        return _not_allowed(match) if isinstance(match, MethodMismatch) else _NOT_FOUND

    def posted(self, found: Found, raw_path: str, headers: HeaderLookup) -> Found:
        """What a POST stands for, of which the table has *found* what it says itself.

        A form stands for the method that `X-HTTP-Method-Override` names, and else for a GET where
        there is no POST. Raises nothing.
        """
        if self.forms is None or not is_form(headers.get("content-type")):
            return found
        named = (headers.get("x-http-method-override") or "").strip().upper()
        if named == "HEAD" or (not named and found.binding is not None):
            return found  # an answer without a body is for who sends HEAD
        other = RouteTable(self.forms).find(named or "GET", raw_path)
        return found if other.binding is None else other
