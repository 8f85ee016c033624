"""The keys of a shape about query parameters, form bodies and URLs of old clients.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, OrOff, Section, SomeEntry
from proxy.config.units import SIZE, Quantity
from proxy.shape.bodies import MAX_PARTS
from proxy.shape.request_options import FileField, FormBodies, QueryShape, RequestShape
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


class LegacyQuery(Section):
    """How old clients write queries."""

    rename: Mapping[NonEmpty, NonEmpty] = Field(
        default={},
        description=(
            "Parameters by their whole name, and the proto path of the field of each. The field "
            "has no other name then."
        ),
        examples=[{"perPage": "page_size", "filter[type]": "filter.type"}],
    )
    brackets: bool = Field(
        default=False,
        description=(
            "`filter[type]=A` is `filter.type=A`, and `ids[]=1` one more element of `ids`. Without "
            "it brackets are for keys of maps alone."
        ),
        examples=[True],
    )
    separator: Annotated[str, Field(min_length=1, max_length=3)] | None = Field(
        default=None,
        description="What stands between the values of a list in one parameter.",
        examples=[","],
    )


class FormFile(Section):
    """Where a file of a multipart form goes."""

    into: NonEmpty = Field(
        description=(
            "Proto path of a field of bytes or of type `google.api.HttpBody`, from the message "
            "that is the body."
        ),
        examples=["upload"],
    )
    file_name: NonEmpty | None = Field(
        default=None,
        description="Proto path of a text for the file's name, which comes without a path.",
        examples=["upload_name"],
    )
    media_type: NonEmpty | None = Field(
        default=None,
        description="Proto path of a text for the file's media type.",
        examples=["upload_type"],
    )


class LegacyForms(Section):
    """Form bodies, which are taken beside JSON."""

    types: Annotated[tuple[Literal["urlencoded", "multipart"], ...], SomeEntry, Distinct] = Field(
        default=("urlencoded", "multipart"),
        description=(
            "`application/x-www-form-urlencoded`, or `multipart/form-data`. Inputs are named as "
            "the parameters of a query."
        ),
        examples=[["urlencoded"]],
    )
    files: Mapping[NonEmpty, FormFile] = Field(
        default={},
        description="The files of multipart forms, by the name of their input. Others: 400.",
        examples=[{"zonefile": {"into": "content"}}],
    )
    max_parts: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=MAX_PARTS,
        description="Parts of a multipart form. Beyond: 413.",
        examples=[20],
    )
    max_file_bytes: Annotated[int, Quantity(SIZE, "1B", "2047MiB")] | None = Field(
        default=None,
        description="Bytes of one file. Beyond: 413. Without it `max_request_bytes` is the limit.",
        examples=["512KiB"],
    )

    @model_validator(mode="after")
    def _for_multipart(self) -> "LegacyForms":
        given = self.model_fields_set & {"files", "max_parts", "max_file_bytes"}
        if given and "multipart" not in self.types:
            message = f"has {min(given)}, but takes no multipart forms"
            raise PydanticCustomError("no_multipart", message)
        if self.max_file_bytes is not None and not self.files:
            raise PydanticCustomError("no_files", "has max_file_bytes, but takes no files")
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

    query: LegacyQuery = Field(
        default=LegacyQuery(),
        description="How old clients write queries.",
        examples=[{"rename": {"perPage": "page_size"}, "separator": ","}],
    )
    form_bodies: Annotated[LegacyForms | None, OrOff()] = Field(
        default=None,
        description="Form bodies that are taken beside JSON; `off`: none.",
        examples=[{"types": ["urlencoded"]}],
    )


def request_shape(keys: ShapeRequests) -> RequestShape | None:
    """What a shape asks of queries and forms; None when that is nothing."""
    override = None if keys.urls is None else keys.urls.method_override
    shape = RequestShape(
        QueryShape(tuple(keys.query.rename.items()), keys.query.brackets, keys.query.separator),
        None if keys.form_bodies is None else _form_bodies(keys.form_bodies),
        frozenset() if override is None else frozenset({override.parameter}),
        override is not None and "form" in override.places,
    )
    return None if shape == RequestShape() else shape


def _form_bodies(keys: LegacyForms) -> FormBodies:
    return FormBodies(
        urlencoded="urlencoded" in keys.types,
        multipart="multipart" in keys.types,
        max_parts=keys.max_parts,
        max_file_bytes=keys.max_file_bytes,
        files=tuple(
            FileField(part, file.into, file.file_name, file.media_type)
            for part, file in keys.files.items()
        ),
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
