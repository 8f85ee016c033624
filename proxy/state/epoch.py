"""A counter that all processes of a state directory see, and that costs one read of memory.

Belongs here: telling that something changed. Does not: what did (`directory`).
"""

from pathlib import Path
from typing import Final

from proxy.state.files import mapped

_BYTES: Final = 8
_MASK: Final = (1 << 64) - 1


class Epoch:
    """Eight bytes of memory that are shared; one reader's view of them.

    The word is aligned, so that no process ever sees half of a change.
    """

    __slots__ = ("_inode", "_path", "_seen", "_word")

    def __init__(self, path: Path) -> None:
        self._word = mapped(path, _BYTES).cast("Q")
        self._path = path
        self._inode = path.stat().st_ino
        self._seen = self._word[0]

    def __repr__(self) -> str:
        return f"<Epoch {self._word[0]} seen={self._seen}>"

    @property
    def moved(self) -> bool:
        """Whether something changed since `see`; about 100 ns."""
        return self._word[0] != self._seen

    def see(self) -> None:
        """Take note of all changes so far. Call it *before* reading what changed."""
        self._seen = self._word[0]

    def bump(self) -> None:
        """Announce a change, after it was made, with the lock of the directory held."""
        self._word[0] = (self._word[0] + 1) & _MASK

    @property
    def is_ours(self) -> bool:
        """Whether the file is still the one that is mapped, not one that took its place."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False
