"""The servers behind the proxy: the legacy REST host and the gRPC upstreams."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, Section, SomeEntry
from proxy.config.units import DURATION, SIZE, Quantity
from proxy.transcoding.metadata import is_denied

#: The upstream that is spoken to in HTTP; all others are gRPC.
LEGACY: Final = "legacy"

UPSTREAM_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VISIBLE: Final = re.compile(r"[!-~]+")
#: What metadata keys may be made of (gRPC over HTTP/2, "Custom-Metadata").
_METADATA_KEY: Final = re.compile(r"[0-9a-z_.-]+")
_SERVICE_GLOB: Final = re.compile(r"\*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\.\*)?", re.ASCII)


def _checked_url(url: str) -> str:
    """An origin without its optional final slash; pydantic turns the errors into its own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    known = parts.scheme in ("http", "https") and parts.hostname and _VISIBLE.fullmatch(url)
    if not known or port == 0:
        raise PydanticCustomError("url", "must be http://host[:port] or https://host[:port]")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("url_secret", "must not hold a user or a password")
    if parts.path not in ("", "/") or any(mark in url for mark in "?#"):
        message = "must end after the host and port: paths are passed on as they come"
        raise PydanticCustomError("url_path", message)
    return url.removesuffix("/")


def _checked_target(target: str) -> str:
    if not _VISIBLE.fullmatch(target):
        raise PydanticCustomError("target", "must be a gRPC target such as dns:///host:port")
    return target


def _checked_glob(glob: str) -> str:
    if not _SERVICE_GLOB.fullmatch(glob):
        message = "must be a full service name, a package with .* behind it, or *"
        raise PydanticCustomError("service_glob", message)
    return glob


def _metadata_key(name: str) -> str:
    key = name.lower()
    if not _METADATA_KEY.fullmatch(key) or is_denied(key) or key.endswith("-bin"):
        message = "must be the name of metadata that holds text"
        raise PydanticCustomError("metadata_key", message)
    return key


class LegacyTls(Section):
    """How to verify the legacy host; needs an `https` URL."""

    ca: NonEmpty | None = Field(
        default=None,
        description="File of PEM certificates to trust in place of the system's.",
        examples=["/etc/tls/ca.pem"],
    )


class LegacyUpstream(Section):
    """The old REST host. Requests reach it as they came."""

    url: Annotated[str, AfterValidator(_checked_url)] = Field(
        description="Scheme, host and port. A path is refused: the request's own is used.",
        examples=["http://legacy:8080"],
    )
    tls: LegacyTls | None = Field(
        default=None,
        description="How to verify the host, for `https`.",
        examples=[{"ca": "ca.pem"}],
    )
    connect_timeout_s: Annotated[float, Quantity(DURATION, "10ms", "5m")] = Field(
        default=5.0,
        alias="connect_timeout",
        description="How long a new connection may take, TLS included.",
        examples=["2s"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, "10ms", "1h")] = Field(
        default=60.0,
        alias="timeout",
        description=(
            "How long the answer to a request that no route maps may take to begin. Routes have "
            "their own `timeout`. Beyond: 504."
        ),
        examples=["30s"],
    )
    idle_timeout_s: Annotated[float, Quantity(DURATION, "10ms", "1h")] = Field(
        default=60.0,
        alias="idle_timeout",
        description="How long an answer that has begun may stall before it is cut off.",
        examples=["5m"],
    )
    max_connections: Annotated[int, Field(ge=1, le=65_535)] = Field(
        default=1000,
        description="Connections open at one time; more requests wait for a free one.",
        examples=[200],
    )

    @model_validator(mode="after")
    def _tls_needs_https(self) -> "LegacyUpstream":
        if self.tls is not None and not self.url.startswith("https:"):
            raise PydanticCustomError("tls_url", "has tls, but its url is not https")
        return self


class Tls(Section):
    """How a gRPC upstream is verified, and how the proxy shows who it is."""

    ca: NonEmpty | None = Field(
        default=None,
        description="File of PEM certificates to trust in place of gRPC's built-in ones.",
        examples=["/etc/tls/ca.pem"],
    )
    cert: NonEmpty | None = Field(
        default=None,
        description="File of the client certificate, PEM, with its chain. Needs `key`.",
        examples=["/etc/tls/client.pem"],
    )
    key: NonEmpty | None = Field(
        default=None,
        description="File of the client certificate's private key, PEM. Needs `cert`.",
        examples=["/etc/tls/client.key"],
    )
    server_name: NonEmpty | None = Field(
        default=None,
        description="Name to find in the server's certificate in place of the target's host.",
        examples=["dns.internal"],
    )

    @model_validator(mode="after")
    def _certificate_needs_key(self) -> "Tls":
        if (self.cert is None) != (self.key is None):
            raise PydanticCustomError("tls_pair", "must give cert and key together")
        return self


