"""The key of the hashes, made once and shared by all processes of a service.

Belongs here: the file. Does not: hashing (`gate.redaction`).
"""

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Final

from proxy.evidence.errors import EvidenceError

KEY_BYTES: Final = 32
#: A longer file is no key; it is not read further.
_MOST_BYTES: Final = 64 << 10


def load_key(path: Path) -> bytes:
    """The 32 bytes that the hashes of a service are keyed with; the file *path* is made if missing.

    Whichever of several processes is first makes it, for its owner alone. Not for a file that
    somebody named: that is `read_key`'s. Raises EvidenceError.
    """
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise EvidenceError(f"the key of the evidence cannot be made: {error}") from error
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The 32 bytes that the hashes of a service are keyed with, from a file that is there.

    It holds at least 32 bytes, of any form; one of just 32 is the key itself. Replicas with one
    store need one key, else the same client is several to them: so none is made in the place of
    one that is missing. Raises EvidenceError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        # No path can hold a NUL: that is a ValueError.
        why = getattr(error, "strerror", None) or error
        raise EvidenceError(f"cannot read {path}: {why}") from error
    if not KEY_BYTES <= len(content) <= _MOST_BYTES:
        raise EvidenceError(f"{path} is no key: {KEY_BYTES} to {_MOST_BYTES} bytes are one")
    return content if len(content) == KEY_BYTES else _digest(content)


def _make(path: Path) -> None:
    """Make the file whole or not at all; another process that was faster has made it."""
    temporary = path.with_name(f"{path.name}.{token_hex(4)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.write(descriptor, token_bytes(KEY_BYTES))
        os.fsync(descriptor)
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=KEY_BYTES, person=b"cutover-key").digest()
