"""A page of an API that gives each page's token with the one before: its calls, one by one.

Belongs here: the calls, within the time of one. Does not: what to ask for, and what of the answers
is the page (`shape.outcomes.walk`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from proxy.errors import UpstreamError
from proxy.shape.outcomes.asked import Replied
from proxy.shape.outcomes.walk import Walk
from proxy.status import Code, Status
from proxy.upstreams import Call, Reply

MakeCall = Callable[[Call], Awaitable[Reply]]


def replied(reply: Reply) -> Replied:
    """The reply of a single call, as answers are made of it."""
    return Replied(reply.message, reply.metadata, reply.trailers)


async def read_page(walk: Walk, call: Call, make: MakeCall, clock: Callable[[], float]) -> Replied:
    """Walk to a page by calls like *call*, which share its timeout; metadata is of the last one.

    Raises what *make* does, `RequestError` for a page that so many calls do not reach, and
    `UpstreamError` when the time is over.
    """
    deadline_s = clock() + call.timeout_s
    left_s = call.timeout_s
    while left_s > 0:
        reply = await make(replace(call, message=walk.request, timeout_s=left_s))
        page = walk.take(reply.message)
        if page is not None:
            wire, has_next = page
            return Replied(wire, reply.metadata, reply.trailers, has_next)
        left_s = deadline_s - clock()
    text = f"{walk.calls} calls for one page took {call.timeout_s:g} seconds"
    raise UpstreamError(Status(Code.DEADLINE_EXCEEDED, text))
