"""The keys of a shape about status, headers, entity tags and pages of answers.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape.outcomes`).
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from proxy.config.base import Distinct, NonEmpty, Section, SomeEntry
from proxy.shape.holes import Text
from proxy.shape.outcomes.headers import name_fault, text_fault
from proxy.shape.outcomes.names import is_name
from proxy.shape.outcomes.options import OWN_HOST
from proxy.shape.outcomes.outcomes import BODY
from proxy.shape.outcomes.paging import TOKEN_NAMES, WALK
from proxy.shape.outcomes.status import is_status

_BASE_URL: Final = re.compile(
    r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:/[!$%&'()*+,.0-9:;=@A-Z_a-z~-]+)*"
)
_PAGES_MAX: Final = 100_000


def _fault(message: str) -> PydanticCustomError:
    # Not as a template: braces are what holes are written in.
    return PydanticCustomError("outcome", "{message}", {"message": message})


def _status(code: int) -> int:
    if not is_status(code):
        raise _fault("must be a status of success that a whole answer can have, or a redirect")
    return code


def _shorthand(key: str) -> Callable[[object], object]:
    """A text stands for the section that has it as its *key*."""
    return lambda value: {key: value} if isinstance(value, str) else value


def _parsed(text: str, known: Callable[[str], bool], hint: str = "") -> Text:
    """The text with its holes. Raises for one that cannot be read, or names nothing."""
    try:
        parsed = Text.parse(text)
    except ValueError as error:
        raise _fault(str(error)) from None
    for name in parsed.names:
        if not known(name):
            raise _fault(f"{{{name}}} names nothing{hint}")
    return parsed


def _text(text: str) -> str:
    _parsed(text, is_name)
    return text


def _tag(text: str) -> str:
    parsed = _parsed(text, lambda name: name == BODY or is_name(name))
    names = list(parsed.names)
    if not names:
        raise _fault("must have a hole: a tag that never changes says that nothing ever does")
    if BODY in names and len(parsed.pieces) > 1:
        raise _fault(f"must be {{{BODY}}} alone, or without it")
    return text


def _token(text: str) -> str:
    if text != WALK:
        parsed = _parsed(text, TOKEN_NAMES.__contains__, "; a token has {offset}, {page}, ...")
        if not set(parsed.names) & {"offset", "page"}:
            raise _fault("must be walk, or a text with a hole {offset} or {page}")
    return text


def _base(url: str) -> str:
    if url != OWN_HOST and not _BASE_URL.fullmatch(url):
        raise _fault("must be request, or a URL such as https://api.example.com without / behind")
    return url


def _headers(headers: "Mapping[str, AnswerHeader]") -> "Mapping[str, AnswerHeader]":
    first: dict[str, str] = {}
    for name, header in headers.items():
        earlier = first.setdefault(name.lower(), name)
        if earlier != name:
            raise _fault(f"must not give one header in two spellings: {earlier} and {name}")
        fault = name_fault(name) or text_fault(name, Text.parse(header.value))
        if fault:
            raise _fault(f"{name} {fault}")
    return headers


StatusCode = Annotated[int, AfterValidator(_status)]
QueryName = Annotated[str, Field(min_length=1, max_length=64)]


class AnswerStatus(Section):
    """The HTTP status of answers that are no errors."""

    code: StatusCode = Field(default=200, ge=200, le=399, description="The status.", examples=[201])
    empty: StatusCode | None = Field(
        default=None,
        ge=200,
        le=399,
        description="The status when there is nothing in the message. 204 has no body.",
        examples=[204],
    )
    empty_if: NonEmpty | None = Field(
        default=None,
        description="With `empty`: only this field has to have nothing; by its proto path.",
        examples=["record"],
    )
    field: NonEmpty | None = Field(
        default=None,
        description=(
            "Field of the message that says the status: a number that is one of `allowed`, or an "
            "enum or bool with a status in `values`. Else it is `code`."
        ),
        examples=["state"],
    )
    allowed: Annotated[tuple[StatusCode, ...], SomeEntry, Distinct] | None = Field(
        default=None,
        description="What the number in `field` may be to become the status.",
        examples=[[200, 201, 202]],
    )
    values: Annotated[Mapping[str, StatusCode], Field(min_length=1)] | None = Field(
        default=None,
        description="The status by the name of what is in `field`; of a bool `true` and `false`.",
        examples=[{"PENDING": 202, "ACTIVE": 200}],
    )


class AnswerHeader(Section):
    """A header of answers. A text alone is its `value`."""

    value: Annotated[NonEmpty, AfterValidator(_text)] = Field(
        description=(
            "Its value: a text with holes. `{id}` is a field of the answer by its proto path, "
            "`{@request.zone}` one of the request, `{@metadata.x-cost}` a piece of metadata. The "
            "header is left out when a hole has nothing."
        ),
        examples=["/v4/zones/{@request.zone}/records/{id}"],
    )
    on: Annotated[tuple[StatusCode, ...], SomeEntry, Distinct] | None = Field(
        default=None,
        description="The status of answers that have it; without this all have it.",
        examples=[[201]],
    )
    slashes: bool = Field(
        default=False,
        description="Of a URL: slashes in values stay, for names such as `zones/a/records/b`.",
        examples=[True],
    )


class EntityTag(Section):
    """The `ETag` of answers, and the conditions of requests. A text alone is its `value`."""

    value: Annotated[NonEmpty, AfterValidator(_tag)] = Field(
        description=(
            "The tag: a text with holes, with or without quotation marks, or `{@body}`, a digest "
            "of the body of a GET. `If-None-Match` of a client that has it brings 304."
        ),
        examples=["{etag}"],
    )
    weak: bool = Field(
        default=False,
        description="The tag says that bodies mean the same, not that their bytes are equal.",
        examples=[True],
    )
    if_match: NonEmpty | None = Field(
        default=None,
        description=(
            "Where the tag of `If-Match` goes: a text field of the request, or `@metadata.KEY`. "
            "The API compares, and its ABORTED becomes 412."
        ),
        examples=["record.etag"],
    )
    quoted: bool = Field(
        default=False,
        description="With `if_match`: the tag goes there with its quotation marks.",
        examples=[True],
    )


class Paging(Section):
    """Pages by number, for clients of an API that turns them by tokens."""

    page: QueryName = Field(
        default="page", description="Query parameter with the page's number.", examples=["p"]
    )
    per_page: QueryName | None = Field(
        default=None,
        description="Query parameter with the size of pages; without it they all have one size.",
        examples=["per_page"],
    )
    first: int = Field(default=1, ge=0, le=1, description="Number of the first page.", examples=[0])
    default_per_page: int = Field(
        default=20,
        ge=1,
        le=_PAGES_MAX,
        description="Size of pages when the client names none.",
        examples=[50],
    )
    max_per_page: int = Field(
        default=100, ge=1, le=_PAGES_MAX, description="Largest size of pages.", examples=[1000]
    )
    above_max: Literal["refuse", "clamp"] = Field(
        default="refuse",
        description="What becomes of a larger size: 400, or `max_per_page` in its place.",
        examples=["clamp"],
    )
    size: NonEmpty = Field(
        default="page_size",
        description="Field of the request with the size of pages.",
        examples=["limit"],
    )
    token: NonEmpty = Field(
        default="page_token",
        description="Field of the request with the token of the page.",
        examples=["cursor"],
    )
    next: NonEmpty = Field(
        default="next_page_token",
        description="Field of the answer with the token of the next page, empty on the last.",
        examples=["next_cursor"],
    )
    total: NonEmpty | None = Field(
        default=None,
        description="Field of the answer with the number of all elements.",
        examples=["total_size"],
    )
    items: NonEmpty | None = Field(
        default=None,
        description="List of the answer that has the elements; needed where it has several lists.",
        examples=["records"],
    )
    skip: NonEmpty | None = Field(
        default=None,
        description=(
            "Field of the request that says how many elements to pass over (AIP-158): it is set "
            "instead of a token."
        ),
        examples=["skip"],
    )
    tokens: Annotated[NonEmpty, AfterValidator(_token)] = Field(
        default=WALK,
        description=(
            "How to come by a page's token. `walk`: by reading the pages before it, for safe RPCs. "
            "Or a text with the holes `{offset}`, `{page}`, `{per_page}`, where tokens are made so."
        ),
        examples=["{offset}"],
    )
    encode: Literal["plain", "base64", "base64url"] = Field(
        default="plain",
        description="The code in which the API has the text of `tokens`.",
        examples=["base64"],
    )
    max_calls: int = Field(
        default=10,
        ge=1,
        le=100,
        description="With `tokens: walk`: the most calls for one page. Pages beyond are 400.",
        examples=[20],
    )
    link: (
        Annotated[tuple[Literal["first", "prev", "next", "last"], ...], SomeEntry, Distinct] | None
    ) = Field(
        default=None,
        description="Pages to which the `Link` header leads (RFC 8288); without it there is none.",
        examples=[["first", "prev", "next", "last"]],
    )


class ShapeOutcomes(Section):
    """Keys about status, headers, entity tags and pages of answers."""

    status: AnswerStatus | None = Field(
        default=None,
        description="The HTTP status of answers that are no errors, else 200.",
        examples=[{"code": 201}],
    )
    headers: Annotated[
        Mapping[str, Annotated[AnswerHeader, BeforeValidator(_shorthand("value"))]],
        AfterValidator(_headers),
    ] = Field(
        default={},
        description="Headers of answers that are no errors, by name, each a text or a mapping.",
        examples=[{"Location": "/v4/records/{id}"}],
    )
    etag: Annotated[EntityTag | None, BeforeValidator(_shorthand("value"))] = Field(
        default=None,
        description="The `ETag` of answers, a text or a mapping.",
        examples=["{etag}"],
    )
    paging: Paging | None = Field(
        default=None,
        description="Pages by number.",
        examples=[{"per_page": "per_page", "total": "total_size"}],
    )
    base_url: Annotated[str, AfterValidator(_base)] | None = Field(
        default=None,
        description=(
            "What stands before URLs of `Location` and `Link` that begin with a slash: `request` "
            "for the scheme and host of the request, or a URL. Without it they stay as they are."
        ),
        examples=["https://api.example.com"],
    )
