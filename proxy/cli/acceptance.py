"""The folder that an operator has accepted for what it takes from clients.

Belongs here: keeping its fingerprint where every process of a service finds it. Does not: what
else is kept there (`state`).

One process is told to force a reload; the others, which refused the same folder, must follow.
"""

import os
from pathlib import Path
from typing import Final

_NAME: Final = "accepted"


class Acceptance:
    """The fingerprint of the accepted folder, in *directory*; without one, for this process only.

    It is read often and changes hardly ever: a file of some sixty bytes.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._path = None if directory is None else directory / _NAME
        self._own = ""

    def __repr__(self) -> str:
        return f"<Acceptance in {self._path or 'memory'}>"

    def read(self) -> str:
        """The fingerprint, "" when nothing was accepted. Blocks for a small file."""
        if self._path is None:
            return self._own
        try:
            return self._path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return ""

    def write(self, fingerprint: str) -> None:
        """Accept a folder, whole or not at all. Blocks; raises `OSError` when it cannot be kept."""
        self._own = fingerprint
        if self._path is None:
            return
        fresh = self._path.with_name(f".{_NAME}.{os.getpid()}")
        fresh.write_text(f"{fingerprint}\n", encoding="ascii")
        fresh.replace(self._path)
