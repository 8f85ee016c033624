"""The bench's own Go programs, built on first use. Nothing that is built is committed."""

import shutil
import subprocess
from pathlib import Path

from bench.figures import Unavailable


def go_program(source: Path, binary: Path) -> str:
    """Build the program in the folder *source* into *binary*; returns the path of the toolchain.

    Raises `Unavailable` without one, and when the program does not build: an older toolchain, or
    no way to the modules.
    """
    go = shutil.which("go")
    if go is None:
        raise Unavailable(f"the {source.name} needs a Go toolchain")
    built = subprocess.run(
        [go, "build", "-trimpath", "-o", str(binary), "."],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        raise Unavailable(f"the Go {source.name} does not build: {built.stderr.strip()}")
    return go
