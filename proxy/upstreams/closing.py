"""What upstreams and their answers have in common at their end.

Belongs here: closing by `async with`, waiting for the last call. Does not: what closing does.
"""

import asyncio
from types import TracebackType
from typing import Self


class Closing:
    """Closed at the end of `async with`."""

    __slots__ = ()

    async def close(self) -> None:
        """Give up what is held."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def until_idle(idle: asyncio.Event, timeout_s: float, *, is_idle: bool) -> bool:
    """Wait until *idle* is set, unless all is quiet already; False when that takes too long."""
    if is_idle:
        return True
    try:
        async with asyncio.timeout(timeout_s):
            await idle.wait()
    except TimeoutError:
        return False
    return True
