"""What a look-up can answer, and what building a matcher can refuse: values only.

Belongs here: the types that `routing.trie` hands out. Does not: how they are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from proxy.transcoding.template import PathTemplate

T = TypeVar("T")

#: The HTTP method of a route that takes every method (`custom: {kind: "*"}`).
ANY_METHOD: Final = "*"


class Matched(NamedTuple, Generic[T]):
    """The route's target, and the decoded text of each template variable in template order."""

    target: T
    captures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MethodMismatch:
    """The path is known, the HTTP method is not: 405 with these methods in `Allow`, sorted.

    HEAD stands beside every GET that answers it. *target* is that of the most specific route.
    """

    allow: tuple[str, ...]
    target: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """No route fits the path, whatever the HTTP method."""


class Candidate(NamedTuple, Generic[T]):
    """A route that fits a path, with the HTTP method of its rule (`*` for any)."""

    http_method: str
    target: T


class Duplicate(NamedTuple, Generic[T]):
    """Two routes that would answer the same requests: same method, shape and verb."""

    http_method: str
    template: PathTemplate
    first: T
    second: T


class DuplicateRoutes(ValueError):
    """Routes that nothing tells apart. *duplicates* names both targets of each pair."""

    def __init__(self, duplicates: Sequence[Duplicate[Any]]) -> None:
        super().__init__(
            "; ".join(
                f"{pair.http_method} {pair.template} is {pair.first!r} and {pair.second!r}"
                for pair in duplicates
            )
        )
        self.duplicates = tuple(duplicates)
