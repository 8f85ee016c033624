"""A gRPC server in a process of its own, to be stopped or killed: prints its port, then serves.

Arguments: the port, 0 for any; the address to listen on.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

from tests.fakes import Served
from tests.upstreams.servers import grpc_server


async def echo(served: Served) -> AsyncIterator[bytes]:
    yield served.message


async def hang(served: Served) -> AsyncIterator[bytes]:
    yield served.message
    await asyncio.Event().wait()


async def main() -> None:
    wanted, host = int(sys.argv[1]), sys.argv[2]
    handlers = {"/t.T/echo": echo, "/t.T/hang": hang}
    async with grpc_server(handlers, port=wanted, host=host) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
