"""Processes of ours that work for a parent: starting one, and the frames between the two.

Belongs here: what all of them have in common. Does not: what they do (`programs`, `shadow`).

A frame is its length in four bytes, big-endian, and that many bytes.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import BinaryIO, Final

#: Bytes of a frame's length.
HEADER_BYTES: Final = 4

#: What of the environment an interpreter goes by, and what begins so. The rest is not passed on:
#: secrets of the configuration are in it, and a child reads what strangers sent.
_PASSED: Final = frozenset(
    {"HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "TZ", "VIRTUAL_ENV"}
)
_PASSED_PREFIXES: Final = ("COVERAGE_PROCESS_", "LC_", "PYTHON")


def environment_of(environ: Mapping[str, str]) -> dict[str, str]:
    """What of *environ* a child gets.

    >>> environment_of({"PATH": "/bin", "PYTHONPATH": "/app", "EVIDENCE_URL": "postgres://…"})
    {'PATH': '/bin', 'PYTHONPATH': '/app'}
    """
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }


def start_module(module: str, *arguments: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a module of ours; gives the process and our end of the socket that it reads and writes.

    Raises `OSError`. To fork a large process takes its time: call it in a thread.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            # Without the folder that we happen to be in among the places of modules.
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env=environment_of(os.environ),
            )
        except BaseException:
            ours.close()
            raise
    return process, ours


def framed(content: bytes) -> bytes:
    """*content* as a frame."""
    return len(content).to_bytes(HEADER_BYTES, "big") + content


def read_frame(source: BinaryIO) -> bytes | None:
    """The next frame of a blocking stream, None at its end."""
    header = source.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    return source.read(int.from_bytes(header, "big"))
