"""What can be set per route: the options, their defaults for all routes, and the routes.

Each option stands once, in `Options`, with its built-in default. `defaults` changes it for every
route and a `routes` entry for one; what a section sets is told by pydantic's record of the keys
that were given, so a default never hides behind a value that means "not set".
"""

import re
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.answer_dialect import AnswerDialect
from proxy.config.base import Distinct, NonEmpty, OrOff
from proxy.config.canary import Canary
from proxy.config.compare import Compare
from proxy.config.dialects import Dialect
from proxy.config.gate import Gate
from proxy.config.mirror import Mirror
from proxy.config.request_dialect import RequestDialect
from proxy.config.safeguards import Breaker, Fallback, Rollback
from proxy.config.scalars import Day
from proxy.config.shape import Shape
from proxy.config.units import DURATION, SIZE, Quantity
from proxy.transcoding.metadata import is_denied

Stage = Literal["legacy", "shadow", "canary", "grpc"]
#: The stages in which gRPC is called, or is about to be.
STAGES_OF_GRPC: Final = frozenset[Stage]({"shadow", "canary", "grpc"})
Safety = Literal["safe", "idempotent", "unsafe"]
UnknownFields = Literal["warn", "reject", "ignore"]
TrailingSlash = Literal["strict", "ignore"]
Names = Literal["json", "proto"]
StreamFormat = Literal["array", "ndjson", "sse"]

_RPC: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: What metadata keys may be made of (gRPC over HTTP/2, "Custom-Metadata").
_METADATA_KEY: Final = re.compile(r"[0-9a-z_.-]+")

#: Headers that the proxy makes for its own answers.
_OF_ANSWERS: Final = frozenset({"date", "server"})

#: The label of requests that no route maps, so no route may have it.
UNMAPPED: Final = "unmapped"


def _request_header(name: str) -> str:
    """A header name in lower case, when the configuration may name it."""
    key = name.lower()
    if not _METADATA_KEY.fullmatch(key):
        raise PydanticCustomError("metadata_key", "must be a name of letters, digits, -, _ and .")
    if is_denied(key):
        message = "must not be a header of the connection, the framing or gRPC"
        raise PydanticCustomError("metadata_denied", message)
    return key


def _response_metadata(name: str) -> str:
    key = _request_header(name)
    if key in _OF_ANSWERS:
        raise PydanticCustomError("answer_header", "must not be a header that the proxy makes")
    return key


def _rpc_name(name: str) -> str:
    if not _RPC.fullmatch(name):
        message = "must be a full method name such as dns.v1.RecordService.GetRecord"
        raise PydanticCustomError("rpc_name", message)
    return name


def _route_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name == UNMAPPED:
        message = "must be lower-case letters, digits and single hyphens, and not {unmapped}"
        raise PydanticCustomError("route_name", message, {"unmapped": UNMAPPED})
    return name


