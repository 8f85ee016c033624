"""What becomes of a call after its first attempt has failed.

Belongs here: whether it is made again, when, and where. Does not: making it (`balanced`,
`replies`), the retry budget (`retry`).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import UpstreamError
from proxy.status import Code
from proxy.upstreams import Call
from proxy.upstreams.failure import Unprocessed, is_tls_error
from proxy.upstreams.members import Member, Members
from proxy.upstreams.retry import Retries

#: How often a call is made again that the server has not looked at. Any number would be safe; a
#: server that takes nothing must not keep us busy.
_MAX_UNPROCESSED: Final = 5
#: How long the third attempt may wait, doubled for each one after it. A server that is full of
#: calls just cancelled refuses others until it has cleared those away.
_UNPROCESSED_PAUSE_S: Final = 0.01
#: HTTP statuses of failures that are the server's: from here on, and that of a spent resource.
_FAULTS: Final = 500
_OVERLOAD: Final = 429


@dataclass(frozen=True, slots=True)
class Policy:
    """What the calls of one upstream have in common. *retries* None makes none.

    *clock* is monotonic, in seconds; *random* gives 0 to 1.
    """

    members: Members
    retries: Retries | None
    clock: Callable[[], float]
    random: Callable[[], float]
    on_tls_error: Callable[[UpstreamError], None]


class Attempts:
    """The attempts at one call that has failed once.

    A failure that certainly left nothing with the server is made good on another address, or, by
    the server's own word, on the same; any method may be. What may have been sent is made again
    only if it is idempotent, and within the budget.
    """

    __slots__ = ("_call", "_deadline_s", "_made", "_policy", "_tried", "_was_sent")

    def __init__(self, policy: Policy, call: Call, deadline_s: float) -> None:
        self._policy = policy
        self._call = call
        self._deadline_s = deadline_s
        self._made = 0
        self._tried: set[Member] = set()
        self._was_sent = False

    def __repr__(self) -> str:
        return f"<Attempts made={self._made} tried={len(self._tried)} sent={self._was_sent}>"

    def delay_s(self, member: Member, error: UpstreamError) -> float | None:
        """Count a failed attempt; the seconds until the next one, None for no further one.

        Without a further one, *error* is the call's: it says that nothing was sent only when that
        holds for all attempts.
        """
        self._made += 1
        self._tried.add(member)
        member.is_failing = error.http_status >= _FAULTS or error.http_status == _OVERLOAD
        if is_tls_error(error):
            self._policy.on_tls_error(error)
        delay_s = self._unsent_delay_s(error)
        if delay_s is None:
            delay_s = self._retry_delay_s(error)
        self._note(error)
        return delay_s

    def _note(self, error: UpstreamError) -> None:
        self._was_sent = error.sent = error.sent or self._was_sent

    def _unsent_delay_s(self, error: UpstreamError) -> float | None:
        """The wait before a call is made again that no server has looked at."""
        if error.sent or error.status.code is not Code.UNAVAILABLE:
            return None
        if self._policy.members.has_other(self._tried):
            return 0.0
        if not isinstance(error, Unprocessed) or self._made > _MAX_UNPROCESSED:
            return None
        self._tried.clear()
        if self._made == 1:
            return 0.0
        return (0.5 + self._policy.random() / 2) * _UNPROCESSED_PAUSE_S * 2.0 ** (self._made - 2)

    def _retry_delay_s(self, error: UpstreamError) -> float | None:
        retries = self._policy.retries
        if not self._call.idempotent or retries is None:
            return None
        remaining_s = self._deadline_s - self._policy.clock()
        elsewhere = self._policy.members.has_other(self._tried)
        delay_s = retries.delay_s(error, self._made, remaining_s, elsewhere=elsewhere)
        if delay_s is not None and not elsewhere:
            self._tried.clear()
        return delay_s

    async def next(self, delay_s: float) -> Member:
        """Whom to try now, after *delay_s*. Raises `UpstreamError`."""
        if delay_s:
            await asyncio.sleep(delay_s)
        try:
            return await self._policy.members.choose(self._deadline_s, self._tried)
        except UpstreamError as error:
            self._note(error)
            raise
