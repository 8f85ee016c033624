"""One request on one connection, up to the header of its answer.

Belongs here: sending a body while the answer is awaited, interim answers, what a failure means.
Does not: choosing a connection, and repeating (`upstream`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError, StreamReader
from aiohttp.http import HttpProcessingError, RawResponseMessage

from proxy.errors import ProxyError, RequestError
from proxy.transcoding.forwarding import end_to_end
from proxy.upstreams.rest.connection import FIRST_FINAL, Connection, Pool, bad_gateway
from proxy.upstreams.rest.head import Body, Head

_CONTINUE: Final = 100
_SWITCHING: Final = 101

#: Interim answers to one request. Hints come in ones and twos, and signs of life every some
#: seconds; a client is sent them as they come, whether it reads them or not.
MAX_INTERIM: Final = 100
#: Transfer codings under which a body passes as it is ("identity" is of RFC 2616, and means none).
_CODINGS: Final = frozenset({"chunked", "identity"})

Interim = Callable[[int, str, tuple[tuple[str, str], ...]], None]


def _ignore_interim(_status: int, _reason: str, _headers: tuple[tuple[str, str], ...]) -> None:
    """Stand in for a hook that nobody gave."""


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request to pass on: *target* is the raw path and query, *headers* name and value pairs.

    *body* None is a request without one. A body in pieces has the size that Content-Length in
    *headers* announces, or is sent in chunks. *interim* is called with every 1xx answer but 101:
    status, reason, headers.
    """

    http_method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: Body = None
    interim: Interim = _ignore_interim


class StaleConnection(ProxyError):
    """A kept connection ended before a byte of the answer came."""


def end_to_end_headers(message: RawResponseMessage) -> tuple[tuple[str, str], ...]:
    """The headers of an answer that pass on; bytes that are no UTF-8 survive as they came."""
    return tuple(
        end_to_end(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in message.raw_headers
        )
    )


class Exchange:
    """One request on one connection, until its answer has been read.

    The answer's header is waited for until *deadline_s* on the loop's clock; with a body in
    pieces, for *timeout_s* after each.
    """

    def __init__(
        self,
        connection: Connection,
        request: RestRequest,
        head: Head,
        deadline_s: float,
        timeout_s: float,
        pool: Pool,
    ) -> None:
        self.connection = connection
        self._request = request
        self._head = head
        self._deadline_s = deadline_s
        self._timeout_s = timeout_s
        self._pool = pool
        self._sender: asyncio.Task[None] | None = None
        self._continued: asyncio.Event | None = None
        self._body_error: BaseException | None = None
        self._answered = False

    def send(self) -> None:
        """Write the head, with a body that is here; start to send one that comes in pieces."""
        body = self._request.body
        self.connection.expect_answer(self._request.http_method, self._pool.options)
        if body is None:
            self.connection.write(self._head.data)
        elif isinstance(body, bytes):
            self.connection.write(self._head.data + body)
        else:
            self.connection.write(self._head.data)
            if self._head.expects_continue:
                self._continued = asyncio.Event()
            self._sender = asyncio.create_task(self._send_pieces(body))
            self._sender.add_done_callback(self._sender_ended)
        self.connection.set_deadline(self._deadline_s)

    async def _send_pieces(self, body: AsyncIterator[bytes]) -> None:
        """Send a body as it comes; stop when the host takes no more, whatever it answers then."""
        if self._continued is not None:
            await self._wait_for_continue(self._continued)
        left = self._head.length
        async for piece in body:
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise RequestError("the body is longer than Content-Length says")
            if piece and not await self._sent(
                b"%x\r\n%b\r\n" % (len(piece), piece) if left is None else piece
            ):
                return
        if left:
            raise RequestError("the body is shorter than Content-Length says")
        if left is None:
            await self._sent(b"0\r\n\r\n")

    async def _sent(self, data: bytes) -> bool:
        """Send *data* and wait until it is taken; False when the connection is gone."""
        try:
            self.connection.write(data)
            await self.connection.drain()
        except (ConnectionError, ClientError):
            return False
        if not self._answered:
            self.connection.set_deadline(asyncio.get_running_loop().time() + self._timeout_s)
        return True

    def _sender_ended(self, sender: asyncio.Task[None]) -> None:
        """Make the failure of the request's body that of reading the answer."""
        if sender.cancelled() or sender.exception() is None:
            return
        self._body_error = sender.exception()
        # The body is not whole, and the host must not take it for whole.
        self.connection.cut()

    async def _wait_for_continue(self, continued: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._pool.options.expect_wait_s):
                await continued.wait()
        except TimeoutError:
            return

    async def receive(self) -> tuple[RawResponseMessage, StreamReader]:
        """Read the header of the answer, past those of interim answers."""
        for _ in range(MAX_INTERIM + 1):
            message, payload = await self.connection.read()
            if "\0" in message.reason:
                raise bad_gateway("the legacy host's answer is not HTTP: NUL in the reason phrase")
            if message.code >= FIRST_FINAL:
                _check_coding(message)
                self._answered = True
                self.connection.clear_deadline()
                return message, payload
            if message.code == _SWITCHING:
                raise bad_gateway("the legacy host switched protocols, unasked")
            if message.code == _CONTINUE and self._continued is not None:
                self._continued.set()
            headers = end_to_end_headers(message)
            self._request.interim(message.code, message.reason, headers)
        raise bad_gateway(f"the legacy host sent more than {MAX_INTERIM} interim answers")

    def meaning_of(self, error: Exception) -> BaseException:
        """What a failure of the exchange is to the caller."""
        if self._body_error is not None:
            return self._body_error
        if isinstance(error, HttpProcessingError):
            # The rest of the text quotes what the host sent.
            reason = error.message.strip().partition("\n")[0].rstrip(":")
            return bad_gateway(f"the legacy host's answer is not HTTP: {reason}")
        if self.connection.is_reused:
            return StaleConnection(str(error))
        return bad_gateway(f"the legacy host closed the connection: {error}")

    def finish(self, whole: bool) -> None:
        """Give the connection back; *whole* says that the answer was read to its end."""
        self.connection.clear_deadline()
        sent = True
        if self._sender is not None:
            sent = _is_well(self._sender)
            self._sender.cancel()
        self._pool.release(self.connection, reusable=whole and sent)


def _check_coding(message: RawResponseMessage) -> None:
    """Refuse a body in a transfer coding that the parser leaves on it: nobody would know it."""
    codings = message.headers.getall("Transfer-Encoding", None)
    if codings and ",".join(codings).strip(" \t").lower() not in _CODINGS:
        raise bad_gateway("the legacy host's answer is in an unknown transfer coding")


def _is_well(sender: asyncio.Task[None]) -> bool:
    """Whether all of a body was sent: a connection that still waits for some must not be kept."""
    return sender.done() and not sender.cancelled() and sender.exception() is None
