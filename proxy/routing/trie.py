"""Finding the route of a request: an immutable trie over the segments of path templates.

Belongs here: which target answers a method and a path, and the text of its variables. Does not:
what a target is, fields and messages (`transcoding`), answers to a miss (`server`).

The rules, all of them independent of the order in which routes were added:

- Per segment a literal wins over `*`, and `*` over `**`, with backtracking: where the more specific
  branch leads nowhere, or has no route for the HTTP method, the less specific one is tried.
- The path is split as it was sent and decoded afterwards, so `%2F` never separates. Literals
  compare equal however they are escaped.
- The text after the last colon of the last segment is a verb when any route of the matcher has
  that verb; else it belongs to the segment. Then only routes with that verb are looked at.
- An empty segment is matched by a trailing `**` alone, which may also match nothing at all.
- At one place in the trie, a route for the method wins over one for any method, and that over GET
  standing in for HEAD. The path is compared before the method.

Cost: a look-up visits a node of the trie at most once, goes no deeper than the longest template
and visits nothing that the path does not fit. So it depends neither on the number of other routes
nor on the length of a hostile path, but for splitting it and handing back what `**` took.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, TypeVar

from proxy.routing.captures import CaptureError, Captures, is_plain
from proxy.routing.outcomes import (
    ANY_METHOD,
    Candidate,
    Duplicate,
    DuplicateRoutes,
    Matched,
    MethodMismatch,
    Unmatched,
)
from proxy.transcoding.percent import Unescape, folded_key, literal_key
from proxy.transcoding.template import PathTemplate

__all__ = [
    "ANY_METHOD",
    "Candidate",
    "CaptureError",
    "Duplicate",
    "DuplicateRoutes",
    "Matched",
    "Matcher",
    "MatcherBuilder",
    "MethodMismatch",
    "Unmatched",
]

T = TypeVar("T")
#: What a literal and the segments that it means have in common.
_Key = Callable[[str], str | None]


class _Route(Generic[T]):
    """One added route, compiled."""

    __slots__ = ("captures", "http_method", "ignore_trailing_slash", "target", "template")

    def __init__(
        self,
        http_method: str,
        template: PathTemplate,
        target: T,
        unescape: Unescape,
        ignore_trailing_slash: bool,
    ) -> None:
        self.http_method = http_method
        self.template = template
        self.target = target
        self.captures = Captures(template, unescape)
        self.ignore_trailing_slash = ignore_trailing_slash

    @property
    def is_one_path(self) -> bool:
        """Whether only one path can match, and nothing is captured."""
        return not self.template.variables and not {"*", "**"} & set(self.template.segments)


class _Ends(Generic[T]):
    """The routes that end at one place of the trie, by HTTP method."""

    __slots__ = ("any_method", "by_method")

    def __init__(self) -> None:
        self.by_method: dict[str, _Route[T]] = {}
        self.any_method: _Route[T] | None = None

    def add(self, route: _Route[T]) -> _Route[T] | None:
        """Add a route. Returns the one that has its place already, and then adds nothing."""
        if route.http_method == ANY_METHOD:
            taken, self.any_method = self.any_method, self.any_method or route
            return taken
        taken = self.by_method.get(route.http_method)
        self.by_method.setdefault(route.http_method, route)
        return taken

    def let_get_answer_head(self) -> None:
        """Give HEAD to GET's route, after all routes were added."""
        if self.any_method is None and "GET" in self.by_method:
            self.by_method.setdefault("HEAD", self.by_method["GET"])

    def candidates(self) -> Iterator[Candidate[T]]:
        """Each route once, under its own method."""
        for http_method, route in sorted(self.by_method.items()):
            if http_method == route.http_method:
                yield Candidate(http_method, route.target)
        if self.any_method is not None:
            yield Candidate(ANY_METHOD, self.any_method.target)


class _Node(Generic[T]):
    """A place in the trie: *depth* segments of a path are behind it."""

    __slots__ = ("depth", "ends", "literals", "slashed_ends", "star", "tail")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.literals: dict[str | None, _Node[T]] = {}
        self.star: _Node[T] | None = None
        self.tail: _Ends[T] | None = None
        self.ends: _Ends[T] | None = None
        #: Those of *ends* that ignore a trailing slash.
        self.slashed_ends: _Ends[T] | None = None

    def child(self, segment: str, key: "_Key") -> "_Node[T]":
        """The node behind a template segment that is not `**`; made when there is none."""
        if segment == "*":
            self.star = self.star or _Node(self.depth + 1)
            return self.star
        return self.literals.setdefault(key(segment), _Node(self.depth + 1))

    def all_ends(self) -> Iterator[_Ends[T]]:
        """All ends of this node and of those below it."""
        nodes = [self]
        for node in nodes:
            yield from (ends for ends in (node.ends, node.slashed_ends, node.tail) if ends)
            nodes.extend(node.literals.values())
            if node.star:
                nodes.append(node.star)


