"""What upstreams and their answers have in common at their end.

Belongs here: closing by `async with`. Does not: what closing does.
"""

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
