"""Our own proxy as a peer: its configuration for a benchmark, and the process.

It runs as users run it, access log and metrics included; only the log's destination is a file.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.stand.envoy import Transcoded
from bench.stand.processes import Process, free_port


def start_cutover(
    transcoded: Transcoded | None,
    upstream_port: int,
    cores: Sequence[int],
    folder: Path,
    transport: str = "grpcio",
) -> tuple[Process, str]:
    """Start `cutover serve`; returns the process and its base URL.

    Without `transcoded` every request passes to an HTTP/1.1 upstream; with it, `transport` is how
    the gRPC upstream is called.
    """
    port = free_port()
    mappings = folder / f"mappings-{port}"
    mappings.mkdir()
    configuration = configuration_for(port, upstream_port, transcoded, transport)
    # JSON is YAML, and needs no writer of its own.
    (mappings / "cutover.yaml").write_text(json.dumps(configuration))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(mappings)]
    process = Process("cutover", command, cores=cores, log=folder / f"cutover-{port}.log")
    return process, f"http://127.0.0.1:{port}"


def configuration_for(
    port: int, upstream_port: int, transcoded: Transcoded | None, transport: str = "grpcio"
) -> dict[str, Any]:
    """The configuration of the proxy on `port`."""
    common = {
        "version": 1,
        "listen": {"host": "127.0.0.1", "port": port},
        "admin": {"host": "127.0.0.1", "port": free_port()},
    }
    if transcoded is None:
        return {**common, "upstreams": {"legacy": {"url": f"http://127.0.0.1:{upstream_port}"}}}
    upstream = {
        "target": f"127.0.0.1:{upstream_port}",
        "plaintext": True,
        "transport": transport,
        "services": list(transcoded.services),
    }
    return {
        **common,
        "descriptors": [{"descriptor_set": str(transcoded.descriptor_set)}],
        "upstreams": {"bench": upstream},
        "defaults": {"stage": "grpc"},
    }
