"""One stream as its connection sees it, and what a connection asks of its owner.

Belongs here: the seams between `connection`, the calls above it and the socket below it.
"""

from abc import ABC, abstractmethod
from typing import Final, Protocol

from proxy.upstreams.h2.heads import Head

#: What a peer may send on one stream before we have read it: enough for 1 GB/s at 1 ms.
STREAM_WINDOW: Final = 1 << 20


class Stream(ABC):
    """What a connection knows of one stream; the call on it is a subclass.

    *pending* is what is left to send of the body.
    """

    __slots__ = ("id", "pending", "receive_window", "send_window")

    def __init__(self) -> None:
        self.id = 0
        self.send_window = 0
        self.receive_window = STREAM_WINDOW
        self.pending: memoryview | None = None

    @abstractmethod
    def wants_more(self) -> bool:
        """Whether the peer may send on."""

    @abstractmethod
    def take_head(self, head: Head, *, ended: bool) -> None:
        """A header block has come; when it *ended* the stream, nothing more will."""

    @abstractmethod
    def take_data(self, data: bytes) -> None:
        """Data have come, at least one byte."""

    @abstractmethod
    def take_end(self) -> None:
        """The peer has ended the stream without trailers."""

    @abstractmethod
    def take_reset(self, code: int) -> None:
        """The peer has reset the stream, or will not look at it (REFUSED_STREAM)."""


class Owner(Protocol):
    """Who runs a connection."""

    def wake(self) -> None:
        """There are bytes to send."""
        ...

    def room_changed(self) -> None:
        """There is one stream less, or the server allows more of them."""
        ...

    def suspected(self) -> None:
        """A stream got no answer in time."""
        ...

    def going_away(self, code: int, text: str) -> None:
        """No stream can be opened any more; *code* and *text* say why."""
        ...
