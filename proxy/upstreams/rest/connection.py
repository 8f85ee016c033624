"""One connection to the legacy host, and the pool of those that are kept.

Belongs here: connecting, reuse, limits on connections, back-pressure of writes. Does not: HTTP
semantics (`upstream`, `response`).
"""

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import ClientPayloadError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

from proxy.errors import LimitExceeded, UpstreamError
from proxy.status import Code, Status
from proxy.upstreams.closing import until_idle
from proxy.upstreams.failure import too_many
from proxy.upstreams.rest.options import Address, RestOptions
from proxy.upstreams.tls import TlsOptions, client_context

#: Requests that wait for a connection while all are taken. They level a burst out; with more of
#: them each would only wait until its deadline, when the client has gone.
MAX_QUEUED: Final = 256

#: Statuses below are of interim answers.
FIRST_FINAL: Final = 200


def bad_gateway(text: str, *, sent: bool = True) -> UpstreamError:
    """The error of a legacy host that is down or answers what is no HTTP."""
    return UpstreamError(Status(Code.UNAVAILABLE, text), http_status=502, sent=sent)


def too_slow(text: str, *, sent: bool = True) -> UpstreamError:
    """The error of a legacy host that takes too long."""
    return UpstreamError(Status(Code.DEADLINE_EXCEEDED, text), http_status=504, sent=sent)