class Options(RequestDialect, AnswerDialect):
    """What can be set for one route, and in `defaults` for all of them."""

    stage: Stage | None = Field(
        default=None,
        description=(
            "Which side answers: `legacy`, `grpc`, or in `canary` both, by the client. In `shadow` "
            "it is legacy, and gRPC gets the mirror. Without it: `legacy` when there is a legacy "
            "upstream, else `grpc`. Operators move it while the proxy runs."
        ),
        examples=["grpc"],
    )
    canary: Canary | None = Field(
        default=None,
        description=(
            "Who goes to gRPC in stage `canary`. In other stages it is kept ready. A route's keys "
            "go before those of `defaults`, one by one; `percent` and `steps` replace each other."
        ),
        examples=[{"percent": 5, "sticky": [{"header": "x-user-id"}]}],
    )
    fallback: Annotated[Fallback | None, OrOff()] = Field(
        default=Fallback(),
        description=(
            "When legacy answers a request whose gRPC call failed; `off` is never. Needs a legacy "
            "upstream. A route's keys go before those of `defaults`, one by one."
        ),
        examples=[{"on": ["not_ready", "unavailable"]}],
    )
    breaker: Annotated[Breaker | None, OrOff()] = Field(
        default=Breaker(),
        description=(
            "When the route turns to legacy for a moment; `off` is never. Needs a legacy upstream. "
            "A route's keys go before those of `defaults`, one by one."
        ),
        examples=[{"failures": 10}],
    )
    rollback: Annotated[Rollback | None, OrOff()] = Field(
        default=Rollback(),
        description=(
            "When the route goes back to legacy by itself; `off` is never. Needs a legacy "
            "upstream. A route's keys go before those of `defaults`, one by one."
        ),
        examples=["off"],
    )
    mirror: Annotated[Mirror | None, OrOff()] = Field(
        default=None,
        description=(
            "Which requests are repeated on the other side; `off`: none. In stage `legacy` it is "
            "kept ready. A route's keys go before those of `defaults`, one by one."
        ),
        examples=[{"percent": 10}],
    )
    compare: Compare | None = Field(
        default=None,
        description=(
            "How the answers of mirrored requests are compared. A route's keys go before those of "
            "`defaults`, one by one."
        ),
        examples=[{"status": "class"}],
    )
    gate: Annotated[Gate | None, OrOff()] = Field(
        default=None,
        description=(
            "What a route must show before `promote` moves it; `off`: nothing. Without it: what is "
            "built in for routes with a mirror, nothing for others. A route's keys go before those "
            "of `defaults`, one by one."
        ),
        examples=[{"max_mismatch": "0.5%"}],
    )
    dialect: Dialect = Field(
        default="spec",
        description=(
            "Whose observable behaviour to copy where implementations differ: it changes what is "
            "built in for the settings in the table of [dialects](dialects.md), and nothing that "
            "a route or `defaults` gives itself."
        ),
        examples=["grpc-gateway"],
    )
    shape: Annotated[Shape | None, OrOff()] = Field(
        default=None,
        description=(
            "How the legacy JSON differs from ProtoJSON; `off`: not at all. A route's keys go "
            "before those of its profile, and these before those of `defaults`, one by one."
        ),
        examples=[{"names": "snake"}],
    )
    owner: NonEmpty | None = Field(
        default=None,
        description="Who answers for the move; shown to operators.",
        examples=["team-dns"],
    )
    target_date: Annotated[date, Day()] | None = Field(
        default=None,
        description="Day by which the move is to be done; `cutover stale` lists what is late.",
        examples=["2026-12-01"],
    )
    upstream: str | None = Field(
        default=None,
        description=(
            "Name of the gRPC upstream. In a route it goes before every `services` entry; in "
            "`defaults` it takes the services that no entry names."
        ),
        examples=["dns"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, "1ms", "1h")] = Field(
        default=15.0,
        alias="timeout",
        description=(
            "How long a call may take, streams included; a client's `Grpc-Timeout` can shorten "
            "it. On the legacy side: until the answer begins. Beyond: 504."
        ),
        examples=["2s"],
    )
    max_inflight: Annotated[int | None, Field(ge=1, le=1_000_000)] = Field(
        default=None,
        description=(
            "Requests that a process serves for the route at one time, whichever side answers. "
            "Beyond: 503 with `Retry-After`, at once. Without it: `limits.max_inflight`, which "
            "costs less to refuse at."
        ),
        examples=[100],
    )
    unknown_fields: UnknownFields = Field(
        default="warn",
        description=(
            "Query parameters and body fields that the message lacks: `warn` accepts, counts and "
            "logs them, `reject` answers 400, `ignore` says nothing."
        ),
        examples=["reject"],
    )
    trailing_slash: TrailingSlash = Field(
        default="strict",
        description="`strict`: `/a/` is another path than `/a`. `ignore`: it is the same.",
        examples=["ignore"],
    )
    names: Names = Field(
        default="json",
        description="Field names in answers: `json` (lowerCamelCase) or `proto`.",
        examples=["proto"],
    )
    emit_defaults: bool = Field(
        default=False,
        description="Write fields that hold their default value into answers.",
        examples=[True],
    )
    enums_as_numbers: bool = Field(
        default=False, description="Write enums in answers as numbers.", examples=[True]
    )
    int64_as_numbers: bool = Field(
        default=False,
        description=(
            "Write 64-bit integers in answers as numbers. JavaScript reads those above 2^53 wrong."
        ),
        examples=[True],
    )
    stream_format: StreamFormat = Field(
        default="array",
        description=(
            "Form of a streamed answer when the client's `Accept` asks for neither "
            "`application/x-ndjson` nor `text/event-stream`."
        ),
        examples=["ndjson"],
    )
    reveal_internal_errors: bool = Field(
        default=False,
        description=(
            "Show clients the texts of UNKNOWN and INTERNAL errors, message and details, in which "
            "servers leak exceptions."
        ),
        examples=[True],
    )
    validates: bool = Field(
        default=False,
        alias="validate",
        description=(
            "Hold requests against the rules that their messages have in the proto "
            "(`buf.validate`): what breaks one gets 400 with every field at fault, and no call."
        ),
        examples=[True],
    )
    request_headers: Annotated[
        tuple[Annotated[str, AfterValidator(_request_header)], ...], Distinct
    ] = Field(
        default=(
            "authorization",
            "traceparent",
            "tracestate",
            "baggage",
            "accept-language",
            "x-request-id",
        ),
        description=(
            "Request headers that become metadata; case does not matter. `Grpc-Metadata-*` "
            "headers always do. All others stop here."
        ),
        examples=[["authorization", "x-tenant"]],
    )
    response_metadata: Annotated[
        tuple[Annotated[str, AfterValidator(_response_metadata)], ...], Distinct
    ] = Field(
        default=("x-request-id",),
        description="Metadata and trailers of the answer that become response headers.",
        examples=[["x-request-id", "etag"]],
    )
    max_request_bytes: Annotated[int, Quantity(SIZE, "0B", "2047MiB")] = Field(
        default=1 << 20,
        description="Largest request body to transcode. Beyond: 413.",
        examples=["16MiB"],
    )
    compress_min_bytes: Annotated[int | None, Quantity(SIZE, "0B", "2047MiB", can_be_off=True)] = (
        Field(
            default=1 << 10,
            description=(
                "Smallest answer to compress for clients that accept gzip; `off` never compresses. "
                "Answers of the legacy side stay as they come."
            ),
            examples=["off"],
        )
    )


