"""The transport of a gRPC upstream: chosen by its key, its target checked at load."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from proxy.cli.composition import load_snapshot
from proxy.cli.upstreams import grpc_options, make_grpc_upstream, make_legacy_upstream
from proxy.config.upstreams import LegacyUpstream
from proxy.errors import ConfigError
from proxy.telemetry.metrics import Metrics
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions

#: The keys whose names leave the unit away.
SECONDS = {"max_reconnect_backoff", "keepalive_time", "keepalive_timeout", "resolve_every"}

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


async def test_every_option_of_a_server_reaches_the_transport(tmp_path):
    """What has a key is not what would have been anyway."""
    given = {
        "max_reconnect_backoff": "7s",
        "keepalive_time": "7s",
        "keepalive_timeout": "7s",
        "max_receive_bytes": "7KiB",
        "max_send_bytes": "7KiB",
        "max_inflight": 7,
        "max_connections": 7,
        "max_streams": 7,
        "resolve_every": "7s",
        "retries": "false",
    }
    keys = "".join(f", {key}: {value}" for key, value in given.items())
    folder = folder_with(tmp_path, "localhost:1", keys)
    settings = (await load_snapshot(folder, {})).config.settings.upstreams.grpc["dns"]
    # The rest of the keys: what is called and how, told apart elsewhere.
    assert settings.model_fields_set == {
        *({key + "_s" if key in SECONDS else key for key in given}),
        *("target", "plaintext", "health"),
    }
    without = GrpcOptions()
    changed = {
        option.name
        for option in fields(GrpcOptions)
        if getattr(grpc_options(settings, folder), option.name) != getattr(without, option.name)
    }
    assert changed == {"retry", "watch_health"} | settings.model_fields_set - {
        *("target", "plaintext", "health", "retries")
    }


async def test_the_numbers_of_upstreams_are_among_the_metrics(tmp_path):
    folder = folder_with(tmp_path, "localhost:1", "")
    settings = (await load_snapshot(folder, {})).config.settings.upstreams.grpc["dns"]
    metrics = Metrics()
    legacy = LegacyUpstream(url="http://127.0.0.1:1")
    async with (
        make_grpc_upstream("dns", settings, folder, metrics),
        make_legacy_upstream(legacy, folder, metrics) as upstream,
    ):
        assert upstream.inflight == 0
        shown = metrics.render()[1].decode()
        assert 'cutover_upstream_inflight{upstream="dns"} 0.0' in shown
        assert 'cutover_upstream_inflight{upstream="legacy"} 0.0' in shown
    shown = metrics.render()[1].decode()
    assert "cutover_upstream_inflight{" not in shown
    assert 'cutover_upstream_refused_total{upstream="legacy"} 0.0' in shown
