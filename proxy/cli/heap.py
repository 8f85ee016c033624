"""The garbage collector over snapshots that come and go.

Belongs here: when it may look at what. Does not: the start of the process (`cli.running`), where
the heap is frozen first.

A snapshot is full of cycles, since every message class is one, so only the collector frees it; and
to look through a new one, or through the whole process, takes tens of milliseconds in which nothing
else runs. So new ones are taken out of its sight as the first was, and a full collection comes
after some of them.
"""

import gc
from typing import Final

#: Snapshots that may wait for the collector. One of a hundred routes takes a few megabytes.
MAX_UNSWEPT: Final = 8


class Heap:
    """Counts the snapshots that went out of service, and has them collected."""

    def __init__(self) -> None:
        self._unswept = 0

    def __repr__(self) -> str:
        return f"<Heap unswept={self._unswept}>"

    def taken(self) -> None:
        """Note that a snapshot is in use now, for long: where the heap is frozen, it is too."""
        if gc.get_freeze_count():
            gc.freeze()

    def dropped(self) -> None:
        """Note that a snapshot is not used any more."""
        self._unswept += 1
        if self._unswept >= MAX_UNSWEPT:
            self.sweep()

    def sweep(self) -> None:
        """Collect everything now, what was frozen too, and freeze again what is left.

        Pages that forked workers shared until then become their own.
        """
        self._unswept = 0
        was_frozen = gc.get_freeze_count() > 0
        gc.unfreeze()
        gc.collect()
        if was_frozen:
            gc.freeze()