class Defaults(Options):
    """Options of every route that does not set its own, RPCs without an entry included."""


class Route(Options):
    """One RPC with all its bindings. An annotated RPC needs an entry only to differ."""

    rpc: Annotated[str, AfterValidator(_rpc_name)] = Field(
        description="Full method name.", examples=["dns.v1.RecordService.GetRecord"]
    )
    name: Annotated[str, AfterValidator(_route_name)] | None = Field(
        default=None,
        description=(
            "Stable name: metric label, log field. Without it, made from the service and the "
            "method: `record-service-get-record`."
        ),
        examples=["get-record"],
    )
    safety: Safety | None = Field(
        default=None,
        description=(
            "What a second call would do. `safe`: nothing, it only reads. `idempotent`: what the "
            "first did. `unsafe`: more. It decides about fallback, breaker probes and retries. "
            "Without it, by `idempotency_level` and the HTTP methods: GET and HEAD are safe, PUT "
            "and DELETE idempotent, all others unsafe."
        ),
        examples=["idempotent"],
    )
    safety_reason: NonEmpty | None = Field(
        default=None,
        description="Why `safety: safe` holds for an RPC that is bound to other methods than GET.",
        examples=["a search with its terms in the body"],
    )

    @model_validator(mode="after")
    def _reason_for_something(self) -> "Route":
        if self.safety_reason is not None and self.safety != "safe":
            raise PydanticCustomError("safety_reason", "has safety_reason without safety: safe")
        return self
