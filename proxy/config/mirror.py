"""The section of a mirror: how many requests are repeated on the other side, and how.

Belongs here: its keys, each checked by itself. Does not: what is compared (`compare`), what safety
and upstreams have to do with it (`shadow_checks`, `method_checks`).
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, Section, SomeEntry
from proxy.config.canary import header_name
from proxy.config.scalars import Number, Percent
from proxy.config.units import DURATION, SIZE, Quantity
from proxy.transcoding.metadata import is_denied

DepthName = Literal["translate", "validate_only", "rpc"]

#: Text that a header and a piece of metadata can hold: printable ASCII without spaces at its ends.
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def _own_header(name: str) -> str:
    """A header's name in lower case, of one that is not the connection's, the host's or gRPC's."""
    key = header_name(name)
    if is_denied(key):
        message = "must not name a header of the connection, the framing or gRPC"
        raise PydanticCustomError("mirror_header", message)
    return key


def _settable(headers: dict[str, str]) -> dict[str, str]:
    """Headers by their names in lower case, each with a value that can be sent."""
    lower = {_own_header(name): value for name, value in headers.items()}
    if len(lower) < len(headers):
        raise PydanticCustomError("header_twice", "must not give one header in two spellings")
    if not all(_HEADER_VALUE.fullmatch(value) for value in lower.values()):
        # The value may be a credential: it is not shown.
        raise PydanticCustomError("secret", "must have values of printable ASCII characters")
    return lower


class MirrorHeaders(Section):
    """What differs in the headers of mirrored calls, and in the metadata made of them."""

    set: Annotated[dict[str, str], AfterValidator(_settable)] = Field(
        default={},
        repr=False,
        description=(
            "Headers to send in place of those that the client sent, or beside them. Credentials "
            "belong into the environment."
        ),
        examples=[{"authorization": "${MIRROR_CREDENTIALS}"}],
    )
    remove: Annotated[
        tuple[Annotated[str, AfterValidator(_own_header)], ...], SomeEntry, Distinct
    ] = Field(
        default=(),
        description="Headers to leave out; case does not matter.",
        examples=[["cookie"]],
    )

    @model_validator(mode="after")
    def _set_or_removed(self) -> "MirrorHeaders":
        both = sorted(self.set.keys() & set(self.remove))
        if both:
            raise PydanticCustomError(
                "set_and_removed", "must not both set and remove {name}", {"name": both[0]}
            )
        return self


class Mirror(Section):
    """Which requests are repeated on the other side after their answers, and how deep.

    In stages `shadow` and `canary` that is the side which did not answer; in stage `grpc` it is
    legacy, for safe calls. No mirror delays, changes or fails the request that it repeats.
    """

    depth: DepthName | None = Field(
        default=None,
        description=(
            "`translate`: make the message and compare it with what the client sent; no call, so "
            "that it is fit for writes. `validate_only`: call with the request's field of that "
            "name set; only statuses are compared. `rpc`: call and compare the answers. Without "
            "it: `rpc` for routes whose `safety` is `safe`, else `translate`. In `defaults` it "
            "holds for the routes that can do it."
        ),
        examples=["translate"],
    )
    basis_points: Annotated[int, Percent()] | None = Field(
        default=None,
        alias="percent",
        description=(
            "Share of requests, from 0 to 100 in steps of 0.01. Required: nothing is mirrored "
            "that nobody asked for."
        ),
        examples=[10],
    )
    sample_by: Literal["request", "sticky"] = Field(
        default="request",
        description=(
            "`request`: each by chance. `sticky`: all requests of a share of the clients, by "
            "`canary.sticky`, so that whole journeys are seen."
        ),
        examples=["sticky"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, "10ms", "5m")] = Field(
        default=2.0,
        alias="timeout",
        description="How long a mirror may take from its start.",
        examples=["5s"],
    )
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=16,
        description="Mirrors of the route that a process runs at one time; more wait.",
        examples=[4],
    )
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=128,
        description="Mirrors of the route that wait in a process. Beyond: dropped, and counted.",
        examples=[32],
    )
    max_request_bytes: Annotated[int, Quantity(SIZE, "0B", "16MiB")] = Field(
        default=64 << 10,
        description="Largest request body to mirror. Beyond: skipped, and counted.",
        examples=["1MiB"],
    )
    max_response_bytes: Annotated[int, Quantity(SIZE, "1KiB", "64MiB")] = Field(
        default=256 << 10,
        description="Largest answer to compare, of either side. Beyond: skipped, and counted.",
        examples=["2MiB"],
    )
    max_messages: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=100,
        description="Messages of a streamed answer that are compared; the rest is not asked for.",
        examples=[1000],
    )
    max_rps: Annotated[float | None, Number(0.01, 1_000_000, can_be_off=True)] = Field(
        default=None,
        description="Mirrors of the route that a process begins per second. Beyond: dropped.",
        examples=[50],
    )
    allow_unsafe: bool = Field(
        default=False,
        description=(
            "Only beside `depth: rpc` on a route that is not safe: make the call, although the "
            "write is done twice. Also needs `shadow_sink` of its upstream, and cannot stand in "
            "`defaults`."
        ),
        examples=[True],
    )
    headers: MirrorHeaders = Field(
        default=MirrorHeaders(),
        description="What differs in the headers of mirrored calls.",
        examples=[{"remove": ["cookie"]}],
    )
