"""Envoy before the backend: its configuration for this test, and the process.

Belongs here: settings under which Envoy is closest to what we decided, so that the differences
that are left are the ones that somebody chose. Does not: requests.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.figures import Unavailable
from bench.stand.envoy import (
    MANAGER,
    ROUTER,
    TRANSCODER,
    cluster_options,
    envoy_binary,
    socket_address,
    typed,
)
from tests.differential.schema import SERVICE

_FILTER: Final = "envoy.filters.http.grpc_json_transcoder"

#: Stream formats are settings of Envoy's and not the client's choice; a host for each.
_STREAMS: Final[dict[str, dict[str, bool]]] = {
    "": {},
    "ndjson.test": {"stream_newline_delimited": True},
    "sse.test": {"stream_sse_style_delimited": True},
}

#: How Envoy decodes unless it is told otherwise: what `dialect: envoy` copies. Requests with this
#: prefix to their host are decoded so; the others as http.proto has it today, as we do.
OWN: Final = "own."
_DECODING: Final[dict[str, dict[str, Any]]] = {
    "": {"url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH", "query_param_unescape_plus": True},
    OWN: {},
}

#: Every host with its settings.
_HOSTS: Final[dict[str, dict[str, Any]]] = {
    f"{prefix}{host or 'test'}": {"print_options": options, **decoding}
    for prefix, decoding in _DECODING.items()
    for host, options in _STREAMS.items()
}

#: Envoy logs it once all listeners accept connections.
_STARTED: Final = b"starting main dispatch loop"


def missing() -> str:
    """Why Envoy cannot be started here; "" when it can."""
    try:
        envoy_binary()
    except Unavailable as unavailable:
        return str(unavailable)
    return ""


@asynccontextmanager
async def envoy(backend_port: int, descriptor_set: bytes, folder: Path) -> AsyncIterator[int]:
    """Envoy on a free port of loopback; gives the port. *folder* is for its files."""
    descriptors, configuration = folder / "oracle.binpb", folder / "envoy.json"
    descriptors.write_bytes(descriptor_set)
    configuration.write_text(json.dumps(_bootstrap(backend_port, descriptors)))
    addresses = folder / "admin.txt"
    process = await asyncio.create_subprocess_exec(
        *(envoy_binary(), "-c", configuration, "--concurrency", "1", "--disable-hot-restart"),
        *("--log-level", "info", "--admin-address-path", addresses),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        await _started(process.stderr)
        log = asyncio.ensure_future(process.stderr.read())
        try:
            yield await _chosen_port(addresses.read_text().strip())
        finally:
            process.terminate()
            await log
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _started(log: asyncio.StreamReader) -> None:
    lines = []
    async for line in log:
        lines.append(line.decode(errors="replace"))
        if _STARTED in line:
            return
    raise AssertionError("Envoy did not start:\n" + "".join(lines))


async def _chosen_port(admin: str) -> int:
    """Ask Envoy's admin port which port it chose."""
    async with aiohttp.request("GET", f"http://{admin}/listeners?format=json") as answer:
        listeners = (await answer.json(content_type=None))["listener_statuses"]
    chosen: int = listeners[0]["local_address"]["socket_address"]["port_value"]
    return chosen


def _bootstrap(backend_port: int, descriptors: Path) -> dict[str, Any]:
    listener = {
        "name": "http",
        "address": socket_address(0),
        "filter_chains": [{"filters": [_manager(descriptors)]}],
    }
    cluster = cluster_options(backend_port, http2=True)
    resources = {"listeners": [listener], "clusters": [cluster]}
    return {"admin": {"address": socket_address(0)}, "static_resources": resources}


def _manager(descriptors: Path) -> dict[str, Any]:
    options = _transcoding(descriptors, **_HOSTS["test"])
    filters = [typed(_FILTER, TRANSCODER, **options)]
    filters.append(typed("envoy.filters.http.router", ROUTER))
    hosts = [_virtual_host("*"), *(_virtual_host(host, descriptors) for host in _HOSTS)]
    return typed(
        "envoy.filters.network.http_connection_manager",
        MANAGER,
        stat_prefix="http",
        generate_request_id=False,
        # Close when the answer is sent, and not when the client, who reads to the end, has closed.
        delayed_close_timeout="0s",
        http_filters=filters,
        route_config={"virtual_hosts": hosts},
    )


def _virtual_host(domain: str, descriptors: Path | None = None) -> dict[str, Any]:
    """Everything to the backend; with *descriptors*, with the transcoding of that host."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "15s"}}
    host: dict[str, Any] = {"name": domain, "domains": [domain], "routes": [route]}
    if descriptors is not None:
        options = _transcoding(descriptors, **_HOSTS[domain])
        host["typed_per_filter_config"] = {
            _FILTER: typed("", TRANSCODER, **options)["typed_config"]
        }
    return host


def _transcoding(descriptors: Path, **options: Any) -> dict[str, Any]:
    """Strict, and errors as JSON: as near to us as it gets."""
    return {
        "proto_descriptor": str(descriptors),
        "services": [SERVICE],
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        **options,
    }
