"""The sections about gRPC calls that fail: fallback, breaker, rollback.

Belongs here: their keys, each checked by itself. Does not: what a route's safety and the legacy
upstream have to do with them (`cutover_checks`), what they do (`cutover`).
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.config.base import Distinct, Section, SomeEntry
from proxy.config.scalars import Number
from proxy.config.units import DURATION, Quantity

FallbackOn = Literal["not_ready", "unimplemented", "unavailable", "translate_error"]
#: Failures after which only a safe call may be made again: the server may have seen the first.
FOR_SAFE_CALLS: Final = frozenset[FallbackOn]({"unimplemented", "unavailable"})


class Fallback(Section):
    """When legacy answers a request whose gRPC call failed. Answers say so in a header."""

    on: Annotated[tuple[FallbackOn, ...], SomeEntry, Distinct] = Field(
        default=("not_ready",),
        description=(
            "After which failures. `not_ready`: nothing of the call can have left this process. "
            "`translate_error`: the proxy could not make the message; nothing was sent. "
            "`unimplemented` and `unavailable`: the server may have seen the call, so only routes "
            "whose `safety` is `safe` take them. A write that may have been sent never falls back."
        ),
        examples=[["not_ready", "unavailable"]],
    )
    max_ratio: Annotated[float, Number(0.01, 1)] = Field(
        default=0.2,
        description=(
            "Share of a route's gRPC requests that may fall back, in the long run, so that legacy "
            "gets no second load from a server that fails half of its calls. For one that is away "
            "there is the breaker."
        ),
        examples=[0.05],
    )


class Breaker(Section):
    """When a route turns to legacy for a moment: its gRPC server does not answer."""

    failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5,
        description=(
            "Failures in a row, of the transport and not of the application, that open it."
        ),
        examples=[10],
    )
    open_for_s: Annotated[float, Quantity(DURATION, "50ms", "5m")] = Field(
        default=0.5,
        alias="open_for",
        description="How long it stays open before one request tries gRPC again.",
        examples=["2s"],
    )


class Rollback(Section):
    """When a route goes back to legacy by itself and stays there until an operator acts."""

    max_e_value: Annotated[float, Number(10, 1_000_000_000)] = Field(
        default=100.0,
        description=(
            "Evidence that gRPC fails more often than legacy at which it goes back. With equal "
            "rates the chance of a false alarm is at most one in this number."
        ),
        examples=[1000],
    )
    allowed_ratio: Annotated[float, Number(1, 100)] = Field(
        default=1.0,
        description="How many times legacy's error rate gRPC's may be.",
        examples=[1.5],
    )
    latency_ratio: Annotated[float | None, Number(1, 100, can_be_off=True)] = Field(
        default=1.2,
        description=(
            "How many times as often as legacy gRPC may exceed legacy's own 95th and 99th "
            "percentile. `off`: latency is no reason."
        ),
        examples=["off"],
    )
    interval_s: Annotated[float, Quantity(DURATION, "1s", "1h")] = Field(
        default=60.0,
        alias="interval",
        description="How often latencies are compared.",
        examples=["5m"],
    )
    threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        default=3,
        description="Comparisons in a row that must fail before it goes back for its latency.",
        examples=[5],
    )
    min_requests: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        default=200,
        description=(
            "Requests that each side needs in an interval; with fewer the comparison neither "
            "fails nor passes."
        ),
        examples=[1000],
    )
