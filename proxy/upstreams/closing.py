"""What upstreams and their answers have in common at their end.

Belongs here: closing by `async with`, waiting for the last call. Does not: what closing does.
"""

import asyncio
from collections.abc import Callable
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


async def until_idle(idle: asyncio.Event, is_idle: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until *is_idle*, which *idle* announces; False when that takes longer than *timeout_s*.

    Asked again after each announcement: something may have begun since.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while not is_idle():
                idle.clear()
                await idle.wait()
    except TimeoutError:
        return False
    return True
