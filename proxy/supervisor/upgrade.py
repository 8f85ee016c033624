"""Trying what is on disk before it replaces what runs.

Belongs here: the process that tries, and what follows from how it ends. Does not: the replacing
(`handover`).
"""

import math
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from proxy.supervisor.signals import TAKEN
from proxy.supervisor.worker import in_words

_log: Final = structlog.get_logger("proxy.supervisor")

#: Seconds that it may take to load the code and the folder; twice what a worker has would be more
#: than anybody waits for.
TRY_LIMIT_S: Final = 120.0
#: Bytes of what it said that are told: enough for the problems of a folder, or a traceback.
_MAX_OUTPUT_BYTES: Final = 16 << 10


class Trial:
    """A process that runs *command*, and says by its exit code whether all is well.

    Of what it writes the end is kept, in *output*. Raises OSError when it cannot be started.
    """

    def __init__(self, command: Sequence[str], output: Path, now_s: float) -> None:
        self._output = output
        self.due_s = now_s + TRY_LIMIT_S
        into = (os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.pid = os.posix_spawn(
            command[0],
            list(command),
            os.environ,
            file_actions=[into, (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsigdef=TAKEN,
        )

    def __repr__(self) -> str:
        return f"<Trial pid={self.pid}>"

    def lines(self) -> list[str]:
        """What it has said."""
        try:
            text = self._output.read_bytes()[-_MAX_OUTPUT_BYTES:]
        except OSError as error:
            return [str(error)]
        return text.decode(errors="replace").splitlines()

    def kill(self) -> None:
        """End it at once."""
        self.due_s = math.inf
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Upgrade:
    """Tries *command* when it is asked to, and calls *replace* when that ends well.

    While *is_busy* what was asked for waits.
    """

    def __init__(
        self,
        command: Sequence[str],
        output: Path,
        *,
        is_busy: Callable[[], bool],
        replace: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._command = command
        self._output = output
        self._is_busy = is_busy
        self._replace = replace
        self._clock = clock
        self._trial: Trial | None = None
        self._wanted = False
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Upgrade {self._trial!r}{' wanted' if self._wanted else ''}>"

    @property
    def due_s(self) -> float | None:
        """When `act` has something to do, if nothing happens before."""
        return None if self._trial is None else self._trial.due_s

    def begin(self) -> None:
        """Try what is on disk, now or when what is under way has ended."""
        self._wanted = not self._stopped
        if self._trial is not None or self._is_busy():
            _log.info("the rolling restart waits for what is under way")
        self.act()

    def act(self) -> None:
        """Do what is due."""
        if self._trial is not None:
            if self._trial.due_s <= self._clock():
                self._trial.kill()
        elif self._wanted and not self._is_busy():
            self._wanted = False
            self._try()

    def stop(self) -> None:
        """Try nothing more."""
        self._stopped, self._wanted = True, False
        if self._trial is not None:
            self._trial.kill()

    def close(self) -> None:
        """Try nothing more, and leave no process behind: one that tries is killed, and ends."""
        self.stop()
        trial, self._trial = self._trial, None
        if trial is not None:
            with suppress(ChildProcessError):
                os.waitpid(trial.pid, 0)

    def has_ended(self, pid: int, code: int) -> None:
        """A process has ended, perhaps the one that tried."""
        trial = self._trial
        if trial is None or pid != trial.pid:
            return
        self._trial = None
        if self._stopped:
            return
        if code:
            _log.error(
                "nothing is replaced: what is on disk cannot be served",
                how=in_words(code),
                problems=trial.lines(),
            )
            return
        self._replace()

    def _try(self) -> None:
        try:
            self._trial = Trial(self._command, self._output, self._clock())
        except OSError as error:
            _log.error("nothing is replaced: it cannot be tried", error=str(error))
