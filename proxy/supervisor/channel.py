"""Messages between the parent and a worker, over a pair of sockets.

Belongs here: bytes on that pair. Does not: what the messages mean (`parent`, `worker`).

A message is one line of JSON, an object. When either process ends, however it ends, the other one
reads the end of the stream: that is how both notice.
"""

import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

Message = Mapping[str, Any]

#: Bytes read at once.
_READ_BYTES: Final = 64 << 10


class Channel:
    """One end of a pair; it never blocks. *rest* is what was read of an unfinished line."""

    def __init__(self, end: socket.socket, rest: bytes = b"") -> None:
        end.setblocking(False)
        self._end = end
        self.rest = rest
        self._owed = b""
        #: Whether the other process is gone.
        self.ended = False

    def __repr__(self) -> str:
        return f"<Channel {self._end.fileno()}{' ended' if self.ended else ''}>"

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        """Two ends that are connected; neither outlives an `exec` unless it is told to."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    @classmethod
    def of_descriptor(cls, descriptor: int, rest: bytes) -> "Channel":
        """The end that another program image has left open."""
        return cls(socket.socket(fileno=descriptor), rest)

    def fileno(self) -> int:
        """The descriptor, for a selector; -1 once closed."""
        return self._end.fileno()

    def set_inheritable(self, inheritable: bool) -> None:
        """Whether the descriptor stays open in the program that replaces this one."""
        self._end.set_inheritable(inheritable)

    def send(self, message: Message) -> bool:
        """Send a message; whether it went out.

        It does not when the other process is gone, this end is closed, or the other process has
        read nothing for so long that the socket's buffer is full: that takes thousands of messages.
        """
        line = orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
        try:
            # Half a line that went out is owed its other half before anything else.
            self._owed = self._owed[self._end.send(self._owed) :]
            if not self._owed:
                self._owed = line[self._end.send(line) :]
                return True
        except OSError:
            pass
        return False

    def receive(self) -> Iterator[dict[str, Any]]:
        """The messages that have come; `ended` is set behind the last one."""
        while not self.ended:
            try:
                data = self._end.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            self.ended = not data
            *lines, self.rest = (self.rest + data).split(b"\n")
            yield from map(orjson.loads, lines)

    def close(self) -> None:
        """Close this end."""
        self._end.close()
