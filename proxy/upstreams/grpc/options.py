"""How a channel is set up from an upstream's options.

Belongs here: names and values that grpcio takes. Does not: anything that makes a call.
"""

import json
from dataclasses import dataclass
from typing import Final

import grpc

from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.target import Address, Target
from proxy.upstreams.tls import TlsOptions, client_context, read_pem

#: One policy for every address behind the target; retries are ours (`retry`), never grpcio's.
_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})

#: What grpcio's back-off may be longer or shorter by, after its limit was applied.
_JITTER: Final = 0.2


def channel_arguments(options: GrpcOptions) -> list[tuple[str, int | str]]:
    """The channel arguments, named as grpc's `channel_arg_names.h` names them.

    `ping_timeout_ms` goes with the keepalive timeout: without it a frozen server is noticed after
    a minute only. Back-off is short so that a server that is back serves within a second: its
    limit is what our option says, jitter included.
    grpcio's own retries, the transparent ones too, are off: they cost every call, and a call that
    may not be repeated must not be.
    """
    keepalive_timeout_ms = _milliseconds(options.keepalive_timeout_s)
    longest_s = options.max_reconnect_backoff_s / (1 + _JITTER)
    return [
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", keepalive_timeout_ms),
        ("grpc.http2.ping_timeout_ms", keepalive_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", _milliseconds(options.initial_reconnect_backoff_s)),
        # Named after back-off, but what it bounds is one attempt to connect, TLS included.
        ("grpc.min_reconnect_backoff_ms", _milliseconds(options.connect_timeout_s)),
        ("grpc.max_reconnect_backoff_ms", _milliseconds(longest_s)),
        ("grpc.max_receive_message_length", options.max_receive_bytes),
        ("grpc.max_send_message_length", options.max_send_bytes),
        ("grpc.max_metadata_size", options.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes),
        ("grpc.enable_retries", 0),
        # Channels to one address would share a connection, and the back-off of one that is gone.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.service_config", _SERVICE_CONFIG),
        # A server must not be able to change how often or whether we repeat a call.
        ("grpc.service_config_disable_resolution", 1),
    ]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def make_credentials(tls: TlsOptions | None) -> grpc.ChannelCredentials | None:
    """The credentials of an upstream's channels, None for plaintext.

    Made once for all of them: the files may be in the middle of a change when one is added. Raises
    `ConfigError` for a PEM file.
    """
    if tls is None:
        return None
    # Refuses now what grpcio would refuse at each call, as if the server were down.
    client_context(tls)
    return grpc.ssl_channel_credentials(
        root_certificates=read_pem(tls.ca),
        private_key=read_pem(tls.key),
        certificate_chain=read_pem(tls.certificate),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """What one channel connects to.

    *target* is for grpcio. *authority* and *server_name* are what the server is called, and what
    its certificate is verified for, where that does not follow from *target*. *shown* is how
    grpcio writes the address in its texts, "" when there may be several.
    """

    target: str
    authority: str | None = None
    server_name: str | None = None
    shown: str = ""

    def arguments(self) -> list[tuple[str, int | str]]:
        """The channel arguments that say so."""
        names = {
            "grpc.default_authority": self.authority,
            "grpc.ssl_target_name_override": self.server_name,
        }
        return [(name, value) for name, value in names.items() if value is not None]


def place_of(
    target: str, parsed: Target | None, address: Address | None, tls: TlsOptions | None
) -> Place:
    """Where a line of *target* goes: to *address*, or None for all of it.

    A name stays what it is verified for, whatever address stands behind it.

    >>> place_of("dns:1", Target("dns:1", (Address("dns", 1),)), Address("::1", 1), None).shown
    'ipv6:%5B::1%5D:1'
    """
    named = tls.server_name if tls else None
    if parsed is None or address is None:
        return Place(target, None, named, "" if parsed is None else f"unix:{parsed.path}")
    literal = f"ipv6:{address}" if ":" in address.host else f"ipv4:{address}"
    shown = literal.replace("[", "%5B").replace("]", "%5D")
    if not parsed.needs_resolver:
        return Place(literal, None, named, shown)
    server_name = named or parsed.hosts[0].host
    return Place(literal, named or parsed.authority, server_name if tls else None, shown)


def open_channel(
    place: Place, options: GrpcOptions, credentials: grpc.ChannelCredentials | None
) -> grpc.aio.Channel:
    """Open a channel; it connects when it is first used."""
    arguments = channel_arguments(options) + place.arguments()
    if credentials is None:
        return grpc.aio.insecure_channel(place.target, options=arguments)
    return grpc.aio.secure_channel(place.target, credentials, options=arguments)


def make_channel(target: str, options: GrpcOptions) -> grpc.aio.Channel:
    """Open a channel to a whole target. Raises `ConfigError` for a PEM file."""
    named = options.tls.server_name if options.tls else None
    return open_channel(Place(target, None, named), options, make_credentials(options.tls))
