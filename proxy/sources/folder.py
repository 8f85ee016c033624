"""The configuration folder: its YAML files, read as text.

Belongs here: which files count and reading them. Does not: what they say (`config`).
"""

from pathlib import Path
from typing import Final

from proxy.config.source import SourceText
from proxy.errors import ConfigError, Place, Problem

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
#: Bytes of one file; a Kubernetes ConfigMap, which holds them all, ends at 1 MiB.
MAX_FILE_BYTES: Final = 4 * 1024 * 1024


def read_folder(folder: Path) -> tuple[SourceText, ...]:
    """Read the folder's YAML files in the order of their names; subfolders do not count.

    Hidden names are left out: Kubernetes keeps the versions of a mounted ConfigMap there. Raises
    `ConfigError` naming every file that cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if _counts(path))
    except OSError as error:
        problem = Problem(Place(str(folder)), f"cannot be read as a folder: {error.strerror}")
        raise ConfigError([problem]) from error
    if not paths:
        raise ConfigError([Problem(Place(str(folder)), "has no .yaml file")])
    read = [_read(path) for path in paths]
    problems = [item for item in read if isinstance(item, Problem)]
    if problems:
        raise ConfigError(problems)
    return tuple(item for item in read if isinstance(item, SourceText))


def _counts(path: Path) -> bool:
    return path.suffix in _SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _read(path: Path) -> SourceText | Problem:
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except OSError as error:
        return Problem(place, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return Problem(place, f"is not UTF-8 text: byte {error.start + 1} is wrong")
    if len(data) > MAX_FILE_BYTES:
        return Problem(place, f"has more than {MAX_FILE_BYTES} bytes")
    return SourceText(str(path), text)
