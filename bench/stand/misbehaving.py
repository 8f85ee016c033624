"""A gRPC server that breaks off: `python -m bench.stand.misbehaving -manifest F -behaviour B`.

Serves the manifest's canned answers over the `h2` package, as bench/backend does, with a ledger of
the same form. What it does wrong is said by its behaviour:

- `none`: nothing;
- `goaway`: every 100 calls GOAWAY, after which it finishes what it has begun and takes no more;
- `reset`: every tenth call ends by RST_STREAM, in turn refused before it is looked at, after the
  answer's headers, within its message, and before its trailers;
- `one-stream`: it allows one call at a time on a connection;
- `hang`: it takes every call and never answers;
- `break`: every call ends by RST_STREAM within its message;
- `flood`: every answer is a message of 100 MB, sent as fast as it is taken.

A call stands in the ledger when it was done, which a refused one is not; a call that was reset
after it was done has a second line that says so. Ends when standard input closes.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings

HEAD: Final = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS: Final = [("grpc-status", "0")]
UNIMPLEMENTED: Final = "12"
GOAWAY_EVERY: Final = 100
RESET_EVERY: Final = 10
FLOOD_BYTES: Final = 100_000_000
FLOOD: Final = bytes(1 << 14)  # what of it is made at one time
RESET: Final = "reset"  # in the ledger, after a call that was done and then reset


class Book:
    """The ledger, and how many calls there were over all connections."""

    def __init__(self, ledger: str) -> None:
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
        self._ledger = os.open(ledger, flags, 0o600)
        self.calls = 0
        self.resets = 0

    def __repr__(self) -> str:
        return f"<Book calls={self.calls}>"

    def add(self, identity: str, what: str) -> None:
        """Write a line."""
        os.write(self._ledger, f"{time() * 1e6:.0f} {identity} {what}\n".encode())


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: dict[str, bytes], behaviour: str, book: Book) -> None:
        self._answers = answers
        self._behaviour = behaviour
        self._book = book
        self._asked: dict[int, dict[str, str]] = {}
        self._flooding: dict[int, int] = {}
        self._calls = 0
        self._left = False
        self._last = 0
        self._ended = False
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._resets: tuple[Callable[[int, str, bytes], None], ...] = (
            self._refuse,
            self._reset_after_headers,
            self._reset_within_data,
            self._reset_before_trailers,
        )
        self._faults: dict[str, Callable[[int, str, bytes], None]] = {
            "hang": self._hang,
            "break": self._reset_within_data,
            "flood": self._begin_flood,
        }

    def __repr__(self) -> str:
        return f"<Server {self._behaviour} calls={self._calls}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._behaviour == "one-stream":
            # In the first frame already: between it and a second one a client may make calls.
            one = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
            self._h2.local_settings = Settings(client=False, initial_values=one)
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._flush()
            self._transport.close()
            return
        for event in events:
            self._take(event)
        self._flush()
        if self._left and not self._asked and not self._ended:
            # Closing could destroy answers that the client has not read: it closes.
            self._ended = True
            self._transport.write_eof()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id is not None
            headers = event.headers or []
            self._asked[event.stream_id] = {str(name): str(value) for name, value in headers}
        elif isinstance(event, DataReceived):
            assert event.flow_controlled_length is not None
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
        elif isinstance(event, StreamEnded):
            self._answer(event.stream_id or 0)
        elif isinstance(event, StreamReset):
            self._flooding.pop(event.stream_id or 0, None)
        elif isinstance(event, WindowUpdated):
            self._flood()
        elif isinstance(event, ConnectionTerminated):
            self._transport.close()

    def _answer(self, stream: int) -> None:
        asked = self._asked.pop(stream)
        if self._left and stream > self._last:
            return  # told that it will not be looked at
        if asked[":path"] not in self._answers:
            self._h2.send_headers(stream, [*HEAD, ("grpc-status", UNIMPLEMENTED)], end_stream=True)
            return
        self._book.calls += 1
        self._calls += 1
        path, identity = asked[":path"], asked.get("x-request-id", "")
        with contextlib.suppress(StreamClosedError):  # the client may have given the call up
            self._do(stream, path, identity)
        if self._behaviour == "goaway" and self._book.calls % GOAWAY_EVERY == 0:
            self._leave(stream)

    def _do(self, stream: int, path: str, identity: str) -> None:
        message = self._answers[path]
        data = struct.pack(">BL", 0, len(message)) + message
        every_tenth = self._book.calls % RESET_EVERY == 0
        if self._behaviour == "reset" and every_tenth:
            self._book.resets += 1
            self._resets[self._book.resets % len(self._resets)](stream, identity, data)
        elif self._behaviour in self._faults:
            self._faults[self._behaviour](stream, identity, data)
        else:
            self._book.add(identity, path.rpartition("/")[2])
            self._h2.send_headers(stream, HEAD)
            self._h2.send_data(stream, data)
            self._h2.send_headers(stream, TRAILERS, end_stream=True)

    def _hang(self, _stream: int, identity: str, _data: bytes) -> None:
        self._book.add(identity, "hang")

    def _begin_flood(self, stream: int, identity: str, _data: bytes) -> None:
        self._book.add(identity, "flood")
        self._h2.send_headers(stream, HEAD)
        self._h2.send_data(stream, struct.pack(">BL", 0, FLOOD_BYTES))
        self._flooding[stream] = FLOOD_BYTES
        self._flood()

    def _flood(self) -> None:
        """Send on what the client has room for."""
        for stream in list(self._flooding):
            self._send_on(stream)

    def _send_on(self, stream: int) -> None:
        left = self._flooding[stream]
        while left > 0 and (room := self._h2.local_flow_control_window(stream)) > 0:
            size = min(left, room, len(FLOOD), self._h2.max_outbound_frame_size)
            self._h2.send_data(stream, FLOOD[:size])
            left -= size
        self._flooding[stream] = left
        if not left:
            del self._flooding[stream]
            self._h2.send_headers(stream, TRAILERS, end_stream=True)

    def _leave(self, stream: int) -> None:
        """Take no more than what has come, which is answered; close when that is done."""
        self._last = max([stream, *self._asked])
        self._left = True
        self._flush()
        # The package would end the connection with its own GOAWAY; this one lets calls go on.
        payload = struct.pack(">LL", self._last, ErrorCodes.NO_ERROR)
        self._transport.write(struct.pack(">HBBBL", 0, len(payload), 0x7, 0, 0) + payload)

    def _refuse(self, stream: int, _identity: str, _data: bytes) -> None:
        self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)

    def _reset_after_headers(self, stream: int, identity: str, _data: bytes) -> None:
        self._done_and_reset(identity)
        self._h2.send_headers(stream, HEAD)
        self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    def _reset_within_data(self, stream: int, identity: str, data: bytes) -> None:
        self._done_and_reset(identity)
        self._h2.send_headers(stream, HEAD)
        self._h2.send_data(stream, data[: len(data) // 2])
        self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    def _reset_before_trailers(self, stream: int, identity: str, data: bytes) -> None:
        self._done_and_reset(identity)
        self._h2.send_headers(stream, HEAD)
        self._h2.send_data(stream, data)
        self._h2.reset_stream(stream, ErrorCodes.CANCEL)

    def _done_and_reset(self, identity: str) -> None:
        self._book.add(identity, "done")
        self._book.add(identity, RESET)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if not self._ended:
            self._transport.write(data)


async def serve(manifest: dict[str, Any], wanted: argparse.Namespace) -> None:
    """Serve, tell the port, and stay until standard input closes."""
    answers = {
        path: base64.b64decode(known["answers"]["0"])
        for path, known in manifest["rpc"].items()
        if "0" in known["answers"]
    }
    book = Book(wanted.ledger)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(answers, wanted.behaviour, book), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"grpc": port}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-manifest", type=Path, required=True)
    parser.add_argument("-ledger", required=True)
    parser.add_argument("-behaviour", default="none")
    given = parser.parse_args()
    asyncio.run(serve(json.loads(given.manifest.read_text()), given))
