"""The answer of a server-streaming call, and its repetition until the first message.

Belongs here: reading, cancelling and starting again. Does not: one attempt (`line`), and whether
there is another (`attempts`).
"""

from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from proxy.errors import LimitExceeded, UpstreamError
from proxy.status import Code, Status
from proxy.upstreams import Call, Metadata
from proxy.upstreams.attempts import Attempts
from proxy.upstreams.line import StreamAttempt
from proxy.upstreams.members import Member

_CANCELLED: Final = Status(Code.CANCELLED, "the call was cancelled here")


class Caller(Protocol):
    """Whose call it is: an upstream. *refused* counts calls for which there was no room."""

    refused: int

    def enter(self) -> None:
        """A call begins. Raises `LimitExceeded` when there are too many."""
        ...

    def leave(self) -> None:
        """A call is over."""
        ...

    async def member(self, deadline_s: float) -> Member:
        """Who takes the first attempt. Raises `UpstreamError`."""
        ...


class RepeatedStream:
    """A server-streaming call, made when it is first read.

    A failure before the first message may start it again, on another address too.
    """

    __slots__ = (
        "_attempt",
        "_attempts",
        "_call",
        "_caller",
        "_deadline_s",
        "_first",
        "_has_entered",
        "_is_cancelled",
        "_make_attempts",
        "_member",
    )

    def __init__(
        self,
        caller: Caller,
        call: Call,
        deadline_s: float,
        make_attempts: Callable[[Call, float], Attempts],
    ) -> None:
        self._caller = caller
        self._call = call
        self._deadline_s = deadline_s
        self._make_attempts = make_attempts
        self._attempts: Attempts | None = None
        self._attempt: StreamAttempt | None = None
        self._member: Member | None = None
        self._first: bytes | None = None
        self._has_entered = False
        self._is_cancelled = False

    def __repr__(self) -> str:
        return f"<RepeatedStream {self._attempt!r} failed={self._attempts!r}>"

    def __del__(self) -> None:
        # Who reads no more has not always said so; the server need not send on.
        if self._has_entered:
            self.cancel()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        message, self._first = self._first, None
        if message is None:
            attempt = self._attempt
            message = await (self._read_first() if attempt is None else self._read(attempt))
        if message is None:
            raise StopAsyncIteration
        return message

    async def metadata(self) -> Metadata:
        """Initial metadata; waits for the first message. Raises `UpstreamError` on failure.

        A server that sends no metadata of its own looks like one that failed at once; the first
        message tells them apart.
        """
        if self._attempt is None:
            self._first = await self._read_first()
        return () if self._attempt is None else await self._attempt.metadata()

    async def trailers(self) -> Metadata:
        """Trailers; only after the iteration has ended without an error."""
        return () if self._attempt is None else await self._attempt.trailers()

    def cancel(self) -> None:
        """End the call now. Does nothing when it has ended."""
        self._is_cancelled = True
        if self._attempt is not None:
            self._attempt.drop()
        self._end()

    def _end(self) -> None:
        """The call is over: once."""
        if self._has_entered:
            self._has_entered = False
            self._caller.leave()
        self._left()

    def _left(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            member.left()

    async def _read(self, attempt: StreamAttempt) -> bytes | None:
        try:
            message = await attempt.read()
        except BaseException:
            self._end()
            raise
        if message is None:
            self._end()
        return message

    async def _read_first(self) -> bytes | None:
        """The first message; a failure before it may start the call again."""
        if self._is_cancelled:
            raise UpstreamError(_CANCELLED, sent=False)
        self._caller.enter()
        self._has_entered = True
        try:
            message = await self._tried(await self._caller.member(self._deadline_s))
        except BaseException:
            self._end()
            raise
        if message is None:
            self._end()
        return message

    async def _tried(self, member: Member) -> bytes | None:
        while True:
            try:
                return await self._try(member)
            except UpstreamError as error:
                if self._is_cancelled:
                    raise
                attempts = self._failed()
                delay_s = attempts.delay_s(member, error)
                if delay_s is None:
                    raise
            except LimitExceeded:
                self._caller.refused += 1
                raise
            member = await attempts.next(delay_s)
            if self._is_cancelled:
                raise UpstreamError(_CANCELLED)

    async def _try(self, member: Member) -> bytes | None:
        self._left()
        member.open_calls += 1
        self._member = member
        attempt = self._attempt = member.line.begin(self._call, self._deadline_s)
        message = await attempt.read()
        member.is_failing = False
        return message

    def _failed(self) -> Attempts:
        if self._attempts is None:
            self._attempts = self._make_attempts(self._call, self._deadline_s)
        return self._attempts
