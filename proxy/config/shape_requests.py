"""The keys of a shape about query parameters, form bodies and URLs of old clients.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, OrOff, Section, SomeEntry
from proxy.shape.urls import MethodParameter, UrlQuirks

OverridableMethod = Literal["PUT", "PATCH", "DELETE"]
_SUFFIX: Final = re.compile(r"(?:\.[A-Za-z0-9_-]{1,16}){1,4}")


def _suffix(text: str) -> str:
    if not _SUFFIX.fullmatch(text):
        raise PydanticCustomError("suffix", "must be a dot with letters or digits, such as .json")
    return text


class MethodOverride(Section):
    """A parameter of POST requests that names the method that is meant."""

    parameter: NonEmpty = Field(
        default="_method", description="Its name.", examples=["http_method"]
    )
    places: Annotated[tuple[Literal["query", "form"], ...], SomeEntry, Distinct] = Field(
        default=("query", "form"),
        alias="in",
        description="Where it may stand: in the query, in a form's body of up to 64 KiB.",
        examples=[["form"]],
    )
    methods: Annotated[tuple[OverridableMethod, ...], SomeEntry, Distinct] = Field(
        default=("PUT", "PATCH", "DELETE"),
        description="The methods that it may name, in any case. Others it does not change.",
        examples=[["DELETE"]],
    )


class LegacyUrls(Section):
    """Forms of URLs beside the route's own that old clients use. Each use is counted."""

    trailing_slash: bool = Field(
        default=False,
        description="Take paths with one slash behind them.",
        examples=[True],
    )
    ignore_case: bool = Field(
        default=False,
        description=(
            "Take the literals of paths with ASCII letters in any case. What variables take keeps "
            "its case."
        ),
        examples=[True],
    )
    suffixes: (
        Annotated[tuple[Annotated[str, AfterValidator(_suffix)], ...], SomeEntry, Distinct] | None
    ) = Field(
        default=None,
        description=(
            "Take paths with one of these behind their last segment. Where that is a variable, "
            "the suffix is no part of its value."
        ),
        examples=[[".json"]],
    )
    method_override: Annotated[MethodOverride | None, OrOff()] = Field(
        default=None,
        description=(
            "Take POST requests that name the method of the route's rule in a parameter; `off`: "
            "do not."
        ),
        examples=[{"in": ["query"]}],
    )

    @model_validator(mode="after")
    def _something(self) -> "LegacyUrls":
        if not self.model_fields_set:
            raise PydanticCustomError("no_url_form", "asks for nothing")
        return self


class ShapeRequests(Section):
    """Keys about query parameters, form bodies and URLs of old clients."""

    urls: Annotated[LegacyUrls | None, OrOff()] = Field(
        default=None,
        description=(
            "Legacy forms of URLs, each taken only where it is asked for and counted in "
            "`cutover_legacy_url_total`; `off`: none."
        ),
        examples=[{"trailing_slash": True, "suffixes": [".json"]}],
    )


def url_quirks(urls: LegacyUrls | None) -> UrlQuirks | None:
    """The value of the section; None when it asks for nothing."""
    if urls is None:
        return None
    override = urls.method_override
    method = (
        None
        if override is None
        else MethodParameter(
            override.parameter,
            "query" in override.places,
            "form" in override.places,
            frozenset(override.methods),
        )
    )
    quirks = UrlQuirks(urls.trailing_slash, urls.ignore_case, urls.suffixes or (), method)
    return None if quirks == UrlQuirks() else quirks
