"""All sources of a configuration together: folders, sets, reflection and service configs."""

from pathlib import Path

import pytest

from proxy.config.schema import DescriptorSource
from proxy.errors import Place
from proxy.sources.load import Loaded, load_descriptors
from proxy.transcoding.descriptors import merge_files
from proxy.transcoding.httprule import RuleMode
from proxy.transcoding.rules import resolve
from tests.sources.compiled import compile_set
from tests.sources.reflecting import Catalogue, answering, serving

HELLO = """
syntax = "proto3";
service HelloWorldHandler {
  rpc SayHello(Hello) returns (HelloResponse) {}
}
message Hello { string Name = 1; }
message HelloResponse {}
"""
OVERLAY = """
type: google.api.Service
config_version: 3
http:
  rules:
  - selector: HelloWorldHandler.SayHello
    post: /hello
    body: "*"
    additional_bindings:
    - get: /hello/{Name}
"""
ZONES = """
syntax = "proto3";
package dns;
import "google/api/annotations.proto";
message Zone { string name = 1; }
service Zones { rpc Get(Zone) returns (Zone) { option (google.api.http).get = "/z/{name}"; } }
"""
OPERATIONS = """
syntax = "proto3";
package ops;
message Nothing {}
service Operations { rpc Ping(Nothing) returns (Nothing); }
"""


def no_channel(upstream: str):
    raise AssertionError(f"nobody should ask for a channel to {upstream}")


def place(path: str) -> Place:
    return Place("cutover.yaml", 7, 3, path)


async def loaded(base_dir: Path, *sources: dict[str, str], channel_for=no_channel) -> Loaded:
    models = [DescriptorSource(**source) for source in sources]
    return await load_descriptors(models, base_dir, channel_for, place)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`proto/hello.proto`, `mappings/zones.binpb` and `mappings/hello.yaml`."""
    for name in ("proto", "mappings"):
        (tmp_path / name).mkdir()
    (tmp_path / "proto" / "hello.proto").write_text(HELLO)
    zones = compile_set({"zones.proto": ZONES}).SerializeToString()
    (tmp_path / "mappings" / "zones.binpb").write_bytes(zones)
    (tmp_path / "mappings" / "hello.yaml").write_text(OVERLAY)
    return tmp_path / "mappings"


async def test_all_kinds_of_sources_make_one_set_of_bindings(folder: Path):
    catalogue = Catalogue(compile_set({"ops.proto": OPERATIONS}).file, ["ops.Operations", "x.Y"])
    async with serving(answering(catalogue)) as channel:
        found = await loaded(
            folder,
            {"proto_path": "../proto"},
            {"descriptor_set": "zones.binpb"},
            {"reflection": "ops"},
            {"service_config": "hello.yaml"},
            channel_for={"ops": channel}.__getitem__,
        )
    assert found.problems == ()
    assert found.report == ("reflection of ops: x.Y is listed but not described: not here",)
    descriptors = merge_files(found.files)
    assert descriptors.method("ops.Operations.Ping") is not None
    bindings = resolve(descriptors, found.service_configs).bindings
    root = folder.parent
    assert [(b.http_method, str(b.template), b.origin) for b in bindings] == [
        ("POST", "/hello", f"{folder}/hello.yaml:6:5"),
        ("GET", "/hello/{Name}", f"{folder}/hello.yaml:10:7"),
        ("GET", "/z/{name}", f"{folder}/zones.binpb[zones.proto]:6:48"),
    ]
    assert found.files[0].origin == f"{root}/proto/hello.proto"


async def test_paths_are_shown_relative_where_the_folder_is(folder: Path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    found = await loaded(Path("mappings"), {"proto_path": "../proto"})
    assert found.files[0].origin == "proto/hello.proto"


async def test_absolute_paths_are_taken_as_they_are(folder: Path):
    found = await loaded(Path("/nowhere"), {"service_config": str(folder / "hello.yaml")})
    assert found.service_configs[0].name == str(folder / "hello.yaml")


@pytest.mark.parametrize("mode", RuleMode)
async def test_the_mode_of_a_service_config_is_the_sources(folder: Path, mode: RuleMode):
    found = await loaded(folder, {"service_config": "hello.yaml", "rules": mode.value})
    assert found.service_configs[0].mode is mode


async def test_the_problems_of_all_sources_come_together_and_the_rest_is_read(folder: Path):
    (folder / "bad.yaml").write_text("http: {rules: [{get: /x}]}")
    (folder / "latin.yaml").write_bytes(b"type: \xe9")
    (folder / "bad.binpb").write_bytes(b"\xff\xff")
    async with serving(lambda server: None) as channel:
        found = await loaded(
            folder,
            {"proto_path": "../protos"},
            {"proto_path": "../proto"},
            {"descriptor_set": "bad.binpb"},
            {"reflection": "ops"},
            {"service_config": "bad.yaml"},
            {"service_config": "latin.yaml"},
            {"service_config": "missing.yaml"},
            channel_for={"ops": channel}.__getitem__,
        )
    assert [file.name for file in found.files] == ["hello.proto"]
    assert [str(problem) for problem in found.problems] == [
        (
            f"cutover.yaml:7:3: descriptors[0].proto_path: cannot read {folder.parent}/protos:"
            " No such file or directory"
        ),
        (
            f"cutover.yaml:7:3: descriptors[2].descriptor_set: {folder}/bad.binpb is not a"
            " FileDescriptorSet, or is cut short; make it with protoc --include_imports"
            " --descriptor_set_out, or buf build"
        ),
        (
            "cutover.yaml:7:3: descriptors[3].reflection: reflection of upstream 'ops': the server"
            " has no reflection service, neither v1 nor v1alpha"
        ),
        f"{folder}/bad.yaml:1:16: http.rules[0]: has no selector",
        (
            f"cutover.yaml:7:3: descriptors[5].service_config: {folder}/latin.yaml is not UTF-8"
            " text: byte 7 is wrong"
        ),
        (
            f"cutover.yaml:7:3: descriptors[6].service_config: cannot read {folder}/missing.yaml:"
            " No such file or directory"
        ),
    ]


async def test_a_service_config_above_the_limit_is_refused(folder: Path):
    (folder / "huge.yaml").write_bytes(b"#" * (16 * 1024 * 1024 + 1))
    [problem] = (await loaded(folder, {"service_config": "huge.yaml"})).problems
    assert problem.message == f"{folder}/huge.yaml has more than 16777216 bytes"


async def test_no_sources_give_nothing(folder: Path):
    assert await loaded(folder) == Loaded()
