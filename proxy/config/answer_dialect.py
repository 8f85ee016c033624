"""The settings in which peers differ about answers, and what each dialect sets.

Belongs here: a key for each row of the table, with the value of dialect `spec` as its default, and
what the other dialects have instead. Does not: what a setting does (`transcoding`, `shape`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import Field

from proxy.config.error_dialect import ErrorDialect


class AnswerDialect(ErrorDialect):
    """How answers are written where the field disagrees."""

    stream_choice: Literal["accept", "fixed"] = Field(
        default="accept",
        description=(
            "Who chooses the form of a streamed answer. `accept`: the client, by `Accept`, and "
            "`stream_format` where it names none. `fixed`: always `stream_format`."
        ),
        examples=["fixed"],
    )
    stream_envelope: Literal["none", "result"] = Field(
        default="none",
        description=(
            'What stands around each message of an NDJSON or event stream. `result`: `{"result": '
            'MESSAGE}`; an error is `{"error": STATUS}` then, before the first message too.'
        ),
        examples=["result"],
    )
    stream_content_type: Literal["own", "json"] = Field(
        default="own",
        description="Content type of NDJSON: `own`, `application/x-ndjson`, or `json`.",
        examples=["json"],
    )
    emit_unset: bool = Field(
        default=False,
        description=(
            "Write fields with presence that are not set, such as messages, into answers as null, "
            "but for members of a oneof and `optional` fields. A shape says it by its `unset`."
        ),
        examples=[True],
    )
    forward_headers: Literal["list", "grpc-gateway", "all"] = Field(
        default="list",
        description=(
            "Request headers that become metadata. `list`: those of `request_headers`. "
            "`grpc-gateway`: also the permanent ones of IANA, with the prefix `grpcgateway-`, and "
            "where the request came from, as `x-forwarded-for` and `x-forwarded-host`. `all`: "
            "every one. Headers of the connection, of the framing and of gRPC never do."
        ),
        examples=["grpc-gateway"],
    )
    expose_metadata: Literal["list", "grpc-gateway", "all"] = Field(
        default="list",
        description=(
            "Metadata of the answer that becomes response headers. `list`: that of "
            "`response_metadata`. `grpc-gateway`: also all, with the prefix `Grpc-Metadata-`, or "
            "`Grpc-Trailer-` for trailers. `all`: all, but for what the proxy itself says."
        ),
        examples=["grpc-gateway"],
    )
    expose_trailers: Literal["always", "asked", "never"] = Field(
        default="always",
        description=(
            "When trailers of an answer that is no stream count as metadata of the answer: "
            "`asked` is for clients that send `TE: trailers`."
        ),
        examples=["asked"],
    )
    system_parameters: Literal["ignore", "honour"] = Field(
        default="ignore",
        description=(
            "Query parameters that Google's APIs have beside the fields of a request. `honour`: "
            "`$alt` and `$prettyPrint`, which say how the answer is written, do so; others are "
            "passed over. `ignore`: all are."
        ),
        examples=["honour"],
    )
    http_body: Literal["raw", "by_alt"] = Field(
        default="raw",
        description=(
            "How `google.api.HttpBody` goes over the wire. `raw`: as the bytes it holds. `by_alt`: "
            "as JSON, like any message, for requests that say `$alt=json`."
        ),
        examples=["by_alt"],
    )


#: What both versions of grpc-gateway do.
_GATEWAY: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "stream_format": "ndjson",
        "stream_choice": "fixed",
        "stream_envelope": "result",
        "stream_content_type": "json",
        "forward_headers": "grpc-gateway",
        "expose_metadata": "grpc-gateway",
        "expose_trailers": "asked",
    }
)

#: By dialect, what it sets other than `spec`.
ANSWERS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "google": {
            "stream_choice": "fixed",
            "system_parameters": "honour",
            "http_body": "by_alt",
        },
        "grpc-gateway": {**_GATEWAY, "emit_defaults": True, "emit_unset": True},
        "grpc-gateway-v1": {**_GATEWAY, "names": "proto"},
        "envoy": {
            "stream_choice": "fixed",
            "stream_content_type": "json",
            "forward_headers": "all",
            "expose_metadata": "all",
            "expose_trailers": "never",
        },
    }
)
