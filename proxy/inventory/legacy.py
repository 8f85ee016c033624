"""The old API as its document tells it: operations, parameters, bodies. Values only.

Belongs here: what any kind of document comes to. Does not: reading one (`openapi`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from proxy.errors import Place
from proxy.inventory.schemas import Schema, Schemas

#: What forms are sent as.
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


class Where(StrEnum):
    """Where a value travels."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"
    BODY = "body"
    ANSWER = "answer"


class ListStyle(StrEnum):
    """How a parameter gives several values."""

    NONE = "none"
    CSV = "csv"
    REPEATED = "repeated"
    BRACKETS = "brackets"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value outside of a body. *name* is as sent: `ids[]`, `filter[state]` too."""

    name: str
    where: Where
    schema: Schema
    required: bool = False
    lists: ListStyle = ListStyle.NONE


@dataclass(frozen=True, slots=True)
class Content:
    """A body: its media types, and what is said of its JSON or its form."""

    media_types: tuple[str, ...]
    schema: Schema

    @property
    def is_json(self) -> bool:
        """Whether JSON is one of the ways in which it is sent, or nothing is said."""
        return not self.media_types or any("json" in each for each in self.media_types)

    @property
    def is_form(self) -> bool:
        """Whether it is sent as a form."""
        return any(each in FORM_TYPES for each in self.media_types)


@dataclass(frozen=True, slots=True)
class Operation:
    """An HTTP method at a path. *path* has the server's base before it, and names in braces.

    *answer* is that of the lowest status below 300 for which something is said.
    """

    http_method: str
    path: str
    operation_id: str
    parameters: tuple[Parameter, ...] = field(repr=False)
    body: Content | None = field(repr=False)
    answer: Content | None = field(repr=False)
    statuses: tuple[str, ...] = field(repr=False)
    deprecated: bool
    place: Place = field(repr=False)

    @property
    def key(self) -> str:
        """How people call it: `GET /v4/zones/{zone}`."""
        return f"{self.http_method} {self.path}"

    def parameters_in(self, where: Where) -> list[Parameter]:
        """Its parameters at one place, in the order of the document."""
        return [each for each in self.parameters if each.where is where]


@dataclass(frozen=True, slots=True)
class LegacyApi:
    """All operations of a document. *notes* say what of it could not be taken as written."""

    name: str
    title: str
    operations: Sequence[Operation]
    schemas: Schemas = field(repr=False)
    notes: tuple[str, ...] = ()
