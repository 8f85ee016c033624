"""Refusing requests for less than it costs to read them.

Belongs here: which bytes are surely one whole request, so that they can be answered without the
parser, and the tally of such answers. Does not: when that is done (`protocol`).

A refusal has to be cheap: at three times the load that can be served, two of three requests are
refused, and what they cost is missing for the third.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from proxy.errors import RETRY_AFTER, StatusError
from proxy.status import Code, Status

OVERLOADED: Final = StatusError(
    Status(Code.UNAVAILABLE, "the proxy has too many requests to answer"),
    http_status=503,
    headers=(RETRY_AFTER,),
)
#: Why something was refused, as the metrics say it.
INFLIGHT: Final = "inflight"
CONNECTIONS: Final = "connections"

#: Seconds between two reports of what was refused.
TELL_EVERY_S: Final = 0.2

#: A head whose end no two servers could see at different places: lines end in CRLF, names are
#: plain, and one Content-Length at most tells of a body. Answers to the methods have a body, and
#: nothing is said of the connection but that it stays. No quantifier gives back what it took, so
#: that a match is tried in one way only.
_OTHER_FIELD: Final = rb"""(?:
    (?!(?i:content-length|transfer-encoding|expect|upgrade|connection:(?!\ *keep-alive\r)))
    [A-Za-z0-9_-]++:[\t\x20-~\x80-\xff]*+\r\n
)*+"""
_PLAIN_HEAD: Final = re.compile(
    rb"(?:GET|POST|PUT|PATCH|DELETE|OPTIONS)\ /[!-~]*+\ HTTP/1\.1\r\n"
    + _OTHER_FIELD
    + rb"(?:(?i:content-length):\ *+([0-9]{1,9})\r\n)?+"
    + _OTHER_FIELD
    + rb"\r\n",
    re.VERBOSE,
)


def is_one_request(data: bytes) -> bool:
    r"""Whether *data*, which begins where a request does, is surely one whole HTTP/1.1 request.

    Whatever is unusual is left to the parser, and so is what is wrong.

    >>> is_one_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    True
    >>> is_one_request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{}")
    False
    """
    head = _PLAIN_HEAD.match(data)
    return head is not None and len(data) == head.end() + int(head[1] or 0)


class Tally:
    """Counts refusals, and tells *tell* of them now and then: a reason, and how many."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[str, int], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Tally {dict(self._counts)}>"

    def add(self, reason: str) -> None:
        """Count one refusal."""
        self._counts[reason] += 1
        if self._timer is None:
            self._timer = self._loop.call_later(TELL_EVERY_S, self.flush)

    def flush(self) -> None:
        """Tell of what was counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        counts = dict(self._counts)
        self._counts.clear()
        for reason, count in counts.items():
            self._tell(reason, count)
