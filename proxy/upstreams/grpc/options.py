"""How a channel is set up from an upstream's options.

Belongs here: names and values that grpcio takes. Does not: anything that makes a call.
"""

import json
from typing import Final

import grpc

from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.tls import client_context, read_pem

#: One policy for every address behind the target; retries are ours (`retry`), never grpcio's.
_SERVICE_CONFIG: Final = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def channel_arguments(options: GrpcOptions) -> list[tuple[str, int | str]]:
    """The channel arguments, named as grpc's `channel_arg_names.h` names them.

    `ping_timeout_ms` goes with the keepalive timeout: without it a frozen server is noticed after
    a minute only. Back-off is short so that a server that is back serves within a second.
    grpcio's own retries, the transparent ones too, are off: they cost every call, and a call that
    may not be repeated must not be.
    """
    keepalive_timeout_ms = _milliseconds(options.keepalive_timeout_s)
    arguments: list[tuple[str, int | str]] = [
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", keepalive_timeout_ms),
        ("grpc.http2.ping_timeout_ms", keepalive_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", _milliseconds(options.initial_reconnect_backoff_s)),
        # Named after back-off, but what it bounds is one attempt to connect, TLS included.
        ("grpc.min_reconnect_backoff_ms", _milliseconds(options.connect_timeout_s)),
        ("grpc.max_reconnect_backoff_ms", _milliseconds(options.max_reconnect_backoff_s)),
        ("grpc.max_receive_message_length", options.max_receive_bytes),
        ("grpc.max_send_message_length", options.max_send_bytes),
        ("grpc.max_metadata_size", options.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes),
        ("grpc.enable_retries", 0),
        ("grpc.service_config", _SERVICE_CONFIG),
        # A server must not be able to change how often or whether we repeat a call.
        ("grpc.service_config_disable_resolution", 1),
    ]
    if options.tls is not None and options.tls.server_name is not None:
        arguments.append(("grpc.ssl_target_name_override", options.tls.server_name))
    return arguments


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def make_channel(target: str, options: GrpcOptions) -> grpc.aio.Channel:
    """Open a channel; it connects when it is first used. Raises `ConfigError` for a PEM file."""
    arguments = channel_arguments(options)
    if options.tls is None:
        return grpc.aio.insecure_channel(target, options=arguments)
    # Refuses now what grpcio would refuse at each call, as if the server were down.
    client_context(options.tls)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=read_pem(options.tls.ca),
        private_key=read_pem(options.tls.key),
        certificate_chain=read_pem(options.tls.certificate),
    )
    return grpc.aio.secure_channel(target, credentials, options=arguments)
