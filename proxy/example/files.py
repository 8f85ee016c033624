"""Where the example's files are. Only paths; nobody reads a file here."""

from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).parent


def folder(name: Literal["proto", "mappings"], package: Path = PACKAGE) -> Path:
    """Find a folder of the example: in the installed package, or at the top of a checkout.

    *package* is the folder of this package. Raises FileNotFoundError when neither has it.

    >>> sorted(path.name for path in folder("proto").iterdir())
    ['dns', 'hello.proto']
    """
    for candidate in (package / name, package.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the example's folder {name!r} is neither in {package} nor above it")
