"""Tallies of several processes in one directory, so that any of them can tell them all as one.

Belongs here: their files. Does not: what is in them (`tally`).

Every process writes a file of its own, replaced as a whole. What a dead process has counted stays:
its parent adds its last tally to that of the retired and removes the file. A counter therefore
never falls, as long as a number is written before it is shown.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import structlog

from proxy.telemetry.tally import Tally

_log: Final = structlog.get_logger("proxy.telemetry")

_SUFFIX: Final = ".tally"
_RETIRED: Final = "retired"
#: Names that the tally of the retired remembers, so that who has read the file of one of them
#: just before does not count it twice. A reader takes milliseconds; so many workers do not die in
#: that time.
_MAX_NAMES: Final = 64


class SharedTallies:
    """The tallies in *directory*, one of which is written here, under *name*."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._well = True

    def __repr__(self) -> str:
        return f"SharedTallies({str(self._directory)!r}, {self._name!r})"

    def write(self, tally: Tally) -> None:
        """Show *tally* to the others.

        A full disk is told once in the log: the others go on with what was written before.
        """
        try:
            _replace(tally_path(self._directory, self._name), tally.dump())
        except OSError as error:
            if self._well:
                _log.error("metrics cannot be shared among workers", error=str(error))
            self._well = False
        else:
            self._well = True

    def others(self) -> Iterator[Tally]:
        """What the others have written, each once, the retired among them."""
        # The retired last: a file that vanishes meanwhile is in there by then.
        found = dict(self._written())
        retired, names = _retired(self._directory)
        yield from (tally for name, tally in found.items() if name not in names)
        yield retired

    def _written(self) -> Iterator[tuple[str, Tally]]:
        for name in written_names(self._directory):
            tally = None if name == self._name else _read(tally_path(self._directory, name))
            if tally is not None:
                yield name, tally


def tally_path(directory: Path, name: str) -> Path:
    """Where the tally of that name is written."""
    return directory / f"{name}{_SUFFIX}"


def written_names(directory: Path) -> list[str]:
    """The names under which tallies are written in *directory*."""
    return sorted(path.stem for path in directory.glob(f"*{_SUFFIX}"))


def retire(directory: Path, name: str) -> None:
    """Keep what a process has counted that has ended, under *name*, and remove its file.

    For one process only, the parent of the others. Raises OSError when the disk is full: the
    file then stays, and nothing is lost.
    """
    path = tally_path(directory, name)
    tally = _read(path)
    if tally is not None:
        retired, names = _retired(directory)
        retired.merge(tally.of_the_past())
        kept = [*names, name][-_MAX_NAMES:]
        _replace(directory / _RETIRED, orjson.dumps(kept) + b"\n" + retired.dump())
    path.unlink(missing_ok=True)


def _retired(directory: Path) -> tuple[Tally, list[str]]:
    """What the retired have counted, and the names of the last of them."""
    path = directory / _RETIRED
    try:
        names, _, dumped = path.read_bytes().partition(b"\n")
        return Tally.load(dumped), orjson.loads(names)
    except FileNotFoundError:
        return Tally(), []
    except ValueError as error:
        _tell_unreadable(path, error)
        return Tally(), []


def _read(path: Path) -> Tally | None:
    """What is in a file; None when it is gone or cannot be read."""
    try:
        return Tally.load(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        _tell_unreadable(path, error)
        return None


def _tell_unreadable(path: Path, error: ValueError) -> None:
    """Say that another version of this code has written what this one does not know."""
    _log.warning("metrics of another worker cannot be read", file=str(path), error=str(error))


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new, and a killed writer leaves the old.

    No fsync: it need not outlive the machine.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)