class GrpcUpstream(Section):
    """A gRPC server. Exactly one of `tls` and `plaintext: true` must be given."""

    target: Annotated[str, AfterValidator(_checked_target)] = Field(
        description="gRPC target: `host:port`, `dns:///host:port`, `unix:/path`.",
        examples=["dns:///dns:50051"],
    )
    tls: Tls | None = Field(
        default=None,
        description="Verify the server; `{}` trusts gRPC's built-in certificates.",
        examples=[{"ca": "/etc/tls/ca.pem"}],
    )
    plaintext: bool = Field(
        default=False,
        description="Talk without TLS: whoever is on the way can read and change everything.",
        examples=[True],
    )
    transport: Literal["grpcio", "h2"] = Field(
        default="grpcio",
        description=(
            "How it is called. `grpcio` is gRPC's own library. `h2` is an HTTP/2 client inside "
            "the event loop that needs a fraction of the CPU time; it takes targets `host:port`, "
            "`dns:///host:port`, `dns://server/host:port`, `ipv4:`, `ipv6:` and `unix:` only, and "
            "`tls: {}` trusts the system's certificates. Both connect to every address of the "
            "target."
        ),
        examples=["h2"],
    )
    services: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_glob)], ...],
        Distinct,
        SomeEntry,
    ] = Field(
        default=("*",),
        description=(
            "Services it serves: full names, packages (`dns.v1.*`, with all below) or `*`. The "
            "most specific entry of all upstreams wins; the same entry in two is refused."
        ),
        examples=[["dns.v1.*"]],
    )
    max_reconnect_backoff_s: Annotated[float, Quantity(DURATION, "100ms", "2m")] = Field(
        default=1.0,
        alias="max_reconnect_backoff",
        description=(
            "Longest pause between two attempts to connect; the first one is 100ms. It bounds how "
            "long a server that came back goes unnoticed."
        ),
        examples=["5s"],
    )
    keepalive_time_s: Annotated[float, Quantity(DURATION, "100ms", "1h")] = Field(
        default=20.0,
        alias="keepalive_time",
        description=(
            "Silence on a connection with open calls after which it is pinged. Servers may close "
            "connections that ping more often than they allow."
        ),
        examples=["1m"],
    )
    keepalive_timeout_s: Annotated[float, Quantity(DURATION, "100ms", "5m")] = Field(
        default=5.0,
        alias="keepalive_timeout",
        description="How long an answer to a ping may take before the connection counts as dead.",
        examples=["10s"],
    )
    max_receive_bytes: Annotated[int, Quantity(SIZE, "1KiB", "2047MiB")] = Field(
        default=4 << 20,
        description="Largest message to accept from it. Beyond: 502.",
        examples=["64MiB"],
    )
    max_send_bytes: Annotated[int, Quantity(SIZE, "1KiB", "2047MiB")] = Field(
        default=4 << 20,
        description="Largest message to send to it. Beyond: 413.",
        examples=["16MiB"],
    )
    health: Literal["auto", "off"] = Field(
        default="auto",
        description=(
            "`auto` follows `grpc.health.v1` when the server has it; `off` never asks. It decides "
            "readiness; calls are made in any case."
        ),
        examples=["off"],
    )
    max_inflight: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=2048,
        description=(
            "Calls that a process has open to it at one time, streams included. Beyond: not sent, "
            "503 with `Retry-After`, at once; legacy is not asked instead. It keeps a frozen "
            "server from holding all of `limits.max_inflight`."
        ),
        examples=[100],
    )
    max_connections: Annotated[int, Field(ge=1, le=64)] = Field(
        default=4,
        description=(
            "Connections that a process makes to one address. Another one is made when those there "
            "are have three quarters of the calls that the server allows on each, and closed when "
            "it was not needed for half a minute. Calls beyond all of them wait, until their "
            "deadlines."
        ),
        examples=[1],
    )
    max_streams: Annotated[int | None, Field(ge=1, le=100_000)] = Field(
        default=None,
        description=(
            "Calls that the server is taken to allow on one connection; no limit, but what another "
            "connection is made by. Without it: what the server says with transport `h2`, and 100, "
            "which many servers allow, with `grpcio`, which cannot tell."
        ),
        examples=[250],
    )
    resolve_every_s: Annotated[float, Quantity(DURATION, "100ms", "1h")] = Field(
        default=2.0,
        alias="resolve_every",
        description=(
            "How often the target's name is looked up, so that servers which come and go are "
            "noticed. Addresses and sockets are never looked up."
        ),
        examples=["10s"],
    )
    retries: bool = Field(
        default=True,
        description=(
            "Send a call again after UNAVAILABLE, at most twice, when the method is idempotent. "
            "Other methods are never sent twice."
        ),
        examples=[False],
    )

    shadow_sink: bool = Field(
        default=False,
        description=(
            "Its data is there for mirrors: a write that is done twice does no harm. Routes with "
            "`mirror.allow_unsafe` need it."
        ),
        examples=[True],
    )
    version_metadata: Annotated[str, AfterValidator(_metadata_key)] | None = Field(
        default=None,
        description=(
            "Metadata of its answers that says which version of the server made them. Evidence "
            "begins anew when it changes."
        ),
        examples=["x-version"],
    )

    @model_validator(mode="after")
    def _exactly_one_transport(self) -> "GrpcUpstream":
        if self.plaintext == (self.tls is not None):
            raise PydanticCustomError(
                "transport", "must have exactly one of tls and plaintext: true"
            )
        return self


class Upstreams(Section):
    """All upstreams by name. `legacy` is the REST host, every other name a gRPC server."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, GrpcUpstream] = Field(init=False)

    legacy: LegacyUpstream | None = Field(
        default=None,
        description="The old REST host. Without it, requests that no route maps get 404.",
        examples=[{"url": "http://legacy:8080"}],
    )

    @property
    def grpc(self) -> Mapping[str, GrpcUpstream]:
        """The gRPC upstreams by name."""
        return MappingProxyType(self.__pydantic_extra__ or {})
