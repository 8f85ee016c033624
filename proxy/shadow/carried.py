"""What a mirrored call carries beside its message: headers, metadata, its place in the trace.

Belongs here: which of the client's headers go on, with what the route sets and the mark. Does not:
sending them (`legs`).

A mirror is told from its primary by the mark, by a span of its own in the same trace, and by
credentials of its own where the route sets them.
"""

from collections.abc import Callable, Iterable
from typing import Final

from multidict import CIMultiDict

from proxy.cutover.mirror import MirrorOptions
from proxy.shadow.marks import Mark
from proxy.shadow.sample import Sample
from proxy.telemetry.tracing import TRACEPARENT, TraceContext, parse_traceparent
from proxy.transcoding.forwarding import Arrival, Pair, request_headers
from proxy.transcoding.metadata import PREFIX, Pairs
from proxy.transcoding.metadata_policies import origin_metadata

#: What was said of the body as it came. It is sent without content coding, and whole.
_OF_BODY: Final = frozenset({"content-encoding", "content-length", "expect"})
_ACCEPT_ENCODING: Final = "accept-encoding"
_SPAN_BYTES: Final = 8

RandomBytes = Callable[[int], bytes]


class Carrier:
    """Makes headers and metadata of mirrored calls.

    The header *withheld*, by which a tester picks the side, is never passed on. *random_bytes*
    gives that many bytes for the ids of spans, which are no secrets.
    """

    def __init__(
        self, mark: Mark, *, withheld: str, trusted_hops: int, random_bytes: RandomBytes
    ) -> None:
        self._mark = mark
        self._withheld = frozenset({withheld.lower(), PREFIX + withheld.lower()})
        self._trusted_hops = trusted_hops
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"<Carrier of {self._mark!r}>"

    def metadata(self, sample: Sample, mirror: MirrorOptions) -> Pairs:
        """The metadata of a mirrored gRPC call. Raises `RequestError`, as the primary would.

        What the route's mirror sets is carried whether or not clients may send it.
        """
        route = sample.binding.route
        ours = CIMultiDict((PREFIX + name.lower(), value) for name, value in mirror.set_headers)
        theirs = CIMultiDict(self._passed(sample, mirror))
        metadata = (*route.metadata_of(theirs), *route.metadata_of(ours))
        if route.tells_origin:
            arrival = Arrival(sample.peer, sample.scheme, sample.headers.get("host", ""))
            metadata += origin_metadata(theirs, arrival, self._trusted_hops)
        if not route.traced:
            return (*metadata, self._mark.pair)
        untraced = tuple(pair for pair in metadata if pair[0] != TRACEPARENT)
        return (*untraced, *self._span(sample), self._mark.pair)

    def headers(self, sample: Sample, mirror: MirrorOptions) -> list[Pair]:
        """The headers of a request that is repeated to the legacy host.

        The answer is asked for without content coding: it is read here, not by the client.
        """
        arrival = Arrival(sample.peer, sample.scheme, sample.headers.get("host", ""))
        headers = request_headers(
            self._passed(sample, mirror), arrival, trusted_hops=self._trusted_hops
        )
        dropped = {*_OF_BODY, _ACCEPT_ENCODING, TRACEPARENT}
        kept = [pair for pair in headers if pair[0].lower() not in dropped]
        return [
            *kept,
            *mirror.set_headers,
            *self._span(sample),
            ("Accept-Encoding", "identity"),
            self._mark.pair,
        ]

    def _passed(self, sample: Sample, mirror: MirrorOptions) -> Iterable[Pair]:
        """The client's headers without what is removed, set anew, or nobody's business."""
        replaced = {name.lower() for name, _ in mirror.set_headers} | mirror.remove_headers
        dropped = self._withheld | replaced | {PREFIX + name for name in replaced}
        passed = (pair for pair in sample.headers.items() if pair[0].lower() not in dropped)
        return self._mark.without(passed)

    def _span(self, sample: Sample) -> tuple[tuple[str, str], ...]:
        """A span of the mirror's own in the trace of its primary; none where there is no trace."""
        theirs = parse_traceparent(sample.headers.get(TRACEPARENT))
        trace_id = sample.trace_id if theirs is None else theirs.trace_id
        if not trace_id:
            return ()
        # The last bit is set where all are zero, since a zero id is invalid.
        span = self._random_bytes(_SPAN_BYTES).hex()
        span = span if span.strip("0") else f"{1:016x}"
        flags = 0 if theirs is None else theirs.flags
        return ((TRACEPARENT, str(TraceContext(trace_id, span, flags))),)
