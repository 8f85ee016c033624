"""What a valid configuration says of one RPC, and what descriptors say of it: values only.

Belongs here: the two. Does not: how the first is put together (`resolved`), what is wrong between
them (`rpc_checks`).
"""

from dataclasses import dataclass
from datetime import date

from proxy.config.answer_dialect import AnswerDialect
from proxy.config.canary import Canary
from proxy.config.compare import Compare
from proxy.config.dialects import Dialect
from proxy.config.gate import Gate
from proxy.config.mirror import Mirror
from proxy.config.options import (
    Names,
    Safety,
    Stage,
    StreamFormat,
    TrailingSlash,
    UnknownFields,
)
from proxy.config.request_dialect import RequestDialect
from proxy.config.safeguards import Breaker, Fallback, Rollback
from proxy.config.shape import Profile


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """All options of one RPC: its entry's, else those of `defaults`, else the built-in ones.

    *upstream* is None when no gRPC upstream serves it; *compress_min_bytes* when answers are not
    compressed. *listed* says whether the RPC has an entry in `routes`. *fallback*, *breaker*,
    *rollback*, *mirror* and *gate* are None when they are off, and where there is no legacy
    upstream to turn to.
    *safety* is None when the descriptors are to say it. *requests* and *answers* have every setting
    of the *dialect*; *shape* is None where the JSON is ProtoJSON.
    """

    rpc: str
    name: str
    listed: bool
    has_legacy: bool
    stage: Stage
    safety: Safety | None
    safety_reason: str | None
    canary: Canary | None
    fallback: Fallback | None
    breaker: Breaker | None
    rollback: Rollback | None
    mirror: Mirror | None
    compare: Compare | None
    gate: Gate | None
    dialect: Dialect
    requests: RequestDialect
    answers: AnswerDialect
    shape: Profile | None
    owner: str | None
    target_date: date | None
    upstream: str | None
    timeout_s: float
    max_inflight: int
    unknown_fields: UnknownFields
    trailing_slash: TrailingSlash
    names: Names
    emit_defaults: bool
    enums_as_numbers: bool
    int64_as_numbers: bool
    stream_format: StreamFormat
    reveal_internal_errors: bool
    validates: bool
    request_headers: tuple[str, ...]
    response_metadata: tuple[str, ...]
    max_request_bytes: int
    compress_min_bytes: int | None


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What descriptors say of an RPC.

    *safety* is what a second call would do, *streams_requests* whether clients send any number of
    messages, *can_validate* whether the message has a truth value `validate_only`.
    """

    safety: Safety
    streams_requests: bool
    can_validate: bool = False
