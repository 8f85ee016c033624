"""What the variables of one template take from a path, compiled when the template is added.

Belongs here: segments of a matched path to decoded texts. Does not: finding the template
(`routing.trie`), turning texts into field values (`transcoding`).

Segments here are those of `path.split("/")`: the first is the empty text before the first slash,
so a template's segment *i* is at *i + 1*.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

from proxy.errors import RequestError
from proxy.transcoding.percent import (
    PercentError,
    Unescape,
    decode_multi_segment,
    decode_segment,
    keep_bad_escapes,
    literal_key,
)
from proxy.transcoding.template import PathTemplate, Variable

#: A server that normalises paths would read another path. `*` stands for a name, so these are
#: refused there; `**` stands for a path of the backend's own, which decides.
_DOT_SEGMENTS: Final = frozenset({".", ".."})


class CaptureError(RequestError):
    """What a variable took from the path cannot be its value: 400 for a transcoded route.

    *target* is the route that matched, for a caller that passes the request on untranscoded.
    """

    def __init__(self, message: str, *, field: str, target: object) -> None:
        super().__init__(message, field=field)
        self.target = target


class Captures:
    """The variables of one template. `take` and then `decode`, unless the path `is_plain`."""

    __slots__ = ("_keep", "_variables", "take")

    def __init__(
        self, template: PathTemplate, unescape: Unescape, *, keeps_bad_escapes: bool = False
    ) -> None:
        self._keep = keep_bad_escapes if keeps_bad_escapes else None
        self._variables = tuple(
            _Capture(variable, template, unescape) for variable in template.variables
        )
        #: The raw texts, in template order, from the segments of a path.
        self.take: Callable[[list[str]], tuple[str, ...]] = _taker(self._variables)

    def decode(self, raws: tuple[str, ...], target: object) -> tuple[str, ...]:
        """The decoded texts. Raises `CaptureError` for *target*."""
        texts = []
        if self._keep is not None:
            raws = tuple(map(self._keep, raws))
        for variable, raw in zip(self._variables, raws, strict=True):
            try:
                texts.append(variable.decode(raw))
            except PercentError as error:
                raise CaptureError(str(error), field=variable.field, target=target) from error
        return tuple(texts)


def is_plain(path: str) -> bool:
    """Whether decoding would leave every text taken from a path as it is, and refuse none."""
    return path.isascii() and "%" not in path and "/." not in path and "\0" not in path


class _Capture:
    """One variable: where its segments are, and how they are decoded."""

    __slots__ = ("_stars", "_unescape", "end", "field", "single", "start")

    def __init__(self, variable: Variable, template: PathTemplate, unescape: Unescape) -> None:
        last = None if variable.wildcard_tail else variable.end
        self.field = ".".join(variable.field_path)
        self.start = variable.start + 1
        self.end = None if last is None else last + 1
        self.single = variable.single_segment
        self._unescape = unescape
        covered = template.segments[variable.start : last]
        self._stars = tuple(index for index, segment in enumerate(covered) if segment == "*")

    def decode(self, raw: str) -> str:
        """The text of what the variable took. Raises `PercentError`."""
        if self.single:
            text = decode_segment(raw)
            names_nothing = bool(self._stars) and text in _DOT_SEGMENTS
        else:
            text = decode_multi_segment(raw, self._unescape)
            segments = raw.split("/") if self._stars else []
            names_nothing = any(literal_key(segments[i]) in _DOT_SEGMENTS for i in self._stars)
        if names_nothing:
            raise PercentError('"." and ".." do not name anything in a path')
        return text


def _taker(variables: Sequence[_Capture]) -> Callable[[list[str]], tuple[str, ...]]:
    """What takes the raw texts, as quick as the shapes of the variables allow."""
    if not variables:
        return lambda _: ()
    if not all(variable.single for variable in variables):
        spans = [(variable.start, variable.end) for variable in variables]
        return lambda segments: tuple(["/".join(segments[start:end]) for start, end in spans])
    if len(variables) == 1:
        index = variables[0].start
        return lambda segments: (segments[index],)
    return itemgetter(*(variable.start for variable in variables))
