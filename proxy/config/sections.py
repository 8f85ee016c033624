"""The sections about this process.

Belongs here: what the proxy itself listens on, allows, keeps and waits for. Does not: upstreams,
per-route options and who may override them, which have modules of their own.
"""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import NonEmpty, Section
from proxy.config.units import DURATION, SIZE, Quantity

_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]+")


def _checked_host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise PydanticCustomError("host", "must be a host name or an address")
    return host


def _some_text(text: str) -> str | None:
    """None for the empty text of a variable that is not set."""
    return text or None


Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, AfterValidator(_checked_host)]


class Listen(Section):
    """Where clients connect."""

    host: Host = Field(
        default="0.0.0.0",  # noqa: S104 - a proxy in a container serves the container's network
        description="Address to listen on; `::` is IPv6 and, where the system allows it, IPv4.",
        examples=["127.0.0.1"],
    )
    port: Port = Field(default=8080, description="TCP port; 0 takes any free one.", examples=[8080])


class Admin(Section):
    """Where operators connect: health, metrics, routes, moves."""

    host: Host = Field(
        default="127.0.0.1",
        description="Address to listen on. Give another one only inside a closed network.",
        examples=["127.0.0.1"],
    )
    port: Port = Field(
        default=9901,
        description="TCP port, another one than `listen.port`; 0 takes any free one.",
        examples=[9901],
    )
    token_file: NonEmpty | None = Field(
        default=None,
        description=(
            "File with the token, at least 16 visible characters, that requests must carry as "
            "`Authorization: Bearer`. Without it everything can be read and nothing changed."
        ),
        examples=["/etc/cutover/admin.token"],
    )
    open_reads: bool = Field(
        default=False,
        description=(
            "Only beside `token_file`: let everybody read, metrics included, what needs a token "
            "otherwise. Health and readiness never need one."
        ),
        examples=[True],
    )

    @model_validator(mode="after")
    def _reads_need_a_token_to_be_opened(self) -> "Admin":
        if "open_reads" in self.model_fields_set and self.token_file is None:
            message = "has open_reads without a token_file, where reads are open anyway"
            raise PydanticCustomError("open_reads", message)
        return self


class State(Section):
    """What operators changed while it ran, and the record of it: moves, kill switch, audit."""

    directory: Annotated[str, AfterValidator(_some_text)] | None = Field(
        default=None,
        description=(
            "Directory to keep it in; made when it is missing. All processes that share it agree. "
            "Relative to the configuration, outside of it on Kubernetes, where that is read-only. "
            "Without it, or when it is empty as `${STATE_DIR:-}` may be, a temporary one: a "
            "restart forgets every move."
        ),
        examples=["/var/lib/cutover"],
    )


class Reload(Section):
    """When a changed folder is looked at."""

    poll_s: Annotated[float | None, Quantity(DURATION, "100ms", "1h", can_be_off=True)] = Field(
        default=2.0,
        alias="poll",
        description=(
            "How often the content of all files is compared. Names and times do not count, since "
            "Kubernetes swaps whole folders. `off`: only SIGHUP and the admin port reload."
        ),
        examples=["10s"],
    )


class Limits(Section):
    """What one request may hold, and the process. More is refused before an upstream sees it."""

    max_url_bytes: Annotated[int, Quantity(SIZE, "256B", "64KiB")] = Field(
        default=8 << 10,
        description="Request target, path and query, as sent. Beyond: 414.",
        examples=["16KiB"],
    )
    max_header_bytes: Annotated[int, Quantity(SIZE, "1KiB", "1MiB")] = Field(
        default=16 << 10,
        description=(
            "All header fields together. Beyond: 431. gRPC servers refuse more than 16KiB of "
            "metadata, so a larger value helps legacy routes only."
        ),
        examples=["32KiB"],
    )
    max_header_field_bytes: Annotated[int, Quantity(SIZE, "256B", "256KiB")] = Field(
        default=8 << 10,
        description="One header field, name and value; at most `max_header_bytes`. Beyond: 431.",
        examples=["16KiB"],
    )
    max_headers: Annotated[int, Field(ge=8, le=10_000)] = Field(
        default=128, description="Number of header fields. Beyond: 431.", examples=[200]
    )
    max_query_parameters: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1000,
        description="Query parameters of a transcoded request. Beyond: 400.",
        examples=[200],
    )
    max_json_depth: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100,
        description=(
            "Nesting of a JSON body. Beyond: 400. Protobuf parsers stop at 100 levels, so that is "
            "also the most that can be asked for."
        ),
        examples=[32],
    )
    max_object_keys: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1000,
        description="Keys of one JSON object in a body, maps included. Beyond: 400.",
        examples=[10_000],
    )
    max_inflight: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=4096,
        description=(
            "Requests that a process serves at one time; none waits for a place. Beyond: 503 with "
            "`Retry-After`, at once."
        ),
        examples=[1024],
    )
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000,
        description=(
            "Client connections that a process holds at one time. Beyond: 503, and closed. Each "
            "needs a file descriptor; the system's limit of those should be well above."
        ),
        examples=[50_000],
    )


class Connections(Section):
    """Connections from clients."""

    keepalive_timeout_s: Annotated[float, Quantity(DURATION, "1s", "1h")] = Field(
        default=75.0,
        alias="keepalive_timeout",
        description=(
            "How long a connection may stay open without a request. Keep it above the idle time "
            "of the load balancer in front, or requests meet a closing connection."
        ),
        examples=["2m"],
    )
    header_timeout_s: Annotated[float, Quantity(DURATION, "100ms", "5m")] = Field(
        default=10.0,
        alias="header_timeout",
        description=(
            "How long a request's header may take to arrive, from its first byte, and on a new "
            "connection from the start. Beyond: 408, or closed when nothing came."
        ),
        examples=["5s"],
    )


class Drain(Section):
    """How the process stops after SIGTERM."""

    wait_s: Annotated[float, Quantity(DURATION, "0s", "5m")] = Field(
        default=0.0,
        alias="wait",
        description=(
            "How long to go on serving, not ready any more, before new connections are refused. "
            "Gives load balancers time to look elsewhere; on Kubernetes 5s to 15s."
        ),
        examples=["10s"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, "0s", "1h")] = Field(
        default=30.0,
        alias="timeout",
        description="How long requests in flight may then take before they are cut off.",
        examples=["1m"],
    )


class Forwarding(Section):
    """Whom to believe about the client: `X-Forwarded-*` and `Forwarded`."""

    trusted_hops: Annotated[int, Field(ge=0, le=32)] = Field(
        default=0,
        description=(
            "Number of proxies of your own in front of this one. Their entries, counted from the "
            "right, are believed and passed on; 0 discards what the client sent and starts anew."
        ),
        examples=[1],
    )


class Debug(Section):
    """Help for people who try things out."""

    expose_side: bool = Field(
        default=False,
        description="Add `x-cutover-side` to each answer: `legacy`, `grpc` or `proxy`.",
        examples=[True],
    )
