"""A file that holds a `FileDescriptorSet`: of protoc, of `buf build`.

Belongs here: reading such a file. Does not: whether its files fit together
(`transcoding.descriptors`).
"""

from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from proxy.errors import ConfigError, Place, Problem
from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.library import is_library_file

#: Bytes of one file. All of Google's public APIs together are below a quarter of it.
MAX_BYTES: Final = 256 * 1024 * 1024

_HOW_TO: Final = "; make it with protoc --include_imports --descriptor_set_out, or buf build"


def read_descriptor_set(path: Path, shown: str, place: Place) -> list[DescriptorFile]:
    """Read the files of the set at *path*. Blocks.

    *shown* is its name for people, *place* is where the configuration names it. Google's shared
    files in it count as imports. Raises `ConfigError`.
    """
    files = _parse(_read(path, shown, place), shown, place).file
    if not files or not all(file.name for file in files):
        raise _refused(place, f"{shown} holds no file descriptors{_HOW_TO}")
    return [DescriptorFile(file, shown, is_library_file(file.name)) for file in files]


def _read(path: Path, shown: str, place: Place) -> bytes:
    try:
        if path.stat().st_size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        raise _refused(place, f"cannot read {shown}: {error.strerror}") from error
    raise _refused(place, f"{shown} has more than {MAX_BYTES} bytes")


def _parse(data: bytes, shown: str, place: Place) -> FileDescriptorSet:
    try:
        return FileDescriptorSet.FromString(data)
    except DecodeError as error:
        message = f"{shown} is not a FileDescriptorSet, or is cut short{_HOW_TO}"
        raise _refused(place, message) from error


def _refused(place: Place, message: str) -> ConfigError:
    return ConfigError([Problem(place, message)])
