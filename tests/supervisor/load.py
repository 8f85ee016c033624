"""Clients that ask without end, and count what a client would notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.wire import Client, request

GET = request("GET", "/v1/items/1")
GET_AND_CLOSE = request("GET", "/v1/items/1", "Connection: close")


class Load:
    """Clients of *url*: *failures* has what was no answer of 200, *answered* counts the rest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answered = 0
        self.failures: list[str] = []
        self.ending = False

    async def keep_alive(self) -> None:
        """Ask on one connection for as long as the other end lets it stand."""
        while not self.ending:
            client = await Client.to(self._url)
            try:
                while not self.ending and await self._ask(client, GET):
                    continue
            finally:
                await client.close()

    async def close(self) -> None:
        """Ask on a new connection each time."""
        while not self.ending:
            client = await Client.to(self._url)
            try:
                await self._ask(client, GET_AND_CLOSE)
            finally:
                await client.close()

    async def _ask(self, client: Client, sent: bytes) -> bool:
        """Ask once; whether the connection stands."""
        try:
            reply = await client.ask(sent)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.failures.append(repr(error))
            return False
        if reply.status == 200:
            self.answered += 1
        else:
            self.failures.append(str(reply.status))
        return not reply.closes


@asynccontextmanager
async def load_on(url: str, *, keep_alive: int = 4, close: int = 2) -> AsyncIterator[Load]:
    """That many clients of either kind, until the end; then all of them have their last answer."""
    load = Load(url)
    async with asyncio.TaskGroup() as group:
        for _ in range(keep_alive):
            group.create_task(load.keep_alive())
        for _ in range(close):
            group.create_task(load.close())
        try:
            yield load
        finally:
            load.ending = True


def ports_of_clients(pid: int, port: int) -> set[int]:
    """The ports of the clients whose connections to *port* the process *pid* has accepted."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(descriptor.readlink().name)
        except FileNotFoundError:
            continue
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, _, _, _, _, _, inode, *_ = line.split()
        if int(local.split(":")[1], 16) == port and f"socket:[{inode}]" in sockets:
            found.add(int(remote.split(":")[1], 16))
    return found - {0}
