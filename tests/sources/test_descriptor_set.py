"""Descriptor set files: what is read from them, and what is refused."""

import os
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from proxy.errors import ConfigError, Place
from proxy.sources.descriptor_set import read_descriptor_set
from proxy.transcoding.descriptors import examine_files, merge_files
from tests.sources.compiled import compile_set

AT = Place("cutover.yaml", 4, 5, "descriptors[1].descriptor_set")
TEXT = """
syntax = "proto3";
package p;
import "google/api/annotations.proto";
import "other.proto";
service S { rpc Call(q.M) returns (q.M) { option (google.api.http).get = "/v1"; } }
"""
OTHER = 'syntax = "proto3"; package q; message M { string name = 1; }'
SET = compile_set({"a.proto": TEXT, "other.proto": OTHER})


def written(folder: Path, data: bytes) -> Path:
    path = folder / "api.binpb"
    path.write_bytes(data)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        read_descriptor_set(path, "api.binpb", AT)
    [problem] = error.value.problems
    assert problem.place == AT
    return problem.message


def test_the_files_of_a_set_are_read_and_googles_are_imports(tmp_path: Path):
    files = read_descriptor_set(written(tmp_path, SET.SerializeToString()), "api.binpb", AT)
    assert {file.name: file.imported for file in files} == {
        "a.proto": False,
        "other.proto": False,
        "google/api/annotations.proto": True,
        "google/api/http.proto": True,
        "google/protobuf/descriptor.proto": True,
    }
    assert {file.origin for file in files} == {"api.binpb"}
    assert merge_files(files).method("p.S.Call") is not None


def test_a_set_without_its_imports_is_refused_by_the_merge(tmp_path: Path):
    alone = FileDescriptorSet(file=[file for file in SET.file if file.name == "a.proto"])
    files = read_descriptor_set(written(tmp_path, alone.SerializeToString()), "api.binpb", AT)
    assert [str(problem) for problem in examine_files(files).problems] == [
        (
            "api.binpb[a.proto]:5:1: imports 'other.proto', which no descriptor source has"
            " (a descriptor set needs protoc --include_imports)"
        )
    ]


HOW_TO = "; make it with protoc --include_imports --descriptor_set_out, or buf build"
NOT_A_SET = "api.binpb is not a FileDescriptorSet, or is cut short" + HOW_TO
EMPTY = "api.binpb holds no file descriptors" + HOW_TO


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", EMPTY),
        (b"\x0a\x00", EMPTY),
        (FileDescriptorProto(package="nameless").SerializeToString(), EMPTY),
        (b"\x10\x01", EMPTY),
        (b"\xff\xff\xff\xff", NOT_A_SET),
        (b'syntax = "proto3";', NOT_A_SET),
        (b'{"file": []}', NOT_A_SET),
        (b"\x1f\x8b\x08\x00garbage", NOT_A_SET),
        (SET.file[0].SerializeToString(), NOT_A_SET),
        (SET.SerializeToString()[:-1], NOT_A_SET),
    ],
    ids=[
        "empty",
        "nameless file",
        "other message",
        "unknown field",
        "garbage",
        "proto text",
        "json",
        "gzip",
        "one file descriptor",
        "truncated",
    ],
)
def test_what_is_no_descriptor_set_is_refused(tmp_path: Path, data: bytes, message: str):
    assert refusal(written(tmp_path, data)) == message


def test_no_cut_of_a_set_is_more_than_a_refusal(tmp_path: Path):
    """Every prefix either is refused at once, or lacks files that the merge then misses."""
    data = FileDescriptorSet(file=SET.file[-2:]).SerializeToString()
    for length in range(0, len(data), 7):
        path = written(tmp_path, data[:length])
        try:
            files = read_descriptor_set(path, "api.binpb", AT)
        except ConfigError:
            continue
        examine_files(files)


def test_a_missing_file_is_refused(tmp_path: Path):
    assert refusal(tmp_path / "no") == "cannot read api.binpb: No such file or directory"


def test_a_folder_is_refused(tmp_path: Path):
    assert refusal(tmp_path) == "cannot read api.binpb: Is a directory"


def test_a_file_above_the_limit_is_refused_without_being_parsed(tmp_path: Path):
    path = tmp_path / "huge.binpb"
    path.touch()
    os.truncate(path, 256 * 1024 * 1024 + 1)  # sparse: takes no room
    assert refusal(path) == "api.binpb has more than 268435456 bytes"
