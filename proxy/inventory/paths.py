"""Paths of the old API: what one of its templates matches, and what paths have in common.

Belongs here: segments and the look-up of an operation. Does not: bindings (`mapping`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Final
from urllib.parse import quote

from proxy.inventory.legacy import Operation, Where
from proxy.routing.trie import CaptureError, Matched, MatcherBuilder
from proxy.transcoding.percent import literal_key
from proxy.transcoding.template import PathTemplate, TemplateError, parse_template

#: What stands for the value of a path parameter of which nothing is known.
SAMPLE: Final = "0"
#: Paths that are tried for one operation whose path parameters have few values each.
MAX_SAMPLES: Final = 64

_BRACED: Final = re.compile(r"\{([^{}]*)\}")
_VERSION: Final = re.compile(r"v\d+([a-z]+\d*)?")
_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z_\-]{0,39}")
#: Everything that a template's literal may hold beside letters and digits.
_SAFE: Final = "-._~!$&'()+,;=@%"


@dataclass(frozen=True, slots=True)
class LegacyPath:
    """A path template of the old API: `*` stands for each segment with a parameter in it.

    *names* are those of the parameters, by segment.
    """

    segments: tuple[str, ...]
    verb: str
    names: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return "/" + "/".join(self.segments) + (f":{self.verb}" if self.verb else "")

    def template(self) -> PathTemplate:
        """The same as a template of HTTP rules. Raises `TemplateError` for what has none."""
        return parse_template(str(self))


def parse_legacy_path(path: str) -> LegacyPath:
    """Read a path with names in braces; a slash at its end counts for nothing.

    >>> path = parse_legacy_path("/v4/zones/{zone}/records/{id}.json:verify")
    >>> path.segments, path.verb, path.names
    (('v4', 'zones', '*', 'records', '*'), 'verify', ((), (), ('zone',), (), ('id',)))
    """
    *front, last = path.strip("/").split("/")
    body, colon, verb = last.rpartition(":")
    if not colon or "{" in verb or "}" in verb or not verb:
        body, verb = last, ""
    segments = [*front, body]
    names = tuple(tuple(_BRACED.findall(segment)) for segment in segments)
    patterns = (
        "*" if inside else quote(segment, safe=_SAFE)
        for segment, inside in zip(segments, names, strict=True)
    )
    return LegacyPath(tuple(patterns), quote(verb, safe=_SAFE), names)


def sample_paths(operation: Operation) -> Iterator[str]:
    """Paths that a client could ask for: with each of the values that a parameter may have."""
    values = {
        each.name: [str(value) for value in each.schema.enum] or [SAMPLE]
        for each in operation.parameters_in(Where.PATH)
    }
    pieces = _BRACED.split(operation.path)
    choices = [
        values.get(piece, [SAMPLE]) if index % 2 else [quote(piece, safe=f"{_SAFE}/:")]
        for index, piece in enumerate(pieces)
    ]
    yield from islice(("".join(chosen) for chosen in product(*choices)), MAX_SAMPLES)


def is_same_place(some: PathTemplate | LegacyPath, other: PathTemplate | LegacyPath) -> bool:
    """Whether two templates match the same paths."""
    return _key(some) == _key(other)


def _key(template: PathTemplate | LegacyPath) -> tuple[tuple[str | None, ...], str | None]:
    return tuple(map(literal_key, template.segments)), literal_key(template.verb)


def is_narrower(narrow: PathTemplate, wide: PathTemplate | LegacyPath) -> bool:
    """Whether *narrow* takes some of the paths of *wide*, by a literal where that has any."""
    if len(narrow.segments) != len(wide.segments) or narrow.verb != wide.verb:
        return False
    pairs = list(zip(narrow.segments, wide.segments, strict=True))
    fits = all(
        ours == theirs or (theirs == "*" and ours not in ("*", "**")) for ours, theirs in pairs
    )
    return fits and any(ours != theirs for ours, theirs in pairs)


def wild_literals(wide: PathTemplate, narrow: LegacyPath) -> list[str]:
    """The literals of *narrow* that a wildcard of *wide* takes."""
    segments = list(wide.segments)
    if segments and segments[-1] == "**":
        missing = len(narrow.segments) - len(segments) + 1
        segments[-1:] = ["*"] * max(missing, 0)
    pairs = zip(segments, narrow.segments, strict=False)
    return [theirs for ours, theirs in pairs if ours == "*" and theirs != "*"]


class OperationTable:
    """Which operation of the old API a request belongs to.

    *unclear* are the operations that nothing tells from an earlier one, with that one.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.unclear: list[tuple[Operation, Operation]] = []
        #: Operations whose paths no request can have, with the reason.
        self.impossible: list[tuple[Operation, str]] = []
        builder: MatcherBuilder[Operation] = MatcherBuilder()
        taken: dict[object, Operation] = {}
        for operation in operations:
            path = parse_legacy_path(operation.path)
            key = (operation.http_method, _key(path))
            if key in taken:
                self.unclear.append((operation, taken[key]))
                continue
            taken[key] = operation
            self._add(builder, operation, path)
        self._matcher = builder.build()

    def __repr__(self) -> str:
        return f"<OperationTable over {self._matcher!r}>"

    def find(self, http_method: str, raw_path: str) -> Operation | None:
        """The operation of a request by its raw path; None when the document has none."""
        try:
            match = self._matcher.match(http_method, raw_path)
        except CaptureError as error:
            return error.target if isinstance(error.target, Operation) else None
        return match.target if isinstance(match, Matched) else None

    def _add(
        self, builder: MatcherBuilder[Operation], operation: Operation, path: LegacyPath
    ) -> None:
        try:
            template = parse_template("/") if path.segments == ("",) else path.template()
        except TemplateError as error:
            self.impossible.append((operation, str(error)))
            return
        builder.add(operation.http_method, template, operation, ignore_trailing_slash=True)


def common_pattern(raw_path: str) -> str:
    """A path with `{}` for what looks like the value of a parameter.

    >>> common_pattern("/v4/zones/example.com/records/17:verify")
    '/v4/zones/{}/records/{}:verify'
    >>> common_pattern("/status")
    '/status'
    """
    return "/".join(map(_common_segment, raw_path.split("/")))


def _common_segment(segment: str) -> str:
    body, colon, verb = segment.rpartition(":")
    if colon and _WORDS.fullmatch(verb):
        return f"{_common_segment(body)}:{verb}"
    if not segment or _WORDS.fullmatch(segment) or _VERSION.fullmatch(segment):
        return segment
    return "{}"
