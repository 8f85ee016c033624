"""The runtime directory: what the processes of one service share while it runs.

Belongs here: where it is, and the names in it. It holds nothing that outlives the service.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.telemetry.shared import tally_path, written_names

#: In memory, there on every Linux, and writable where the root file system is read-only: metrics
#: are written to it every second, and a disk that is slow must not slow the loop.
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only as the parent of a private directory
_PREFIX: Final = "cutover-"

_WORKER: Final = "worker-"


def tally_name(serial: int) -> str:
    """The name under which a worker shares its metrics."""
    return f"{_WORKER}{serial}"


class RuntimeDirectory:
    """A private directory, made by the parent and removed by it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"RuntimeDirectory({str(self.path)!r})"

    @classmethod
    def make(cls, places: Iterable[Path] = (_IN_MEMORY,)) -> "RuntimeDirectory":
        """A new directory in the first of *places* that can be written to.

        Or else where temporary files go. Raises OSError when that is nowhere.
        """
        for place in places:
            try:
                return cls(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)))
            except OSError:
                continue
        return cls(Path(tempfile.mkdtemp(prefix=_PREFIX)))

    def restore(self) -> None:
        """Make it anew if somebody has removed it: systemd does, when a user logs out for good.

        Raises OSError when that cannot be.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)

    @property
    def log_lock(self) -> Path:
        """The file that who writes to the access log holds a lock on."""
        return self.path / "access-log.lock"

    def remove(self) -> None:
        """Remove it with all that is in it; what cannot be removed stays."""
        shutil.rmtree(self.path, ignore_errors=True)

    def abandon(self, tally_name: str) -> None:
        """Leave it as a worker whose parent is gone; the last of them removes it."""
        tally_path(self.path, tally_name).unlink(missing_ok=True)
        if not any(name.startswith(_WORKER) for name in written_names(self.path)):
            self.remove()
