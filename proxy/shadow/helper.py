"""The helper process as its parent sees it: started on first use, replaced when it breaks.

Belongs here: its life, and one comparison by it. Does not: which comparisons it gets (`comparing`).

What the helper cannot do is not done: a pair on which it ends, or takes too long, is
`not_comparable{helper}`, and costs the service nothing but the start of another one.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

import structlog

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document, Obstacle
from proxy.shadow.helper_frames import (
    HEADER_BYTES,
    MAX_REPLY_BYTES,
    Forget,
    Job,
    definition_of,
    read_reply,
    request_frame,
)

_log: Final = structlog.get_logger("proxy.shadow")

#: Comparators that one helper knows at a time; a service has as many as bindings with a mirror.
MAX_COMPARATORS: Final = 256
#: Helpers that are started within a while: a pair that ends one may come with every request.
MAX_STARTS: Final = 5
STARTS_WITHIN_S: Final = 60.0

_HELPER: Final = Comparison(obstacle=Obstacle.HELPER)


def start_process(memory_bytes: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a helper; gives it and our end of the socket that is its input and output."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            # Without the folder that we happen to be in among the places of modules.
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "proxy.shadow.helper_process", str(memory_bytes)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


Start = Callable[[int], tuple[subprocess.Popen[bytes], socket.socket]]


class Helper:
    """Compares pairs in a process of their own, one after the other.

    At most *max_jobs* wait or run; one gets *deadline_s* from when it is its turn. *start* starts a
    process that may take *memory_bytes*; *clock* is monotonic, in seconds. Use it from one loop.
    """

    def __init__(
        self,
        *,
        max_jobs: int = 32,
        deadline_s: float = 5.0,
        memory_bytes: int = 1 << 30,
        start: Start = start_process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_jobs = max_jobs
        self._deadline_s = deadline_s
        self._memory_bytes = memory_bytes
        self._start = start
        self._clock = clock
        self._turn = asyncio.Lock()
        self._link: _Link | None = None
        self._opening: asyncio.Task[_Link | None] | None = None
        self._ending: set[asyncio.Future[None]] = set()
        self._started_s: deque[float] = deque(maxlen=MAX_STARTS)
        self._is_closed = False
        #: Jobs that wait or run now.
        self.jobs = 0
        #: Helpers that were started, of which all but one have ended.
        self.starts = 0

    def __repr__(self) -> str:
        return f"<Helper {self._link!r} jobs={self.jobs} starts={self.starts}>"

    @property
    def process_id(self) -> int | None:
        """The process that compares now, None when there is none."""
        return None if self._link is None else self._link.process.pid

    async def compare(self, comparator: Comparator, legacy: Document, grpc: Document) -> Comparison:
        """What *comparator* says of the pair; `Obstacle.HELPER` when the helper cannot say."""
        if self._is_closed or self.jobs >= self._max_jobs:
            return _HELPER
        self.jobs += 1
        try:
            async with self._turn:
                return await self._compare(comparator, legacy, grpc)
        finally:
            self.jobs -= 1

    async def _compare(
        self, comparator: Comparator, legacy: Document, grpc: Document
    ) -> Comparison:
        link = await self._linked()
        if link is None:
            return _HELPER
        try:
            async with asyncio.timeout(self._deadline_s):
                return await link.ask(comparator, legacy, grpc)
        except TimeoutError:
            _log.warning("the helper process took too long", deadline_s=self._deadline_s)
        except (OSError, ValueError, EOFError) as error:
            _log.warning("the helper process ended", error=repr(error))
        await self._drop(link)
        return _HELPER

    async def _linked(self) -> "_Link | None":
        """The helper that runs, or a new one; None when too many have ended of late."""
        if self._opening is not None:
            return await asyncio.shield(self._opening)
        if self._link is not None and self._link.is_alive:
            return self._link
        if self._link is not None:
            await self._drop(self._link)
        now_s, started_s = self._clock(), self._started_s
        if self._is_closed or (
            len(started_s) == MAX_STARTS and now_s - started_s[0] < STARTS_WITHIN_S
        ):
            return None
        started_s.append(now_s)
        self.starts += 1
        # Who waits for it may leave; the process is there all the same, and used by the next one.
        self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> "_Link | None":
        try:
            self._link = await _Link.open(self._start, self._memory_bytes)
        except OSError as error:
            _log.warning("no helper process can be started", error=str(error))
        finally:
            self._opening = None
        return self._link

    async def _drop(self, link: "_Link") -> None:
        """End *link*; to the end, though whoever asks for it may leave."""
        if self._link is link:
            self._link = None
        ending = asyncio.ensure_future(link.close())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.shield(ending)

    async def close(self) -> None:
        """End the process; comparisons that wait or run have `Obstacle.HELPER`."""
        self._is_closed = True
        if self._opening is not None:
            await self._opening
        if self._link is not None:
            await self._drop(self._link)
        await asyncio.gather(*self._ending)


class _Link:
    """One helper process, and what it was told."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.process = process
        self._writer = writer
        self._known: OrderedDict[int, Comparator] = OrderedDict()
        self._asked: dict[int, asyncio.Future[Comparison]] = {}
        self._number = 0
        self._listening = asyncio.create_task(self._listen(reader))

    def __repr__(self) -> str:
        return f"<helper process {self.process.pid}>"

    @classmethod
    async def open(cls, start: Start, memory_bytes: int) -> "_Link":
        """Start a process. In a thread: to fork a large process takes its time."""
        process, sock = await asyncio.to_thread(start, memory_bytes)
        reader, writer = await asyncio.open_connection(sock=sock)
        return cls(process, reader, writer)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._listening.done()

    async def ask(self, comparator: Comparator, legacy: Document, grpc: Document) -> Comparison:
        """Have a pair compared. Raises `OSError`, `EOFError` or `ValueError` when it cannot be."""
        self._number = number = self._number + 1
        future: asyncio.Future[Comparison] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._tell(comparator)
            self._writer.write(request_frame(Job(number, id(comparator), legacy, grpc)))
            await self._writer.drain()
            return await future
        finally:
            del self._asked[number]

    def _tell(self, comparator: Comparator) -> None:
        """Tell of a comparator that the helper does not know; the oldest makes room for it."""
        key, known = id(comparator), self._known
        if key in known:
            known.move_to_end(key)
            return
        self._writer.write(request_frame(definition_of(comparator, key)))
        # It is held on to, so that no other one can get its identity.
        known[key] = comparator
        if len(known) > MAX_COMPARATORS:
            self._writer.write(request_frame(Forget(known.popitem(last=False)[0])))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand replies to those who wait; a job whose asker has left is answered all the same."""
        error: Exception = EOFError("the helper process has ended")
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(HEADER_BYTES), "big")
                if size > MAX_REPLY_BYTES:
                    raise ValueError(f"the helper answers with {size} bytes")
                number, comparison = read_reply(await reader.readexactly(size))
                future = self._asked.get(number)
                if future is not None and not future.done():
                    future.set_result(comparison)
        except (OSError, ValueError) as failure:
            error = failure
        except EOFError:
            pass
        finally:
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(error)

    async def close(self) -> None:
        """End the process, and wait until it has."""
        self.process.kill()
        self._writer.close()
        self._listening.cancel()
        await asyncio.wait({self._listening})
        await asyncio.to_thread(self.process.wait)
