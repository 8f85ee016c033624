"""Answers whose status, headers or pages a shape says: the client's part, and content coding.

Belongs here: from what a client sent to what `shape.outcomes` asks for, the calls of a page, and
what compression does to an entity tag. Does not: what an answer is (`shape.outcomes`).
"""

from collections.abc import Callable
from typing import Final, Protocol

from multidict import CIMultiDictProxy

from proxy.errors import UpstreamError
from proxy.exchange.compression import VARY, negotiated
from proxy.exchange.messages import Answer, Outcome, Request
from proxy.shape.outcomes.asked import Asked, Client, Replied
from proxy.shape.outcomes.outcomes import Outcomes
from proxy.shape.outcomes.tags import coded
from proxy.upstreams import Call
from proxy.upstreams.pages import MakeCall, read_page, replied

_ETAG: Final = "etag"
_NOT_MODIFIED: Final = 304


class Asking(Protocol):
    """A request as it came, or as somebody wants it explained."""

    @property
    def http_method(self) -> str:
        """As it came, or in place of it."""
        ...

    @property
    def path(self) -> str:
        """Raw."""
        ...

    @property
    def query(self) -> str:
        """Raw, without the question mark."""
        ...

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Names in any case."""
        ...


def asked_of(outcomes: Outcomes, request: Asking, scheme: str) -> Asked:
    """What a client asks for. Raises `RequestError`."""
    client = Client(request.http_method, scheme, request.path, request.query, request.headers)
    return outcomes.ask(client)


async def replied_by(
    make: MakeCall,
    outcomes: Outcomes,
    asked: Asked,
    call: Call,
    outcome: Outcome,
    clock: Callable[[], float],
) -> Replied:
    """What the gRPC side says, of a page that takes several calls after all of them.

    Raises what *make* does, and 412 for a condition of the client that does not hold.
    """
    walk = outcomes.walk(asked)
    try:
        if walk is None:
            return replied(await make(call))
        return await read_page(walk, call, make, clock)
    except UpstreamError as error:
        failed = outcomes.failed(asked, error)
        if failed is error:
            raise
        raise failed from error
    finally:
        outcome.page_calls = 0 if walk is None else walk.calls


async def delivered(
    answer: Answer, compress_min_bytes: int | None, size: int, request: Request
) -> Answer:
    """*answer* as it goes to the client; its body has, or would have, *size* bytes.

    A strong entity tag is of the bytes that are sent (RFC 9110 §8.8.3.3): the gzipped form gets
    another one. Where there is none that differs, the body stays as it is.
    """
    if compress_min_bytes is None or size < compress_min_bytes:
        return answer
    tag = next((value for name, value in answer.headers if name == _ETAG), None)
    tag_of_coded = None if tag is None else coded(tag)
    if answer.http_status == _NOT_MODIFIED or (tag is not None and tag_of_coded is None):
        answer.headers += (VARY,)
        return answer
    if not answer.body:
        return answer
    given = await negotiated(answer, ",".join(request.headers.getall("accept-encoding", ())))
    if tag_of_coded is not None and given is not answer:
        headers = ((n, tag_of_coded if n == _ETAG else value) for n, value in given.headers)
        given.headers = tuple(headers)
    return given
