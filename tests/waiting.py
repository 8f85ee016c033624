"""Waiting for what nobody announces."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until *condition* holds; a test that hangs here is one that fails."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(lambda: None))])