class _Trie(Generic[T]):
    """The routes of one verb."""

    __slots__ = ("_key", "depth", "root")

    def __init__(self, key: "_Key") -> None:
        self._key = key
        self.root: _Node[T] = _Node(1)
        #: Segments that any template tells apart; a path is split no further.
        self.depth = 1

    def add(self, route: _Route[T]) -> _Route[T] | None:
        """Add a route. Returns the one that has its place already."""
        segments = route.template.segments
        has_tail = bool(segments) and segments[-1] == "**"
        node = self.root
        for segment in segments[:-1] if has_tail else segments:
            node = node.child(segment, self._key)
        self.depth = max(self.depth, node.depth)
        if has_tail:
            node.tail = node.tail or _Ends()
            return node.tail.add(route)
        if route.ignore_trailing_slash:
            node.slashed_ends = node.slashed_ends or _Ends()
            node.slashed_ends.add(route)
        node.ends = node.ends or _Ends()
        return node.ends.add(route)


class _Walk(Generic[T]):
    """A path made ready for the trie of its verb; `next_ends` hands out what it fits, best first.

    *length* is where the path ends, with the slashes at its end left out when *slashed*. The
    branches still to be tried are a stack, the most specific on top.
    """

    __slots__ = ("_keys", "_later", "_length", "segments", "slashed")

    def __init__(
        self,
        trie: _Trie[T],
        segments: list[str],
        keys: Sequence[str | None],
        length: int,
        slashed: bool,
    ) -> None:
        self.segments = segments
        self.slashed = slashed
        self._keys = keys
        self._length = length
        self._later: list[_Node[T] | _Ends[T]] = [trie.root]

    def next_ends(self) -> _Ends[T] | None:
        """The most specific place, not handed out yet, where the path may end."""
        keys, length, later = self._keys, self._length, self._later
        while later:
            place = later.pop()
            if isinstance(place, _Ends):
                return place
            node: _Node[T] | None = place
            depth = place.depth
            while node is not None:
                if node.tail is not None:
                    later.append(node.tail)
                if depth == length:
                    ends = node.slashed_ends if self.slashed else node.ends
                    if ends is not None:
                        return ends
                    break
                key, star = keys[depth], node.star
                depth += 1
                node = node.literals.get(key)
                if star is not None and key != "":
                    if node is None:
                        node = star
                    else:
                        later.append(star)
        return None


