"""Path templates: the grammar of `google/api/http.proto`, parsed.

Belongs here: text to `PathTemplate` and back. Does not: matching (`routing.trie`), fields
(`transcoding.binding`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """A template variable: which field it fills, and which segments it covers.

    It covers segments *start* up to, not including, *end*. When *end* is negative it counts from
    the end of the request's path: -1 includes the last segment.
    """

    field_path: tuple[str, ...]
    start: int
    end: int

    @property
    def wildcard_tail(self) -> bool:
        """Whether the variable contains `**`."""
        return self.end < 0


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed path template. `{x}` counts as the segment `*`; *verb* is "" when there is none."""

    text: str
    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]

    def __str__(self) -> str:
        return self.text
