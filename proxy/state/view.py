"""What one process knows of the state, and whether that has moved.

Belongs here: the last good reading. Does not: what follows from it (`exchange`).
"""

from dataclasses import replace

from proxy.cutover.overrides import Overrides
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError


class StateView:
    """The state of *directory* as this process last read it.

    Raises StateError when it cannot be read at first. Later the last good reading stays, with
    *problem* saying in words why; only the kill switch is still read then, since it is a file of
    its own. A state that lies before the one that was read is no good reading: somebody has
    taken the files away, and routes that were rolled back must not go on because of that.
    """

    __slots__ = ("_directory", "_epoch", "_kill", "_was_killed", "overrides", "problem")

    def __init__(self, directory: StateDirectory) -> None:
        self._directory = directory
        self._kill = directory.kill
        self.problem: str | None = None
        try:
            self._epoch = directory.epoch()
        except OSError as error:
            raise StateError(f"the state directory cannot be used: {error}") from error
        self._was_killed = self._kill.exists
        self.overrides = directory.read()

    def __repr__(self) -> str:
        return f"<StateView revision={self.overrides.revision} problem={self.problem!r}>"

    @property
    def moved(self) -> bool:
        """Whether `refresh` has something to read; asked for every request.

        It costs one read of shared memory, and one system call (under a microsecond) for the
        file of the kill switch: one that is made by hand counts for the next request, too.
        """
        return self._epoch.moved or self._kill.exists is not self._was_killed

    def refresh(self) -> bool:
        """Read again. Whether something is different now.

        It blocks for one small file, some 100 µs. Call it when something moved; and about once
        a second besides, which finds a directory that was taken away.
        """
        before = self.overrides
        self._epoch.see()
        self._was_killed = self._kill.exists
        try:
            self._directory.check_place()
            self.overrides = replace(before, kill=self._kill.read())
            self._take(self._directory.read())
        except StateError as error:
            self.problem = str(error)
        return self.overrides != before

    def _take(self, found: Overrides) -> None:
        if found.revision < self.overrides.revision:
            known = self.overrides.revision
            raise StateError(
                f"{self._directory.path} is at revision {found.revision}, but was at {known}:"
                " start the service anew to take it as it is"
            )
        self.overrides, self.problem = found, None
