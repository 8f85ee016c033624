"""Requests to the example's RecordService, and the answers that the backend has ready.

The messages are those of proto/dns/v1/dns.proto, compiled on the way in; sizes are what a DNS
host really sends: about 400 bytes of JSON for a record.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc_tools  # type: ignore[import-untyped]  # has no stubs
from google.api import annotations_pb2  # type: ignore[import-untyped]  # has no stubs
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from bench.stand.backend import Canned, RpcAnswers
from bench.stand.load import Case
from bench.stand.processes import ROOT

PROTO_FILE: Final = "dns/v1/dns.proto"
SERVICE: Final = "dns.v1.RecordService"
METHODS: Final = frozenset({"GetRecord", "CreateRecord", "ListRecords"})
RECORD_PATH: Final = "/v4/zones/example.com/records/www-17"
RECORDS_PATH: Final = "/v4/zones/example.com/records"

# Records in a list, and the connections that ask for it. What is in flight when a round ends has
# cost CPU and is not counted: where a round holds few requests, few may be in flight.
LISTS: Final = {10: 32, 100: 16, 1_000: 4}
JSON_BODY: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Zone:
    """The descriptor set file, the backend's answers, and the cases to load proxies with."""

    descriptor_set: Path
    canned: Canned
    cases: list[Case]


def zone(folder: Path) -> Zone:
    """Compile the example's proto into `folder` and prepare its requests and answers."""
    descriptor_set = folder / "dns.binpb"
    compile_example(descriptor_set)
    keep_methods(descriptor_set, METHODS)
    messages = MessageClasses(descriptor_set.read_bytes())
    one = json_of_record(17)
    lists = {size: json_of_list(size) for size in LISTS}
    canned = Canned(
        {
            f"/{SERVICE}/GetRecord": RpcAnswers({0: messages.wire("Record", one)}),
            f"/{SERVICE}/CreateRecord": RpcAnswers({0: messages.wire("Record", one)}),
            f"/{SERVICE}/ListRecords": RpcAnswers(
                {size: messages.wire("ListRecordsResponse", page) for size, page in lists.items()},
                by_field=messages.number("ListRecordsRequest", "page_size"),
            ),
        }
    )
    return Zone(descriptor_set, canned, cases(one, lists))


def legacy() -> tuple[Canned, list[Case]]:
    """The same requests and answers where a JSON host gives them."""
    one = json_of_record(17)
    lists = {size: json_of_list(size) for size in LISTS}
    wanted = cases(one, lists)
    return Canned(http={case.target: json_bytes(case.expected) for case in wanted}), wanted


def cases(one: dict[str, Any], lists: Mapping[int, dict[str, Any]]) -> list[Case]:
    """What both proxies are loaded with, smallest first."""
    new = {key: value for key, value in one.items() if key not in {"name", "revision"}}
    small = Case("small GET", "GET", RECORD_PATH, one)
    alone = Case("small GET, 1 connection", "GET", RECORD_PATH, one, connections=1)
    post = Case("POST with a body", "POST", RECORDS_PATH, one, JSON_BODY, json_bytes(new))
    pages = [
        Case(
            f"list of {size:,}",
            "GET",
            f"{RECORDS_PATH}?page_size={size}",
            page,
            connections=LISTS[size],
        )
        for size, page in lists.items()
    ]
    return [small, alone, post, *pages]


def json_of_record(number: int) -> dict[str, Any]:
    """A record as ProtoJSON, with a field of nearly every kind."""
    return {
        "name": f"zones/example.com/records/www-{number}",
        "host": f"www-{number}",
        "type": "A",
        "ttl": "3600s",
        "ipv4": f"192.0.2.{number % 256}",
        "weight": 0.25,
        "comment": "behind the load balancer",
        "tags": {"team": "edge", "stage": "production"},
        "revision": str(9_007_199_254_740_993 + number),
        "createTime": "2026-03-01T12:00:00Z",
        "updateTime": "2026-11-02T08:15:30.250Z",
    }


def json_of_list(size: int) -> dict[str, Any]:
    """A page of records as ProtoJSON."""
    return {
        "records": [json_of_record(number) for number in range(size)],
        "nextPageToken": f"after-{size}",
        "totalSize": 100_000,
    }


def json_bytes(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


class MessageClasses:
    """The messages of a descriptor set, in a pool of their own."""

    def __init__(self, descriptor_set: bytes) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
            self.pool.Add(file)

    def wire(self, name: str, value: dict[str, Any]) -> bytes:
        """The serialized message that ProtoJSON `value` stands for."""
        descriptor = self.pool.FindMessageTypeByName(f"dns.v1.{name}")
        message: Message = message_factory.GetMessageClass(descriptor)()
        return json_format.ParseDict(value, message).SerializeToString(deterministic=True)

    def number(self, name: str, field: str) -> int:
        """The number of a field."""
        descriptor = self.pool.FindMessageTypeByName(f"dns.v1.{name}")
        return descriptor.fields_by_name[field].number


def compile_example(output: Path) -> None:
    """Write the descriptor set of the example's proto with everything that it imports."""
    command = [sys.executable, "-m", "grpc_tools.protoc", *proto_path(), "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={output}", PROTO_FILE], check=True)


def keep_methods(descriptor_set: Path, methods: Collection[str]) -> None:
    """Take all other methods out of the file's services.

    Envoy refuses a whole service for one rule that it lacks, such as `response_body`; both
    proxies get what is left.
    """
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    for service in (service for file in files.file for service in file.service):
        kept = [method for method in service.method if method.name in methods]
        del service.method[:]
        service.method.extend(kept)
    descriptor_set.write_bytes(files.SerializeToString())


def proto_path() -> list[str]:
    """The options of protoc that name the example's folder and those of Google's own files."""
    tools, common = Path(grpc_tools.__file__).parent, Path(annotations_pb2.__file__).parents[2]
    return [f"-I{path}" for path in (ROOT / "proto", tools / "_proto", common)]
