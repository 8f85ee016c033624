"""How a gRPC upstream is spoken to: limits, keepalive, reconnects, TLS.

Belongs here: what every transport understands. Does not: how one of them is told.
"""

from dataclasses import dataclass, field
from typing import Final

from proxy.upstreams.retry import RetryOptions
from proxy.upstreams.tls import TlsOptions

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """The options of one gRPC upstream; times in seconds, sizes in bytes.

    *tls* None is plaintext. *keepalive_time_s* is how long a connection with open calls may be
    silent before it is pinged, *keepalive_timeout_s* how long the answer may take; servers refuse
    frequent pings, so it is not lowered without their consent. *max_metadata_bytes* bounds what a
    server may answer with. *connect_timeout_s* is for one attempt to connect, TLS included; the
    two back-offs are the first and the longest wait between attempts; the longest is what a server
    that came back may wait for us. *retry* None turns retries off. *max_inflight* bounds the calls
    that are open at a time: what a server that hangs can hold. *resolve_every_s* is how often the
    addresses behind a name are looked up.

    Up to *max_connections* are made to one address: another when those there are come near the
    calls that a server allows on each. *max_streams* is how many that are; with h2 the server says
    it, and the lower one holds; None is what it says, or `spreading.ASSUMED_STREAMS`. Those that
    were not needed for *spare_time_s* are closed.
    """

    tls: TlsOptions | None = None
    keepalive_time_s: float = 20.0
    keepalive_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0
    initial_reconnect_backoff_s: float = 0.1
    max_reconnect_backoff_s: float = 1.0
    max_receive_bytes: int = 4 * _MIB
    max_send_bytes: int = 4 * _MIB
    max_metadata_bytes: int = 16 * _KIB
    retry: RetryOptions | None = field(default_factory=RetryOptions)
    max_inflight: int = 2048
    resolve_every_s: float = 2.0
    max_connections: int = 4
    max_streams: int | None = None
    spare_time_s: float = 30.0
    watch_health: bool = True
    health_service: str = ""
