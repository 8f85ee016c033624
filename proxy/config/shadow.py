"""The sections about all mirrors of a process: their bounds, their mark, where evidence is kept.

Belongs here: their keys, each checked by itself. Does not: what a route sets (`mirror`).
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import NonEmpty, Section
from proxy.config.override import own_header, secret_text
from proxy.config.scalars import Share
from proxy.config.units import DURATION, SIZE, Quantity

_SCHEMES: Final = ("postgres://", "postgresql://")


def _postgres_url(url: str) -> str:
    if not url.startswith(_SCHEMES):
        # It holds a password: it is not shown.
        raise PydanticCustomError("secret", "must be postgresql://user:password@host/database")
    return url


class Mark(Section):
    """The header, and metadata, by which mirrored calls are known.

    Clients cannot send it: it is taken out of their requests unless it has the secret, and what
    has the secret is never mirrored again.
    """

    header: Annotated[str, AfterValidator(own_header)] = Field(
        default="x-shadow",
        description="Its name; case does not matter. No route may pass it on.",
        examples=["x-shadow"],
    )
    secret: Annotated[str, AfterValidator(secret_text)] | None = Field(
        default=None,
        repr=False,
        description=(
            "Its value, at least 16 visible characters, from the environment only. Without it and "
            "`secret_file` one is made in the state directory; give one where several proxies "
            "stand behind each other."
        ),
        examples=["${SHADOW_SECRET}"],
    )
    secret_file: NonEmpty | None = Field(
        default=None,
        description="File with the secret, in place of `secret`.",
        examples=["/etc/cutover/shadow.secret"],
    )

    @model_validator(mode="after")
    def _one_secret_at_most(self) -> "Mark":
        if self.secret is not None and self.secret_file is not None:
            message = "must not have both secret and secret_file"
            raise PydanticCustomError("one_secret_at_most", message)
        return self


class Shadow(Section):
    """What all mirrors of a process may hold and take."""

    max_total_bytes: Annotated[int, Quantity(SIZE, "64KiB", "4GiB")] = Field(
        default=64 << 20,
        description="Bodies that waiting and running mirrors hold. Beyond: dropped, and counted.",
        examples=["128MiB"],
    )
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=64, description="Mirrors running at one time, of all routes.", examples=[16]
    )
    max_pending: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=1024,
        description="Mirrors waiting, of all routes. Beyond: dropped, and counted.",
        examples=[256],
    )
    max_cpu: Annotated[float, Share(0.001, 1)] = Field(
        default=0.2,
        description=(
            "Share of one core that mirrors may take on the event loop, for sampling, calling and "
            "comparing. Beside requests it is less, by the square of what they leave of the core: "
            "20% becomes 3.2% while they take 60%. Beyond: dropped, and counted. 100%: no limit."
        ),
        examples=["5%"],
    )
    drain_s: Annotated[float, Quantity(DURATION, "0s", "5m")] = Field(
        default=2.0,
        alias="drain",
        description="How long mirrors may take to end once the last request of a process has.",
        examples=["5s"],
    )
    mark: Mark = Field(
        default=Mark(),
        description="By what mirrored calls are known.",
        examples=[{"header": "x-shadow"}],
    )


class Evidence(Section):
    """Where comparisons are counted, and for how long. It is never in the way of a request."""

    store: Literal["sqlite", "postgres"] = Field(
        default="sqlite",
        description=(
            "`sqlite`: a file in the state directory, for the processes of one host. `postgres`: "
            "a database that several hosts share."
        ),
        examples=["postgres"],
    )
    url: Annotated[str, AfterValidator(_postgres_url)] | None = Field(
        default=None,
        repr=False,
        description="Where the database is, for `postgres`. From the environment only.",
        examples=["${EVIDENCE_URL}"],
    )
    retention_s: Annotated[float, Quantity(DURATION, "1h", "3650d")] = Field(
        default=30 * 24 * 3600.0,
        alias="retention",
        description="How long evidence is kept of a configuration that is not in force any more.",
        examples=["90d"],
    )
    max_bytes: Annotated[int, Quantity(SIZE, "1MiB", "64GiB")] = Field(
        default=256 << 20,
        description=(
            "With `sqlite`: size of the file at which old evidence and examples go before their "
            "time."
        ),
        examples=["1GiB"],
    )
    examples_ttl_s: Annotated[float, Quantity(DURATION, "1m", "365d")] = Field(
        default=7 * 24 * 3600.0,
        alias="examples_ttl",
        description="How long examples of differences are kept.",
        examples=["1d"],
    )
    key_file: NonEmpty | None = Field(
        default=None,
        description=(
            "File with the 32 bytes that hashes of values are keyed with. Without it one is made "
            "in the state directory. With `postgres` it is required, and the same on all hosts: "
            "otherwise a client would count once for each."
        ),
        examples=["/etc/cutover/evidence.key"],
    )

    @model_validator(mode="after")
    def _what_a_database_needs(self) -> "Evidence":
        shared = self.store == "postgres"
        if (self.url is not None) != shared:
            raise _fault("must have url with store: postgres, and only then")
        if shared and self.key_file is None:
            raise _fault("must have key_file with store: postgres, the same on all hosts")
        if shared and "max_bytes" in self.model_fields_set:
            raise _fault("has max_bytes with store: postgres, whose disk is not bounded here")
        return self


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("evidence", "{message}", {"message": message})
