from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from proxy.example.files import folder
from proxy.example.schema import Schema, compile_folder


def test_the_services_are_compiled(schema: Schema) -> None:
    assert len(schema.service("dns.v1.RecordService").methods) == 11
    assert [method.name for method in schema.service("HelloWorldHandler").methods] == ["SayHello"]
    assert len(schema.service("dns.v1.StatisticsService").methods) == 3
    assert repr(schema) == "<Schema: 14 files>"


def test_hello_keeps_the_names_of_the_classic_sample(schema: Schema) -> None:
    hello = schema.message("Hello").DESCRIPTOR
    assert [(field.name, field.json_name) for field in hello.fields] == [("Name", "Name")]
    assert not schema.message("HelloResponse").DESCRIPTOR.fields


def test_no_binding_has_the_shape_of_another(schema: Schema) -> None:
    shapes = [
        (method, path)
        for service in ("dns.v1.RecordService", "dns.v1.StatisticsService")
        for rpc in schema.service(service).methods
        for method, path in bindings(rpc)
    ]
    assert len(shapes) == 15
    assert len(set(shapes)) == len(shapes)


def bindings(rpc: Any) -> list[tuple[str, str]]:
    """HTTP method and path of each binding, every variable written as what it matches."""
    # The options of a private pool do not know the extension of the generated module.
    options = descriptor_pb2.MethodOptions.FromString(rpc.GetOptions().SerializeToString())
    rule = options.Extensions[annotations_pb2.http]
    found = []
    for one in (rule, *rule.additional_bindings):
        method = one.WhichOneof("pattern")
        path = getattr(one, method).replace("name=", "").replace("record.", "")
        for variable in ("{zone}", "{id}"):
            path = path.replace(variable, "*")
        found.append((method, path.replace("{", "").replace("}", "")))
    return found


def test_bad_proto_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "bad.proto").write_text('syntax = "proto3";\nmessage {}\n')
    with pytest.raises(RuntimeError, match=r"bad\.proto:2:9"):
        compile_folder(tmp_path)


def test_compiling_writes_nothing_beside_the_protos(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder("proto").rglob("*")}
    compile_folder(folder("proto"))
    assert {path: path.stat().st_mtime_ns for path in folder("proto").rglob("*")} == before
