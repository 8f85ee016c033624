"""The helper process under shapes: what it is told, does, and refuses, as it is done here."""

import asyncio
import json
from pathlib import Path

import pytest

from proxy.cli.composition import attempt_load
from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Document
from proxy.comparison.legacy_plans import Written
from proxy.errors import LimitExceeded, RequestError, StatusError
from proxy.routing.table import RouteBinding
from proxy.shadow.helper_frames import (
    BuildJob,
    Built,
    Job,
    Refusal,
    build_definition_of,
    definition_of,
    read_reply,
    read_request,
    request_frame,
)
from proxy.shadow.helper_process import Worker
from proxy.transcoding.request import RequestBuilder
from tests.comparison.messages import found
from tests.shape.corpus_pairs import served

RULES = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "buf/validate/validate.proto";
service Shop {
  rpc Add(Order) returns (Order) {
    option (google.api.http) = {post: "/v1/orders" body: "*"};
  }
}
message Order {
  int32 number_of_items = 1 [(buf.validate.field).int32.gt = 0];
  string ship_to = 2 [(buf.validate.field).string.min_len = 3];
}
"""
CONFIG = """version: 1
descriptors: [{proto_path: protos}]
upstreams: {shop: {target: "127.0.0.1:1", plaintext: true, services: ["*"]}}
"""


def binding_of(folder: Path, route: str) -> RouteBinding:
    (folder / "protos").mkdir()
    (folder / "protos/shop.proto").write_text(RULES)
    (folder / "cutover.yaml").write_text(f"{CONFIG}routes: [{{rpc: shop.v1.Shop.Add, {route}}}]\n")
    loaded = asyncio.run(attempt_load(folder, {}, None, None))
    assert loaded.snapshot is not None, loaded.problems
    return loaded.snapshot.bindings[0]


def helped(builder: RequestBuilder, body: bytes, content_type: str = "application/json") -> Built:
    """What the helper makes of a body, through the frames of both directions."""
    worker = Worker()
    assert worker.take(read_request(request_frame(build_definition_of(builder, 4))[4:])) is None
    reply = worker.take(BuildJob(1, 4, (), "", body, content_type))
    assert reply is not None
    _, built = read_reply(reply[4:])
    assert isinstance(built, Built)
    return built


def refused(builder: RequestBuilder, body: bytes, content_type: str) -> StatusError:
    with pytest.raises(StatusError) as raised:
        builder.build((), "", body, content_type)
    return raised.value


def test_violations_come_back_with_all_their_details(tmp_path: Path) -> None:
    names = "Order.number_of_items: {name: count}"
    binding = binding_of(tmp_path, f"validate: true, shape: {{fields: {{{names}}}}}")
    body = b'{"count": 0, "shipTo": "a"}'
    here = refused(binding.request, body, "application/json")
    built = helped(binding.request, body)
    assert built.refusal is not None
    there = built.refusal.error
    assert isinstance(there, RequestError)
    assert (there.status, there.http_status) == (here.status, here.http_status)
    assert len(there.status.details) == 1
    rendered = binding.route.errors.render(there)
    assert rendered == binding.route.errors.render(here)
    assert b'"count"' in rendered.body


def test_a_limit_that_a_form_passes_is_a_refusal(tmp_path: Path) -> None:
    shape = "shape: {form_bodies: {types: [multipart], max_parts: 1}}"
    binding = binding_of(tmp_path, shape)
    part = b'--x\r\ncontent-disposition: form-data; name="shipTo"\r\n\r\nhere\r\n'
    body, kind = part * 2 + b"--x--\r\n", "multipart/form-data; boundary=x"
    here = refused(binding.request, body, kind)
    assert isinstance(here, LimitExceeded)
    built = helped(binding.request, body, kind)
    assert built.refusal == Refusal.of(here)
    there = built.refusal.error
    assert (there.status, there.http_status) == (here.status, here.http_status)


def test_a_shaped_comparator_says_the_same_in_the_helper() -> None:
    codecs = served(
        '{"rpc": "shop.v1.Shop.GetOrder", "shape": {"names": "snake", "lossy": ["timestamp"],'
        ' "forms": {"timestamp": "epoch_ms"}, "answer": {"body": {"data": "{}"}}}}',
        "{}",
    )
    options = CompareOptions(written=Written(codecs.codecs.options, codecs.codecs.shape))
    output = codecs.binding.binding.method.output_type
    comparator = Comparator.compile(output, None, options)
    pair = [
        Document(200, (), json.dumps({"data": {"create_time": at, "revision": "7"}}).encode())
        for at in (1704164645000, "2024-01-02T03:04:05Z")
    ]
    worker = Worker()
    worker.take(read_request(request_frame(definition_of(comparator, 5))[4:]))
    reply = worker.take(Job(1, 5, pair[0], pair[1]))
    assert reply is not None
    here = comparator.compare(*pair)
    assert read_reply(reply[4:]) == (1, here)
    assert found(here) == [("$.data.create_time", "timestamp_format", 1)]
    assert here.fields == {"$.data.create_time", "$.data.revision"}