class Connection(ResponseHandler):
    """A connection to the legacy host: aiohttp's response protocol, with writes and a deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_answered = True
        self.idle_since_s = 0.0
        #: Whether an answer has been read from it before.
        self.is_reused = False

    def __repr__(self) -> str:
        state = "open" if self.is_connected() else "closed"
        return f"<Connection {state} reused={self.is_reused}>"

    def expect_answer(self, http_method: str, options: RestOptions) -> None:
        """Read what comes from now on as the answer to a request with *http_method*."""
        self._is_answered = False
        self.set_response_params(
            skip_payload=http_method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=options.buffer_bytes,
            max_line_size=options.max_line_bytes,
            max_field_size=options.max_header_bytes,
            max_headers=options.max_headers,
        )

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take the header of an answer; one final answer for each request, and no more.

        The next request would take a second one for its own, and a host that sends them without
        end would fill the memory while a slow client reads the first.
        """
        if self._is_answered:
            self.cut()
            return
        self._is_answered = data[0].code >= FIRST_FINAL
        super().feed_data(data, size)

    def rest(self) -> None:
        """Wait for the next request: what comes until then belongs to none, and is not read.

        A host that gives up on an idle connection may say so (408) before it closes it.
        """
        self._parser = None
        self.idle_since_s = self._loop.time()
        self.is_reused = True

    def set_deadline(self, at_s: float) -> None:
        """Fail the reading of the header when it has not come at *at_s* on the loop's clock."""
        self.clear_deadline()
        self._deadline = self._loop.call_at(at_s, self._expire)

    def _expire(self) -> None:
        self.set_exception(too_slow("the legacy host did not answer in time"))

    def clear_deadline(self) -> None:
        """Take the deadline back."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, if reading was paused.

        aiohttp asks for this after every read, and then parses and resumes for nothing.
        """
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def write(self, data: bytes) -> None:
        """Send *data*. Raises `ConnectionResetError` when the connection is closed."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection to the legacy host is closed")
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the host has taken enough of what was written."""
        if self.writing_paused:
            await self._drain_helper()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Fail what is being read, header or body.

        aiohttp fails the header only; when a body's framing turns out broken, its reader would
        wait for ever.
        """
        super().set_exception(exc, exc if exc_cause is None else exc_cause)
        _break_off(self._payload, exc)

    def cut(self) -> None:
        """Close the connection now; whoever reads an answer from it learns that it broke off."""
        payload = self._payload
        self.abort()
        _break_off(payload, ClientPayloadError("the connection was cut"))

    def is_usable(self) -> bool:
        """Whether it can take a request, as far as we were told: open, and nothing came unasked."""
        return self.is_connected() and not self.should_close

    def is_stale(self) -> bool:
        """Whether the host has closed the idle connection, though we were not told yet.

        Asked before a request is sent that must not be repeated: the loop may not have run since
        the end arrived.
        """
        transport = self.transport
        if transport is None:
            return True
        poll = select.poll()
        poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))


def _break_off(payload: StreamReader | None, error: BaseException) -> None:
    """Fail the reader of a body that has not come whole, unless it has failed already."""
    if payload is not None and not payload.is_eof() and payload.exception() is None:
        payload.set_exception(ClientPayloadError(f"the body broke off: {error}"))


class Pool:
    """The connections to one host. *on_tls_error* hears of TLS that could not be set up."""

    def __init__(
        self, address: Address, options: RestOptions, on_tls_error: Callable[[UpstreamError], None]
    ) -> None:
        self._address = address
        self.options = options
        self._on_tls_error = on_tls_error
        self._tls = client_context(options.tls or TlsOptions()) if address.is_tls else None
        self._slots = asyncio.Semaphore(options.max_connections)
        self._idle: deque[Connection] = deque()
        self._busy: set[Connection] = set()
        self.is_closed = False
        self._waiting = 0
        self._queued = 0
        #: Requests that got no connection because all were taken.
        self.refused = 0
        self._idle_again: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"<Pool {self._address.authority} busy={len(self._busy)} idle={len(self._idle)}>"

    @property
    def inflight(self) -> int:
        """Exchanges that have begun and whose answers are not read yet."""
        return len(self._busy) + self._waiting

    async def acquire(self, deadline_s: float, *, fresh: bool, surely_live: bool) -> Connection:
        """Take a kept connection, the one used last, or make one, by *deadline_s* (loop's clock).

        *fresh* wants a new one; *surely_live* one that the host has not closed. Raises
        `UpstreamError`, or `LimitExceeded` when none gets free in time or too many wait for one.
        """
        self._waiting += 1
        try:
            return await self._acquire(deadline_s, fresh=fresh, surely_live=surely_live)
        finally:
            self._waiting -= 1
            self._tell_idle()

    async def _acquire(self, deadline_s: float, *, fresh: bool, surely_live: bool) -> Connection:
        if self._slots.locked():
            if self._queued >= MAX_QUEUED:
                raise self._no_room("too many requests wait for a connection to the legacy host")
            await self._wait_for_slot(deadline_s)
        else:
            await self._slots.acquire()
        try:
            if self.is_closed:
                # Since the wait began, perhaps: a connection made now would be nobody's.
                raise bad_gateway("the legacy upstream is closed", sent=False)
            connection = None if fresh else self._kept(surely_live=surely_live)
            if connection is None:
                connection = await self._connect(deadline_s)
        except BaseException:
            self._slots.release()
            raise
        self._busy.add(connection)
        return connection

    async def _wait_for_slot(self, deadline_s: float) -> None:
        self._queued += 1
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._no_room("no connection to the legacy host got free in time") from error
        finally:
            self._queued -= 1

    def _no_room(self, text: str) -> LimitExceeded:
        self.refused += 1
        return too_many(text)

    def _kept(self, *, surely_live: bool) -> Connection | None:
        oldest_s = asyncio.get_running_loop().time() - self.options.keepalive_s
        while self._idle:
            connection = self._idle.pop()
            usable = connection.is_usable() and connection.idle_since_s >= oldest_s
            if usable and not (surely_live and connection.is_stale()):
                return connection
            connection.close()
        return None

    async def _connect(self, deadline_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(
                min(deadline_s, loop.time() + self.options.connect_timeout_s)
            ):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop),
                    self._address.host,
                    self._address.port,
                    ssl=self._tls,
                    server_hostname=self._server_name(),
                )
        except ssl.SSLError as error:
            raise self._tls_error(error) from error
        except TimeoutError as error:
            raise too_slow("the legacy host could not be reached in time", sent=False) from error
        except (OSError, UnicodeError) as error:
            # A name that cannot be one, such as a..b, is a UnicodeError.
            raise bad_gateway(f"the legacy host cannot be reached: {error}", sent=False) from error
        return connection

    def _server_name(self) -> str | None:
        if not self._address.is_tls:
            return None
        named = self.options.tls.server_name if self.options.tls else None
        return named or self._address.host

    def _tls_error(self, error: ssl.SSLError) -> UpstreamError:
        translated = bad_gateway(f"TLS with the legacy host failed: {error}", sent=False)
        self._on_tls_error(translated)
        return translated

    def release(self, connection: Connection, *, reusable: bool) -> None:
        """Give a connection back. It is kept only when *reusable* and at its end of a message."""
        self._busy.remove(connection)
        self._slots.release()
        self._tell_idle()
        if not reusable or connection.should_close:
            connection.cut()
            return
        connection.rest()
        self._idle.append(connection)
        oldest = self._idle[0]
        if oldest.idle_since_s < connection.idle_since_s - self.options.keepalive_s:
            self._idle.popleft().close()

    def _tell_idle(self) -> None:
        if self._idle_again is not None and not self.inflight:
            self._idle_again.set()

    async def until_idle(self, timeout_s: float) -> bool:
        """Wait until no exchange is under way; False when that takes longer than *timeout_s*."""
        self._idle_again = asyncio.Event()
        return await until_idle(self._idle_again, lambda: not self.inflight, timeout_s)

    def close(self) -> None:
        """Close every connection; answers that are being read end with an error."""
        self.is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.cut()
        self._idle.clear()
