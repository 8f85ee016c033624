"""The example's .proto files as message classes, compiled when a server starts.

Nothing generated is stored, and nothing is written: protoc sends the descriptors down a pipe, so
that this works on a read-only file system too.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

#: protoc takes a fraction of a second; a machine that needs more than this is stuck.
COMPILE_TIMEOUT_S: Final = 60

_SERVER_FILES: Final = (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)


class Schema:
    """A private pool of descriptors, and the message classes of its types."""

    def __init__(self, descriptor_set: bytes) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        self._file_names: list[str] = []
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
            self.pool.Add(file)
            self._file_names.append(file.name)
        for known in _SERVER_FILES:
            self.pool.AddSerializedFile(known.serialized_pb)

    def __repr__(self) -> str:
        return f"<Schema: {len(self._file_names)} files>"

    def message(self, full_name: str) -> Any:
        """The class of a message type. Its fields are not known to type checkers, hence Any."""
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full_name))

    def service(self, full_name: str) -> ServiceDescriptor:
        """The descriptor of a service."""
        return self.pool.FindServiceByName(full_name)


def compile_folder(proto_folder: Path) -> bytes:
    """Compile every .proto below *proto_folder* to a `FileDescriptorSet`, imports included.

    Raises RuntimeError with what protoc said when a file is wrong. Takes a part of a second and
    blocks: call it in a thread.
    """
    names = sorted(
        path.relative_to(proto_folder).as_posix() for path in proto_folder.rglob("*.proto")
    )
    command = [sys.executable, "-m", "grpc_tools.protoc", *_include_options(proto_folder)]
    command += ["--include_imports", "--descriptor_set_out=/dev/stdout", *names]
    done = subprocess.run(  # noqa: S603 - our own interpreter, and file names from a folder we ship
        command, capture_output=True, check=False, timeout=COMPILE_TIMEOUT_S
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def _include_options(proto_folder: Path) -> list[str]:
    folders = [proto_folder, *_installed_folders()]
    return [f"--proto_path={folder}" for folder in folders]


def _installed_folders() -> list[Path]:
    """Where googleapis-common-protos keeps `google/api`; protoc finds `google/protobuf` itself."""
    found = find_spec("google.api")
    places = [] if found is None else found.submodule_search_locations or []
    return [Path(place).parents[1] for place in places]
