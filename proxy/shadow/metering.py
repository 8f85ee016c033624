"""What mirrors cost the event loop: the processor time of each step that they take on it.

Belongs here: measuring it. Does not: how much there is of it (`budget`).
"""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Metered(Coroutine[Any, Any, _Result], Generator[Any, Any, _Result]):
    """*coroutine*, of which *charge* is told the seconds that each step takes, however it ends.

    *cpu_clock* gives the processor seconds of the calling thread. A task that runs this one is
    charged for all that it does itself; tasks that it makes are to be metered on their own.
    """

    __slots__ = ("_charge", "_coroutine", "_cpu_clock")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, _Result],
        charge: Callable[[float], None],
        cpu_clock: Callable[[], float],
    ) -> None:
        self._coroutine = coroutine
        self._charge = charge
        self._cpu_clock = cpu_clock

    def __repr__(self) -> str:
        return f"<Metered {self._coroutine!r}>"

    def send(self, value: Any) -> Any:
        """Take one step. Raises as the coroutine does, `StopIteration` at its end."""
        began_s = self._cpu_clock()
        try:
            return self._coroutine.send(value)
        finally:
            self._charge(self._cpu_clock() - began_s)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        _traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """Take one step that begins with an error."""
        began_s = self._cpu_clock()
        try:
            return self._coroutine.throw(_instance(kind, value))
        finally:
            self._charge(self._cpu_clock() - began_s)

    def close(self) -> None:
        """End the coroutine where it is."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, _Result]:
        """Run it within a coroutine that awaits it: it is charged there, too."""
        return self


def _instance(kind: type[BaseException] | BaseException, value: object) -> BaseException:
    """The error that is thrown by its class and value, or by itself."""
    if isinstance(kind, BaseException):
        return kind
    if isinstance(value, BaseException):
        return value
    return kind() if value is None else kind(value)
