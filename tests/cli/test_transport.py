"""The transport of a gRPC upstream: chosen by its key, its target checked at load."""

import re
from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot, make_grpc_upstream
from proxy.errors import ConfigError
from proxy.telemetry.metrics import Metrics
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream

PROTO = """
syntax = "proto3";
package t;
import "google/api/annotations.proto";
message M {}
service T { rpc Get(M) returns (M) { option (google.api.http) = {get: "/m"}; } }
"""


def folder_with(path: Path, target: str, transport: str) -> Path:
    protos = path / "proto"
    protos.mkdir()
    (protos / "t.proto").write_text(PROTO)
    (path / "cutover.yaml").write_text(
        "version: 1\n"
        "descriptors: [{proto_path: proto}]\n"
        "upstreams:\n"
        f'  dns: {{target: "{target}", plaintext: true, health: off{transport}}}\n'
    )
    return path


@pytest.mark.parametrize(
    ("transport", "kind"),
    [("", GrpcUpstream), (", transport: grpcio", GrpcUpstream), (", transport: h2", H2Upstream)],
)
async def test_the_transport_is_the_one_that_the_key_names(tmp_path, transport, kind):
    folder = folder_with(tmp_path, "dns:///localhost:1", transport)
    settings = (await load_snapshot(folder, {})).config.settings.upstreams.grpc["dns"]
    async with make_grpc_upstream("dns", settings, folder, Metrics()) as upstream:
        assert isinstance(upstream, kind)


async def test_a_target_that_h2_cannot_serve_is_refused_with_its_place(tmp_path):
    folder = folder_with(tmp_path, "xds:///dns", ", transport: h2")
    text = "cutover.yaml:4:17: upstreams.dns.target: is not a target of transport h2: host:port"
    with pytest.raises(ConfigError, match=re.escape(text)):
        await load_snapshot(folder, {})


async def test_grpcio_serves_every_target(tmp_path):
    await load_snapshot(folder_with(tmp_path, "xds:///dns", ""), {})
