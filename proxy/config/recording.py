"""The section about recording exchanges: the most that anybody may ask for.

Belongs here: its keys. Does not: what may be kept of an exchange, which nobody can loosen
(`recordings.redaction`).
"""

from typing import Annotated

from pydantic import Field

from proxy.config.base import Section
from proxy.config.units import DURATION, SIZE, Quantity


class Record(Section):
    """What one recording may take. Whoever starts one says how much of it."""

    max_exchanges: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Exchanges of one recording.",
        examples=[500],
    )
    max_bytes: Annotated[int, Quantity(SIZE, "1KiB", "4GiB")] = Field(
        default=64 << 20,
        description="Bytes of one recording, as lines of JSON.",
        examples=["16MiB"],
    )
    max_duration_s: Annotated[float, Quantity(DURATION, "1s", "24h")] = Field(
        default=3600.0,
        alias="max_duration",
        description="How long one recording may go on.",
        examples=["10m"],
    )
    max_rps: float = Field(
        default=10.0,
        gt=0,
        le=1000,
        description="Exchanges of one route in a second.",
        examples=[5],
    )
    max_body_bytes: Annotated[int, Quantity(SIZE, "1B", "16MiB")] = Field(
        default=64 << 10,
        description="The largest body of a request or an answer. Exchanges beyond are left out.",
        examples=["256KiB"],
    )
