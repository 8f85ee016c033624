"""The helper process as its parent sees it: started on first use, replaced when it breaks.

Belongs here: its life, and one job done by it. Does not: which comparisons it gets (`comparing`).

What the helper cannot do is not done: a pair on which it ends, or takes too long, is
`not_comparable{helper}`, and costs the service nothing but the start of another one.
"""

import asyncio
import socket
import subprocess
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final
from weakref import ref

import structlog

from proxy.children import HEADER_BYTES, start_module
from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document, Obstacle
from proxy.shadow.helper_frames import (
    MAX_REPLY_BYTES,
    BuildDefinition,
    BuildJob,
    Built,
    Definition,
    Forget,
    Job,
    RenderDefinition,
    Rendered,
    RenderJob,
    Reply,
    build_definition_of,
    definition_of,
    read_reply,
    render_definition_of,
    request_frame,
)
from proxy.transcoding.protojson.codec import Values
from proxy.transcoding.request import RequestBuilder
from proxy.transcoding.response import ResponseRenderer

_log: Final = structlog.get_logger("proxy.shadow")

#: Comparators, renderers and builders that one helper knows at a time: four for each binding whose
#: requests and answers are large.
MAX_TOOLS: Final = 256
#: Helpers that are started within a while: a pair that ends one may come with every request.
MAX_STARTS: Final = 5
STARTS_WITHIN_S: Final = 60.0

_HELPER: Final = Comparison(obstacle=Obstacle.HELPER)

#: What a job is done with, and what makes one of its number and its tool's key.
Tool = Comparator | ResponseRenderer | RequestBuilder
MakeJob = Callable[[int, int], Job | RenderJob | BuildJob]


def start_process(memory_bytes: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a helper; gives it and our end of the socket that is its input and output."""
    return start_module("proxy.shadow.helper_process", str(memory_bytes))


Start = Callable[[int], tuple[subprocess.Popen[bytes], socket.socket]]


class Helper:
    """Does what is large for mirrors in a process of its own, one job after the other.

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
        reply = await self._asked(comparator, lambda number, key: Job(number, key, legacy, grpc))
        return reply if isinstance(reply, Comparison) else _HELPER

    async def render(
        self, renderer: ResponseRenderer, wire: bytes, values: Values | None = None
    ) -> Rendered | None:
        """What *renderer* makes of a message and *values*; None when the helper cannot say."""
        reply = await self._asked(
            renderer, lambda number, key: RenderJob(number, key, wire, values)
        )
        return reply if isinstance(reply, Rendered) else None

    async def build(
        self,
        builder: RequestBuilder,
        captures: tuple[str, ...],
        query: str,
        body: bytes,
        content_type: str | None,
    ) -> Built | None:
        """What *builder* makes of a request; None when the helper cannot say."""
        request = captures, query, body, content_type
        reply = await self._asked(builder, lambda number, key: BuildJob(number, key, *request))
        return reply if isinstance(reply, Built) else None

    async def _asked(self, tool: Tool, job: MakeJob) -> Reply | None:
        """The reply to a job that needs *tool*, in its turn; None without one."""
        if self._is_closed or self.jobs >= self._max_jobs:
            return None
        self.jobs += 1
        try:
            async with self._turn:
                return await self._ask(tool, job)
        finally:
            self.jobs -= 1

    async def _ask(self, tool: Tool, job: MakeJob) -> Reply | None:
        link = await self._linked()
        if link is None:
            return None
        try:
            async with asyncio.timeout(self._deadline_s):
                return await link.ask(tool, job)
        except TimeoutError:
            _log.warning("the helper process took too long", deadline_s=self._deadline_s)
        except (OSError, ValueError, EOFError) as error:
            _log.warning("the helper process ended", error=repr(error))
        await self._drop(link)
        return None

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
        self._known: OrderedDict[int, ref[Tool]] = OrderedDict()
        self._asked: dict[int, asyncio.Future[Reply]] = {}
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

    async def ask(self, tool: Tool, job: MakeJob) -> Reply:
        """Have a job done. Raises `OSError`, `EOFError` or `ValueError` when it cannot be."""
        self._number = number = self._number + 1
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._tell(tool)
            self._writer.write(request_frame(job(number, id(tool))))
            await self._writer.drain()
            return await future
        finally:
            del self._asked[number]

    def _tell(self, tool: Tool) -> None:
        """Tell of a tool that the helper does not know; the oldest makes room for it."""
        key, known = id(tool), self._known
        if key in known and known[key]() is tool:
            known.move_to_end(key)
            return
        self._writer.write(request_frame(_told_of(tool, key)))
        # Not held on to: it would keep the schema of a configuration that has been replaced.
        known[key] = ref(tool)
        if len(known) > MAX_TOOLS:
            self._writer.write(request_frame(Forget(known.popitem(last=False)[0])))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Hand replies to those who wait; a job whose asker has left is answered all the same."""
        error: Exception = EOFError("the helper process has ended")
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(HEADER_BYTES), "big")
                if size > MAX_REPLY_BYTES:
                    raise ValueError(f"the helper answers with {size} bytes")
                number, reply = read_reply(await reader.readexactly(size))
                future = self._asked.get(number)
                if future is not None and not future.done():
                    future.set_result(reply)
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


def _told_of(tool: Tool, key: int) -> Definition | RenderDefinition | BuildDefinition:
    """What the helper is told of a tool."""
    if isinstance(tool, Comparator):
        return definition_of(tool, key)
    if isinstance(tool, RequestBuilder):
        return build_definition_of(tool, key)
    return render_definition_of(tool, key)
