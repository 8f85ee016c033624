"""The section of a gate: what a route must show before it may be promoted.

Belongs here: its keys, each checked by itself. Does not: what follows from them (`gate`).
"""

from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from proxy.comparison.kinds import Kind
from proxy.config.base import Distinct, Section
from proxy.config.scalars import Share
from proxy.config.units import DURATION, Quantity
from proxy.gate.options import GateOptions

_DEFAULTS: Final = GateOptions()


def _kind(name: str) -> str:
    if name not in [*Kind]:
        raise PydanticCustomError("kind", "must be a kind of difference")
    return name


class Gate(Section):
    """What a route must show before `promote` moves it. Shares are written as 0.1% or 0.001."""

    max_mismatch: Annotated[float, Share(0.000001, 0.5, bare=0.01)] = Field(
        default=_DEFAULTS.max_mismatch,
        description="The rate of mismatches that is allowed; above 0.01 it needs its sign.",
        examples=["0.5%"],
    )
    confidence: Annotated[float, Share(0.5, 0.999999)] = Field(
        default=_DEFAULTS.confidence,
        description=(
            "How sure it must be that the rate is not higher, however often somebody looks."
        ),
        examples=["99%"],
    )
    min_keys: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=_DEFAULTS.min_keys,
        description="Clients, by sticky key or address, of which requests must have been compared.",
        examples=[50],
    )
    min_duration_s: Annotated[float, Quantity(DURATION, "0s", "365d")] = Field(
        default=_DEFAULTS.min_duration_s,
        alias="min_duration",
        description="How long requests must have been compared: a day, or a week for billing.",
        examples=["7d"],
    )
    min_field_coverage: Annotated[float, Share(0, 1)] = Field(
        default=_DEFAULTS.min_field_coverage,
        description=(
            "Share of the answer's fields that legacy must have filled at least once. Counts only "
            "where answers are compared, with `depth: rpc`."
        ),
        examples=["75%"],
    )
    max_unseen_mass: Annotated[float, Share(0, 1)] = Field(
        default=_DEFAULTS.max_unseen_mass,
        description=(
            "Estimated share of requests of a shape that has not been seen yet that is allowed."
        ),
        examples=["5%"],
    )
    max_noise: Annotated[float, Share(0, 1)] = Field(
        default=_DEFAULTS.max_noise,
        description="Share of comparisons in which legacy may disagree with itself.",
        examples=["1%"],
    )
    max_transient: Annotated[float, Share(0, 1)] = Field(
        default=_DEFAULTS.max_transient,
        description="Share of comparisons in which the sides may agree only at the second attempt.",
        examples=["1%"],
    )
    max_uncompared: Annotated[float, Share(0, 1)] = Field(
        default=0.05,
        description="Share of mirrors begun that may fail, time out or not be comparable.",
        examples=["1%"],
    )
    forbid: Annotated[tuple[Annotated[str, AfterValidator(_kind)], ...], Distinct] = Field(
        default=tuple(kind.value for kind in Kind if kind in _DEFAULTS.forbid),
        description=(
            "Kinds of difference of which a single mismatch in an answer blocks. In requests, "
            "where a client may make names up, they count for `max_mismatch` alone."
        ),
        examples=[["status_class", "missing_field"]],
    )
