"""Upstreams from their settings: options, what they are known by, the making.

Belongs here: what a section of the configuration comes to, with the files that it names. Does not:
when an upstream is made and how long it is kept (`cli.generation`, `cli.leases`).
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from proxy.config.upstreams import LEGACY
from proxy.config.upstreams import GrpcUpstream as GrpcSettings
from proxy.config.upstreams import LegacyUpstream as LegacySettings
from proxy.errors import ConfigError, Problem
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.upstream_numbers import UpstreamReading
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.h2 import H2Upstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.rest import RestOptions, RestUpstream
from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.tls import TlsOptions, client_context, read_pem

_NOT_OF_CONNECTIONS: Final = frozenset({"services", "shadow_sink", "version_metadata"})

#: What metrics call an upstream that mirrors alone use, behind its name; no name has a colon.
OF_MIRRORS: Final = ":mirror"

#: A gRPC upstream over either transport.
AnyGrpcUpstream = GrpcUpstream | H2Upstream

_TRANSPORTS: Final[dict[str, type[GrpcUpstream] | type[H2Upstream]]] = {
    "grpcio": GrpcUpstream,
    "h2": H2Upstream,
}


def grpc_options(settings: GrpcSettings, folder: Path) -> GrpcOptions:
    """A gRPC upstream's options from its settings; paths are relative to *folder*."""
    return GrpcOptions(
        tls=grpc_tls(settings, folder),
        keepalive_time_s=settings.keepalive_time_s,
        keepalive_timeout_s=settings.keepalive_timeout_s,
        max_reconnect_backoff_s=settings.max_reconnect_backoff_s,
        max_receive_bytes=settings.max_receive_bytes,
        max_send_bytes=settings.max_send_bytes,
        retry=RetryOptions() if settings.retries else None,
        max_inflight=settings.max_inflight,
        resolve_every_s=settings.resolve_every_s,
        max_connections=settings.max_connections,
        max_streams=settings.max_streams,
        watch_health=settings.health == "auto",
    )


def grpc_tls(settings: GrpcSettings, folder: Path) -> TlsOptions | None:
    """How to verify a gRPC upstream; None for plain text."""
    tls = settings.tls
    if tls is None:
        return None
    return TlsOptions(
        ca=_within(folder, tls.ca),
        certificate=_within(folder, tls.cert),
        key=_within(folder, tls.key),
        server_name=tls.server_name,
    )


def legacy_tls(settings: LegacySettings, folder: Path) -> TlsOptions | None:
    """How to verify the legacy host; None where its CA is one of the system's."""
    return None if settings.tls is None else TlsOptions(ca=_within(folder, settings.tls.ca))


def _within(folder: Path, name: str | None) -> Path | None:
    return None if name is None else folder / name


def grpc_upstream_key(name: str, settings: GrpcSettings, folder: Path) -> Hashable:
    """All that an upstream is made from; one of an equal key need not be made again.

    What makes no difference to a connection is left out: whom the calls come from, and what is
    said of the server. Raises `ConfigError` when a TLS file cannot be read.
    """
    made_from = settings.model_dump_json(exclude=set(_NOT_OF_CONNECTIONS))
    return name, made_from, _contents(grpc_tls(settings, folder))


def legacy_upstream_key(settings: LegacySettings, folder: Path) -> Hashable:
    """The same for the legacy upstream; its `timeout` is each request's own."""
    tls = legacy_tls(settings, folder)
    return LEGACY, settings.model_dump_json(exclude={"timeout_s"}), _contents(tls)


def _contents(tls: TlsOptions | None) -> Hashable:
    return tls and tuple(read_pem(path) for path in (tls.ca, tls.certificate, tls.key))


def make_grpc_upstream(
    name: str,
    settings: GrpcSettings,
    folder: Path,
    metrics: Metrics,
    *,
    mirrored_bytes: int | None = None,
) -> AnyGrpcUpstream:
    """A gRPC upstream whose numbers are among the metrics.

    With *mirrored_bytes* it is for mirrors. It has numbers of its own then, sends nothing again,
    since a mirror is no client, and takes no message that is larger: nothing would be compared of
    it, and a server that sends large ones must not fill our memory.
    """
    options = grpc_options(settings, folder)
    if mirrored_bytes is not None:
        most = min(options.max_receive_bytes, mirrored_bytes)
        options = replace(options, retry=None, max_receive_bytes=most)
        name = f"{name}{OF_MIRRORS}"
    upstream = _TRANSPORTS[settings.transport](
        settings.target, options, on_tls_error=lambda _: metrics.upstream_tls_error(name)
    )
    metrics.upstream_from(name, lambda: _grpc_reading(upstream))
    return upstream


def _grpc_reading(upstream: AnyGrpcUpstream) -> UpstreamReading:
    retried, unretried = upstream.retries
    return UpstreamReading(
        upstream.inflight,
        upstream.refused,
        retried,
        unretried,
        upstream.addresses,
        upstream.is_closed,
    )


def make_legacy_upstream(
    settings: LegacySettings, folder: Path, metrics: Metrics, *, for_mirrors: bool = False
) -> RestUpstream:
    """The legacy upstream, with its numbers among the metrics; as for gRPC."""
    name = f"{LEGACY}{OF_MIRRORS}" if for_mirrors else LEGACY
    options = RestOptions(
        tls=legacy_tls(settings, folder),
        connect_timeout_s=settings.connect_timeout_s,
        idle_timeout_s=settings.idle_timeout_s,
        max_connections=settings.max_connections,
    )
    upstream = RestUpstream(
        settings.url, options, on_tls_error=lambda _: metrics.upstream_tls_error(name)
    )
    metrics.upstream_from(
        name,
        lambda: UpstreamReading(upstream.inflight, upstream.refused, is_closed=upstream.is_closed),
    )
    return upstream


def tls_problems(tls: TlsOptions) -> Iterator[Problem]:
    """Every file that cannot be read, or else the first that cannot be used."""
    readable = True
    for path in (tls.ca, tls.certificate, tls.key):
        try:
            read_pem(path)
        except ConfigError as error:
            readable = False
            yield from error.problems
    if readable:
        try:
            client_context(tls)
        except ConfigError as error:
            yield from error.problems
