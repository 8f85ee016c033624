"""The messages of the conformance suite, compiled from the include directory that it ships."""

import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

FILES = (
    "conformance/conformance.proto",
    "google/protobuf/test_messages_proto2.proto",
    "google/protobuf/test_messages_proto3.proto",
    "google/protobuf/test_messages_proto2_editions.proto",
    "google/protobuf/test_messages_proto3_editions.proto",
    "google/protobuf/test_messages_edition2023.proto",
)


def compiled(include: Path, *names: str) -> DescriptorPool:
    """A pool of the named files under *include* and of what they import."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/set.binpb"
        paths = [f"-I{include}", f"-I{well_known}"]
        options = ["--include_imports", f"--descriptor_set_out={out}"]
        status = protoc.main(["protoc", *paths, *options, *names])
        if status:
            raise RuntimeError(f"protoc refused {names}")
        files = FileDescriptorSet.FromString(Path(out).read_bytes())
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool
