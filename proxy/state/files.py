"""Files that survive a crash at any moment, and memory that processes share.

Belongs here: writing whole or not at all, mapping. Does not: what is in the files.
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

#: Nobody but the user of the service: reasons and names are in the files.
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of *path*, made if *flags* say so, which belongs to the directory's owner.

    A command of root must not leave files that the service, another user, cannot read.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        if flags & os.O_CREAT and os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of *content*, through to the disk. Raises OSError."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Let *path* hold *content*, or what it did before; never anything between.

    Only for one writer at a time: all use one temporary file. Raises OSError, with *path* as it
    was. The name is certain to survive a crash of the host after `sync_directory`.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        with opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
            write_all(descriptor, content)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Let the names in the directory *path* survive a crash of the host. Raises OSError."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def mapped(path: Path, size: int) -> memoryview:
    """Memory of *size* bytes that every process shares which maps *path*; zeros at first.

    Raises OSError, and for a longer file as well: it is somebody else's. The file must not be
    truncated while it is mapped: reading beyond its end would end the process (SIGBUS). Its disk
    blocks are taken at once, so that a full disk does not do the same.
    """
    with opened(path, os.O_RDWR | os.O_CREAT) as descriptor:
        if os.fstat(descriptor).st_size > size:
            raise OSError(f"{path} is longer than {size} bytes")
        os.posix_fallocate(descriptor, 0, size)
        return memoryview(mmap.mmap(descriptor, size))
