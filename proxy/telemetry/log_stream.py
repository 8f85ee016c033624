"""Where the process log goes: a stream that never waits for its reader.

Belongs here: writing, and what becomes of lines that nobody takes. Does not: lines (`logs`).

The process log is written from the event loop, and by a parent that must not have threads. A reader
that stands still would stop both: the pipe is full after some hundred lines. So a line that would
have to wait is lost, and counted.
"""

import io
import os
import select
import stat
from typing import Final

import orjson

#: Bytes that a pipe takes whole if it can take any: POSIX demands 512, Linux has 4096.
_WHOLE_BYTES: Final = select.PIPE_BUF


class LogStream(io.TextIOBase):
    """Text for *descriptor*; it stays open."""

    def __init__(self, descriptor: int) -> None:
        self._terminal = os.isatty(descriptor)
        self._descriptor = _opened_again(descriptor)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._torn = False
        #: Lines that were lost since the last one that was not.
        self.lost = 0

    def __repr__(self) -> str:
        return f"LogStream({self._descriptor}, lost={self.lost})"

    def isatty(self) -> bool:
        """Whether somebody looks at it."""
        return self._terminal

    def write(self, text: str) -> int:
        """Write whole lines, or lose them."""
        if self._pass(self._notice() + text.encode(errors="backslashreplace")):
            self.lost = 0
        else:
            self.lost += text.count("\n")
        return len(text)

    def _notice(self) -> bytes:
        """What stands before a line: that others are missing."""
        if not self.lost:
            return b""
        notice = {"event": "log lines lost: nobody read them", "lines": self.lost}
        return b"\n" * self._torn + orjson.dumps(notice, option=orjson.OPT_APPEND_NEWLINE)

    def _pass(self, data: bytes) -> bool:
        """Whether all of *data* was taken."""
        left = memoryview(data)
        try:
            while left and self._poll.poll(0):
                left = left[os.write(self._descriptor, left[:_WHOLE_BYTES]) :]
        except OSError:
            # The reader is gone, or another process has filled the pipe since it was polled.
            pass
        self._torn = bool(left) and (self._torn or len(left) < len(data))
        return not left


def _opened_again(descriptor: int) -> int:
    """An opening of our own that does not block, where the system gives one.

    The one we were given is shared with whoever started us, who may rely on its blocking; that a
    write does not block is then only as true as that no other process writes at the same moment.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            return os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            pass
    return descriptor
