"""Descriptor files out of `.proto` texts, for tests that need descriptors and not the sources."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from proxy.transcoding.declarations import DescriptorFile


def compile_set(texts: Mapping[str, str]) -> FileDescriptorSet:
    """The texts, by file name, with their imports and source info."""
    with TemporaryDirectory() as folder:
        for name, text in texts.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        output = Path(folder, "set.binpb")
        code = protoc.main(
            [
                "protoc",
                f"--proto_path={folder}",
                *(f"--proto_path={path}" for path in include_paths()),
                "--include_imports",
                "--include_source_info",
                f"--descriptor_set_out={output}",
                *texts,
            ]
        )
        assert code == 0
        return FileDescriptorSet.FromString(output.read_bytes())


def include_paths() -> tuple[Path, Path]:
    """Where the sources of `google/api` and `google/protobuf` are."""
    annotations = Path(find_spec("google.api.annotations_pb2").origin)
    return annotations.parents[2], Path(grpc_tools.__file__).parent / "_proto"


def compile_files(texts: Mapping[str, str], origin: str = "api.binpb") -> list[DescriptorFile]:
    """The texts and what they import as descriptor files of one origin."""
    return [
        DescriptorFile(file, origin, imported=file.name not in texts)
        for file in compile_set(texts).file
    ]
