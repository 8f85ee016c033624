"""What a parent leaves to the program that replaces it: the new version of itself.

Belongs here: the form of it in the environment, and the step itself. A later version of this code
reads what this one writes: change the form only by adding to it, or count `FORM` up and read both.
"""

import os
from collections.abc import MutableMapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Protocol

import orjson
import structlog

from proxy.supervisor.signals import held_back

_log: Final = structlog.get_logger("proxy.supervisor")

VARIABLE: Final = "CUTOVER_HANDOVER"
FORM: Final = 1


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker that goes on serving.

    *descriptor* is the parent's end of its channel, *rest* what was read of an unfinished message.
    *due_s* is when it is killed unless it has come further: the monotonic clock is the system's,
    and goes on over an `exec`.
    """

    slot: int
    serial: int
    pid: int
    descriptor: int
    rest: str
    ready: bool
    leaving: bool
    due_s: float | None


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything the new program needs to know. *restarts* are the counts so far, by reason."""

    listening: int
    admin_listening: int
    runtime: str
    serial: int
    restarts: dict[str, int]
    workers: tuple[WorkerLeft, ...]

    def leave(self, environ: MutableMapping[str, str]) -> None:
        """Write it down for the program that is executed next, in this same process."""
        value = {"form": FORM, "pid": os.getpid(), **asdict(self)}
        environ[VARIABLE] = orjson.dumps(value).decode()

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "Handover | None":
        """What was left for this process, once; None when it starts afresh.

        Raises ValueError for a form that this version does not know.
        """
        written = environ.pop(VARIABLE, None)
        value = None if written is None else orjson.loads(written)
        # A child that inherited the variable is not the process it is meant for.
        if value is None or value.pop("pid") != os.getpid():
            return None
        if value.pop("form") != FORM:
            raise ValueError("the version before this one left its workers in an unknown form")
        workers = tuple(WorkerLeft(**each) for each in value.pop("workers"))
        return cls(**value, workers=workers)


class Inheritable(Protocol):
    """Something with a descriptor that can outlive an `exec`."""

    def set_inheritable(self, inheritable: bool, /) -> None:
        """Whether it does."""
        ...


def replace_program(
    command: tuple[str, ...], handover: Handover, kept: Sequence[Inheritable]
) -> None:
    """Execute *command* in this process, with what is *kept* open; returns only when that fails.

    Signals wait meanwhile, until the new program has its handlers.
    """
    _log.info("replacing the program", command=list(command))
    with held_back():
        _set_inheritable(kept, True)
        handover.leave(os.environ)
        try:
            os.execv(command[0], command)  # noqa: S606 - this very program, as it was started
        except OSError as error:
            os.environ.pop(VARIABLE)
            _set_inheritable(kept, False)
            _log.error("nothing is replaced: the program cannot be run", error=str(error))


def _set_inheritable(kept: Sequence[Inheritable], inheritable: bool) -> None:
    for each in kept:
        each.set_inheritable(inheritable)
