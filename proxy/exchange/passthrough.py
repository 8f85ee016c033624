"""The legacy side of an exchange: a request passed on as it came, its answer passed back."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from proxy.cutover.override_header import DEFAULT_NAME, without_override
from proxy.errors import UpstreamError
from proxy.exchange.failure import too_slow
from proxy.exchange.messages import Answer, Headers, Outcome, Request, StreamAnswer
from proxy.exchange.orphans import Orphans
from proxy.shadow.marks import Mark
from proxy.status import Code, Status
from proxy.transcoding.forwarding import Arrival, request_headers
from proxy.transcoding.metadata import PREFIX
from proxy.upstreams.rest import RestRequest, RestResponse, RestUpstream

#: Statuses of answers without a body, for which no length is to be told (RFC 9110 §8.6).
_BODILESS: Final = frozenset({204, 304})
#: The interim answer that the front end gives itself, when the body is first asked for.
_CONTINUE: Final = 100
_TIMED_OUT: Final = 504
_NO_STATUS: Final = Status(Code.UNAVAILABLE, "the legacy host's status is no HTTP status")
#: Methods that change nothing (RFC 9110 §9.2.1): whoever is not waited for need not be asked.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Passthrough:
    """Passes requests on to the legacy host.

    *timeout_s* is for requests without a route: how long the answer may take to begin. The header
    *withheld*, by which a tester picks the side, is never passed on, nor is it as metadata to be;
    the *mark* of mirrored calls passes on only from those who know its secret.
    """

    def __init__(
        self,
        legacy: RestUpstream,
        *,
        trusted_hops: int,
        timeout_s: float,
        withheld: str = DEFAULT_NAME,
        mark: Mark | None = None,
        clock: Callable[[], float],
    ) -> None:
        self._legacy = legacy
        self._trusted_hops = trusted_hops
        self._timeout_s = timeout_s
        self._withheld = (withheld, PREFIX + withheld)
        self._mark = mark
        self._clock = clock
        self.orphans = Orphans(clock)

    def __repr__(self) -> str:
        return f"<Passthrough to {self._legacy!r} {self.orphans!r}>"

    async def answer(
        self, request: Request, outcome: Outcome, timeout_s: float | None
    ) -> Answer | StreamAnswer:
        """Pass *request* on. Raises `StatusError`; 502 and 504 when the legacy host fails.

        An answer that is here whole is given whole: most are small, and then cost one write.
        """
        if request.body.length:
            # A client that drips must not hold one of the few connections to the legacy host.
            await request.body.gather()
        started_s = self._clock()
        try:
            response = await self._forward(
                request, self._timeout_s if timeout_s is None else timeout_s
            )
        except UpstreamError as error:
            if error.http_status == _TIMED_OUT and request.body.is_awaited:
                # It was the client who was waited for: no fault of the legacy host.
                raise too_slow() from error
            raise
        finally:
            outcome.upstream_s += self._clock() - started_s
        if response.whole is not None:
            headers = response.headers + _length_header(request, response, response.whole)
            return Answer(response.status, headers, response.whole, True, response.reason)
        return StreamAnswer(
            response.status,
            response.headers,
            response.body,
            response.close,
            as_is=True,
            reason_phrase=response.reason,
            length=response.length,
        )

    async def _forward(self, request: Request, timeout_s: float) -> RestResponse:
        """Pass *request* on; to the end, if it may change something, though the client leaves."""
        forwarding = self._legacy.forward(self._forwarded(request), timeout_s)
        if request.http_method in _SAFE:
            return await forwarding
        name = f"{request.http_method} {request.path}"
        return await self.orphans.finish(forwarding, name, RestResponse.close)

    def _forwarded(self, request: Request) -> RestRequest:
        headers = request.headers
        passed: Iterable[tuple[str, str]] = headers.items()
        for name in self._withheld:
            if name in headers:
                passed = without_override(passed, name)
        if self._mark is not None and self._mark.is_in(headers):
            passed = self._mark.carried(headers, passed)
        arrival = Arrival(request.client, request.scheme, headers.get("host", ""))
        body = request.body

        def interim(status: int, reason: str, interim_headers: Headers) -> None:
            if status < _CONTINUE:
                raise UpstreamError(_NO_STATUS, http_status=502)
            if status != _CONTINUE:
                # Nobody is told when the client has left, and the answer is read to its end.
                with suppress(ConnectionError):
                    request.send_interim(status, reason, interim_headers)

        return RestRequest(
            request.http_method,
            request.target,
            request_headers(passed, arrival, trusted_hops=self._trusted_hops),
            None if body.length == 0 else body.arrived() or body.chunks(),
            interim,
        )


def _length_header(request: Request, response: RestResponse, whole: bytes) -> Headers:
    """The length of an answer that came in chunks, or ended with its connection."""
    if response.length is not None or request.http_method == "HEAD":
        return ()
    return () if response.status in _BODILESS else (("Content-Length", str(len(whole))),)