class Matcher(Generic[T]):
    """Immutable look-up of routes by HTTP method and raw path. Made by `MatcherBuilder`."""

    def __init__(self, routes: Sequence[_Route[T]], *, ignore_case: bool = False) -> None:
        """Raises `DuplicateRoutes`."""
        self._routes = len(routes)
        self._key: _Key = folded_key if ignore_case else literal_key
        self._folds = ignore_case
        self._ignores_slashes = any(route.ignore_trailing_slash for route in routes)
        self._plain: _Trie[T] = _Trie(self._key)
        self._verbs: dict[str | None, _Trie[T]] = {}
        self._add_all(routes)
        self._one_path = self._find_one_paths(routes)

    def __repr__(self) -> str:
        return f"<Matcher of {self._routes} routes, {len(self._verbs)} verbs>"

    def match(self, http_method: str, raw_path: str) -> Matched[T] | MethodMismatch | Unmatched:
        """Find the route of a request.

        *raw_path* is the path as sent: still encoded, without the query; bytes that are no UTF-8
        as lone surrogates. *http_method* is compared as it is. Raises `CaptureError`, a
        `RequestError` with status 400, when what a variable took cannot be decoded.
        """
        known = self._one_path.get(raw_path)
        if known is not None:
            matched = known.get(http_method) or known.get(ANY_METHOD)
            if matched is not None:
                return matched
        walk = self._walk(raw_path)
        if walk is None:
            return _UNMATCHED
        while (ends := walk.next_ends()) is not None:
            route = ends.by_method.get(http_method, ends.any_method)
            if route is not None:
                # Not Matched(...): the constructor of a named tuple costs twice as much.
                return _new_tuple(Matched, (route.target, self._captures(route, walk, raw_path)))
        return self._mismatch(raw_path)

    def candidates(self, raw_path: str) -> Iterator[Candidate[T]]:
        """All routes that fit a path, the most specific first, whatever their HTTP method."""
        for ends in self._all_ends(raw_path):
            yield from ends.candidates()

    def _walk(self, raw_path: str) -> _Walk[T] | None:
        """Split a path for the trie of its verb; None when it does not begin with a slash."""
        trie, path = self._plain, raw_path
        if self._verbs and ":" in raw_path:
            trie, path = self._split_verb(raw_path)
        segments = path.split("/", trie.depth) if path != "/" else [""]
        if segments[0] or not path:
            return None
        keys: Sequence[str | None] = segments
        if self._folds or "%" in path:
            keys = [self._key(segment) for segment in segments]
        slashed = self._ignores_slashes and raw_path.endswith("/") and raw_path != "/"
        length = path.rstrip("/").count("/") + 1 if slashed else len(segments)
        return _Walk(trie, segments, keys, length, slashed)

    def _split_verb(self, raw_path: str) -> tuple[_Trie[T], str]:
        """The trie to search, and the path without the verb."""
        front, _, verb = raw_path.rpartition(":")
        trie = None if "/" in verb else self._verbs.get(self._key(verb))
        return (self._plain, raw_path) if trie is None else (trie, front)

    def _captures(self, route: _Route[T], walk: _Walk[T], raw_path: str) -> tuple[str, ...]:
        segments = walk.segments
        if walk.slashed and route.ignore_trailing_slash:
            segments = raw_path.rstrip("/").split("/", len(segments) - 1)
        raws = route.captures.take(segments)
        return raws if is_plain(raw_path) else route.captures.decode(raws, route.target)

    def _mismatch(self, raw_path: str) -> MethodMismatch | Unmatched:
        allow = {method for ends in self._all_ends(raw_path) for method in ends.by_method}
        return MethodMismatch(tuple(sorted(allow))) if allow else _UNMATCHED

    def _all_ends(self, raw_path: str) -> Iterator[_Ends[T]]:
        walk = self._walk(raw_path)
        while walk is not None and (ends := walk.next_ends()) is not None:
            yield ends

    def _add_all(self, routes: Sequence[_Route[T]]) -> None:
        duplicates = []
        for route in routes:
            first = self._trie(route.template.verb).add(route)
            if first is not None:
                pair = (first.target, route.target)
                duplicates.append(Duplicate(route.http_method, route.template, *pair))
        if duplicates:
            raise DuplicateRoutes(duplicates)
        for trie in (self._plain, *self._verbs.values()):
            for ends in trie.root.all_ends():
                ends.let_get_answer_head()

    def _trie(self, verb: str) -> _Trie[T]:
        return self._verbs.setdefault(self._key(verb), _Trie(self._key)) if verb else self._plain

    def _find_one_paths(self, routes: Sequence[_Route[T]]) -> dict[str, dict[str, Matched[T]]]:
        """The answers for paths that one template spells out: nothing is more specific."""
        paths = [str(route.template) for route in routes if route.is_one_path]
        firsts = {path: next(self._all_ends(path)) for path in paths}
        return {path: _answers(ends) for path, ends in firsts.items()}


class MatcherBuilder(Generic[T]):
    """Collects routes, in any order, for an immutable `Matcher`.

    >>> from proxy.transcoding.template import parse_template
    >>> builder = MatcherBuilder[str]()
    >>> builder.add("GET", parse_template("/v1/{name=zones/*}"), "GetZone")
    >>> builder.build().match("GET", "/v1/zones/example.org")
    Matched(target='GetZone', captures=('zones/example.org',))
    """

    def __init__(self, *, ignore_case: bool = False) -> None:
        """With *ignore_case*, literals and verbs are found in any case of their ASCII letters."""
        self._routes: list[_Route[T]] = []
        self._ignore_case = ignore_case

    def add(
        self,
        http_method: str,
        template: PathTemplate,
        target: T,
        *,
        unescape: Unescape = Unescape.ALL_EXCEPT_SLASH,
        ignore_trailing_slash: bool = False,
    ) -> None:
        """Add a route. *http_method* is upper case, or `*` for any.

        *unescape* is for its variables of several segments. With *ignore_trailing_slash*, slashes
        at the end of a path count for nothing, and `**` does not take them.
        """
        route = _Route(http_method, template, target, unescape, ignore_trailing_slash)
        self._routes.append(route)

    def build(self) -> Matcher[T]:
        """Compile what was added so far. Raises `DuplicateRoutes`, with every pair."""
        return Matcher(self._routes, ignore_case=self._ignore_case)


_UNMATCHED: Final = Unmatched()

_new_tuple: Final = tuple.__new__


def _answers(ends: _Ends[T]) -> dict[str, Matched[T]]:
    answers = {method: Matched(route.target, ()) for method, route in ends.by_method.items()}
    if ends.any_method is not None:
        answers[ANY_METHOD] = Matched(ends.any_method.target, ())
    return answers
