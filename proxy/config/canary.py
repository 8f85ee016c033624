"""The sections of a canary: who is in it, and how its share grows.

Belongs here: their keys, each checked by itself. Does not: what an entry takes from `defaults`
(`inheritance`), what the cutover makes of it (`policy`).
"""

import re
from typing import Annotated, Final, Literal
from warnings import catch_warnings, simplefilter

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, Section, SomeEntry
from proxy.config.scalars import Percent
from proxy.config.units import DURATION, Quantity
from proxy.cutover.windows import Window

GROUP_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
#: A header's or a cookie's name: `token` of RFC 9110, section 5.6.2.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_SOURCES: Final = frozenset({"header", "cookie", "query", "client"})
_MATCHES: Final = frozenset({"exact", "prefix", "regex", "present"})


def _token(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        message = "must be a name of letters, digits and -, without spaces"
        raise PydanticCustomError("token", message)
    return name


def header_name(name: str) -> str:
    """A header's name in lower case; pydantic turns the error into its own."""
    return _token(name).lower()


def _group_name(name: str) -> str:
    if not GROUP_NAME.fullmatch(name):
        message = "must be lower-case letters, digits and single hyphens"
        raise PydanticCustomError("group_name", message)
    return name


def regular_expression(pattern: str) -> str:
    """A pattern that compiles, and means in later versions of Python what it means in this one."""
    try:
        with catch_warnings():
            simplefilter("error", FutureWarning)
            re.compile(pattern)
    except (re.error, FutureWarning, OverflowError, RecursionError) as error:
        raise PydanticCustomError(
            "regex", "must be a regular expression ({why})", {"why": str(error)}
        ) from error
    return pattern


def _window(text: str) -> str:
    try:
        Window.parse(text)
    except ValueError as error:
        raise PydanticCustomError("window", "{why}", {"why": str(error)}) from error
    return text


def _rising(steps: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in zip((0, *steps), steps, strict=False)):
        raise PydanticCustomError("rising", "must rise from each step to the next, from above 0")
    return steps


HeaderName = Annotated[str, AfterValidator(header_name)]


class StickySource(Section):
    """Where a request says whose it is: exactly one of four."""

    header: HeaderName | None = Field(
        default=None,
        description="Name of a request header; case does not matter.",
        examples=["x-user-id"],
    )
    cookie: Annotated[str, AfterValidator(_token)] | None = Field(
        default=None, description="Name of a cookie.", examples=["sid"]
    )
    query: NonEmpty | None = Field(
        default=None, description="Name of a query parameter.", examples=["user"]
    )
    client: Literal[True] | None = Field(
        default=None,
        description="The client's address, behind as many proxies as `forwarding` trusts.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _exactly_one_source(self) -> "StickySource":
        if len(self.model_fields_set & _SOURCES) != 1:
            message = "must have exactly one of header, cookie, query, client"
            raise PydanticCustomError("one_source", message)
        return self

    def __str__(self) -> str:
        named = self.header or self.cookie or self.query
        (kind,) = self.model_fields_set & _SOURCES
        return f"{kind} {named}" if named else kind


class ValueList(StickySource):
    """Who is meant, by the values of one source."""

    values: Annotated[tuple[NonEmpty, ...], SomeEntry, Distinct] = Field(
        description="Values to find, as they are.", examples=[["acme", "globex"]]
    )


class HeaderMatch(Section):
    """A request header to look at, and exactly one thing to look for."""

    header: HeaderName = Field(
        description="Name of the header; case does not matter.", examples=["x-canary"]
    )
    exact: NonEmpty | None = Field(
        default=None, description="The value is this one.", examples=["always"]
    )
    prefix: NonEmpty | None = Field(
        default=None, description="The value begins with this.", examples=["beta-"]
    )
    regex: Annotated[NonEmpty, AfterValidator(regular_expression)] | None = Field(
        default=None,
        description="The whole value matches this expression, in Python's syntax.",
        examples=["[0-9]+-canary"],
    )
    present: Literal[True] | None = Field(
        default=None, description="The header is there, with any value.", examples=[True]
    )

    @model_validator(mode="after")
    def _exactly_one_match(self) -> "HeaderMatch":
        if len(self.model_fields_set & _MATCHES) != 1:
            message = "must have exactly one of exact, prefix, regex, present"
            raise PydanticCustomError("one_match", message)
        return self


class Canary(Section):
    """Who goes to gRPC in stage `canary`; everybody else, and who has no key, to legacy.

    The first of these that applies decides: `deny`, `match` and `allow`, the breaker, the pin, the
    percentage.
    """

    basis_points: Annotated[int, Percent()] | None = Field(
        default=None,
        alias="percent",
        description=(
            "Share of keys that go to gRPC, fixed, from 0 to 100 in steps of 0.01. In place of "
            "`steps`. Raising it moves no key back."
        ),
        examples=[5],
    )
    group: Annotated[str, AfterValidator(_group_name)] | None = Field(
        default=None,
        description=(
            "Routes of one group send the same key to the same side at the same percentage, so "
            "that a client does not change sides within a workflow. Without it, a route is a "
            "group of its own, by its name."
        ),
        examples=["records"],
    )
    sticky: Annotated[tuple[StickySource, ...], SomeEntry, Distinct] = Field(
        default=(),
        description=(
            "Where the key of a request stands; the first that has a value counts. Required in "
            "stage `canary`, and the same in all routes of a group."
        ),
        examples=[[{"header": "x-user-id"}, {"cookie": "sid"}]],
    )
    match: Annotated[tuple[HeaderMatch, ...], SomeEntry] = Field(
        default=(),
        description="Requests that go to gRPC at any percentage: those that one of these fits.",
        examples=[[{"header": "x-canary", "exact": "always"}]],
    )
    allow: ValueList | None = Field(
        default=None,
        description="Whose requests go to gRPC at any percentage.",
        examples=[{"header": "x-tenant", "values": ["acme"]}],
    )
    deny: ValueList | None = Field(
        default=None,
        description="Whose requests go to legacy at any percentage, `match` and `allow` or not.",
        examples=[{"header": "x-tenant", "values": ["bigbank"]}],
    )
    pin_s: Annotated[float | None, Quantity(DURATION, "1s", "1h", can_be_off=True)] = Field(
        default=None,
        alias="pin",
        description=(
            "How long a key stays on the side that answered its last write, whatever the "
            "percentage, so that it reads what it wrote. The same in all routes of a group."
        ),
        examples=["30s"],
    )
    steps: Annotated[tuple[Annotated[int, Percent()], ...], SomeEntry, AfterValidator(_rising)] = (
        Field(
            default=(),
            description=(
                "The percentages of a ramp, rising, in place of `percent`. It begins at the first; "
                "the proxy takes the next ones by itself."
            ),
            examples=[[1, 5, 25, 50, 100]],
        )
    )
    hold_s: Annotated[float, Quantity(DURATION, "1s", "720h")] = Field(
        default=3600.0,
        alias="hold",
        description="How long a step lasts, at least, before the next. Only beside `steps`.",
        examples=["1h"],
    )
    windows: Annotated[tuple[Annotated[str, AfterValidator(_window)], ...], SomeEntry, Distinct] = (
        Field(
            default=(),
            description=(
                "When the proxy may take a step: days, hours, time zone. Without it, always. Only "
                "beside `steps`."
            ),
            examples=[["Mon-Thu 09:00-16:00 Europe/Berlin"]],
        )
    )
    max_auto_basis_points: Annotated[int, Percent()] = Field(
        default=5000,
        alias="max_auto_percent",
        description=(
            "The highest step that the proxy takes by itself; those above need an operator's "
            "`promote`. Only beside `steps`."
        ),
        examples=[25],
    )

    @model_validator(mode="after")
    def _percent_or_steps(self) -> "Canary":
        if {"basis_points", "steps"} <= self.model_fields_set:
            raise PydanticCustomError("percent_or_steps", "must not have both percent and steps")
        return self
