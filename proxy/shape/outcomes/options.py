"""What a configuration says of a route's status, headers, entity tags and pages: values only.

Belongs here: the values, as plain as they can be compared. Does not: what they come to for a
message (the other modules of this package), the keys (`config.shape_outcomes`).
"""

from dataclasses import dataclass
from typing import Literal

#: Names of the relations of pages that `Link` may have.
Relation = Literal["first", "prev", "next", "last"]

#: What stands for the request's own scheme and host in `base_url`.
OWN_HOST = "request"


class Misfit(ValueError):
    """A setting that cannot be for a binding; *key* leads to it, from the shape."""

    def __init__(self, key: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """The status of answers that are no errors.

    *empty* takes the place of *code* when the field *empty_if* is not set, or, without one, when
    nothing of the message is. *field* gives the status: as a number of *allowed*, or by *values*,
    texts of its enum or truth value.
    """

    code: int = 200
    empty: int | None = None
    empty_if: str | None = None
    field: str | None = None
    allowed: tuple[int, ...] = ()
    values: tuple[tuple[str, int], ...] = ()

    @property
    def all(self) -> frozenset[int]:
        """Every status that it can give."""
        empty = () if self.empty is None else (self.empty,)
        return frozenset((self.code, *empty, *self.allowed, *dict(self.values).values()))


@dataclass(frozen=True, slots=True)
class HeaderOptions:
    """A header: *text* with holes, for answers with a status of *on* (empty: with any).

    *slashes* keeps the slashes in values of a header that is a URL.
    """

    name: str
    text: str
    on: frozenset[int] = frozenset()
    slashes: bool = False


@dataclass(frozen=True, slots=True)
class TagOptions:
    """The entity tag: *text* with holes. *if_match* is where the tag of `If-Match` goes.

    That is a field of the request, or with "@metadata." before it a piece of metadata. With
    *quoted* it goes there with its quotation marks.
    """

    text: str
    weak: bool = False
    if_match: str | None = None
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class PagingOptions:
    """Pages by number for clients, over an API with page tokens.

    *page* and *per_page* are parameters of the query; *first* is the number of the first page.
    *size*, *token* and *skip* are fields of the request, *next*, *total* and *items* of the answer.
    *tokens* is "walk", or the text of a token with holes for what it holds, then in the code
    *encode*.
    """

    page: str = "page"
    per_page: str | None = None
    first: int = 1
    default_per_page: int = 20
    max_per_page: int = 100
    clamps: bool = False
    size: str = "page_size"
    token: str = "page_token"  # noqa: S105 - the name of a field
    next: str = "next_page_token"
    total: str | None = None
    items: str | None = None
    skip: str | None = None
    tokens: str = "walk"
    encode: Literal["plain", "base64", "base64url"] = "plain"
    max_calls: int = 10
    link: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True)
class OutcomeOptions:
    """All of them. *base_url* is put before URLs that begin with a slash; OWN_HOST is the host's.

    None leaves them as they are.
    """

    status: StatusOptions | None = None
    headers: tuple[HeaderOptions, ...] = ()
    etag: TagOptions | None = None
    paging: PagingOptions | None = None
    base_url: str | None = None
