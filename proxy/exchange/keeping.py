"""The pieces of a request and of its answer, given to a `Capture` while they pass.

Belongs here: what is wrapped around bodies and answers. Does not: which exchanges are kept
(`mirroring`, `recording`), keeping them (`shadow.capture`).

Whatever goes wrong here costs the capture and nothing else: nothing raises, and what is wrapped
around a body or an answer passes on each piece, each error and each cancellation as it comes.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final, Self

import structlog

from proxy.exchange.messages import Answer, BodyReader, Request, StreamAnswer
from proxy.shadow.capture import Capture
from proxy.shadow.sample import Drop, Life

_log: Final = structlog.get_logger("proxy.exchange")

#: Why a capture is given up where we have made a mistake.
BUG: Final = (Life.DROPPED, Drop.INTERNAL)


def keep_body(capture: Capture, request: Request) -> None:
    """Have the body of *request* kept as it is read, if there is one that may be."""
    try:
        capture.body_announced(request.body.length)
        if not capture.body_is_whole and capture.stopped is None:
            request.body = KeptBody(request.body, capture)
    except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
        _log.exception("keeping a body failed", route=capture.mirror.route.name)
        capture.stop(*BUG)


def keep_answer(capture: Capture, answer: Answer | StreamAnswer) -> None:
    """Keep *answer*, which is about to be sent, or its pieces as they pass."""
    try:
        if isinstance(answer, Answer):
            capture.answer_begun(answer.http_status, answer.headers, None)
            capture.answer_piece(answer.body)
            capture.answer_is_whole = True
            return
        capture.answer_begun(answer.http_status, answer.headers, answer.length)
        if capture.stopped is None:
            answer.chunks = _KeptChunks(answer.chunks, capture)
    except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
        _log.exception("keeping an answer failed", route=capture.mirror.route.name)
        capture.stop(*BUG)


class KeptBody:
    """A request's body whose reader gives the *capture* what it takes."""

    __slots__ = ("_body", "_capture")

    def __init__(self, body: BodyReader, capture: Capture) -> None:
        self._body = body
        self._capture = capture

    def __repr__(self) -> str:
        return f"<KeptBody {self._body!r}>"

    @property
    def length(self) -> int | None:
        """As that of the body."""
        return self._body.length

    @property
    def received(self) -> int:
        """As that of the body."""
        return self._body.received

    @property
    def is_awaited(self) -> bool:
        """As that of the body."""
        return self._body.is_awaited

    async def read(self, limit: int) -> bytes:
        """Read the body whole, and keep it."""
        body = await self._body.read(limit)
        _keep(self._capture, self._capture.body_read, body)
        return body

    async def gather(self) -> None:
        """As that of the body."""
        await self._body.gather()

    def arrived(self) -> bytes | None:
        """The body if it is here already; it is kept then."""
        body = self._body.arrived()
        if body is not None:
            _keep(self._capture, self._capture.body_came, body)
        return body

    def chunks(self) -> AsyncIterator[bytes]:
        """Read the body piece by piece, and keep each."""
        return _KeptPieces(self._body.chunks(), self._capture)


class _Kept:
    """Pieces on their way; the capture is given each, and how they end."""

    __slots__ = ("_capture", "_pieces")

    def __init__(self, pieces: AsyncIterator[bytes], capture: Capture) -> None:
        self._pieces = pieces
        self._capture = capture

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._capture!r}>"

    def __aiter__(self) -> Self:
        return self


class _KeptPieces(_Kept):
    """The pieces of a request's body on their way to a side."""

    __slots__ = ()

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._capture.body_is_whole = True
            raise
        _keep(self._capture, self._capture.body_piece, piece)
        return piece


class _KeptChunks(_Kept):
    """The pieces of an answer on their way to the client."""

    __slots__ = ()

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self._capture.answer_is_whole = True
            raise
        except Exception:
            self._capture.answer_failed = True
            raise
        _keep(self._capture, self._capture.answer_piece, piece)
        return piece


def _keep(capture: Capture, keep: Callable[[bytes], None], piece: bytes) -> None:
    """Have *keep* keep *piece*. The piece passes on whatever comes of that."""
    try:
        keep(piece)
    except Exception:  # noqa: BLE001 - here and in `shadow` alone, and logged
        _log.exception("keeping a piece failed", route=capture.mirror.route.name)
        capture.stop(*BUG)
