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

from collections.abc import Iterator, Sequence
from typing import Final, Generic, TypeVar

from proxy.routing.captures import CaptureError, is_plain
from proxy.routing.outcomes import (
    ANY_METHOD,
    Candidate,
    Duplicate,
    DuplicateRoutes,
    Matched,
    MethodMismatch,
    Unmatched,
)
from proxy.routing.places import Ends, Key, PlacedRoute, Trie, Walk
from proxy.transcoding.percent import (
    PercentError,
    Unescape,
    decode_segment,
    folded_key,
    literal_key,
)
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


class Matcher(Generic[T]):
    """Immutable look-up of routes by HTTP method and raw path. Made by `MatcherBuilder`."""

    def __init__(self, routes: Sequence[PlacedRoute[T]], *, ignore_case: bool = False) -> None:
        """Raises `DuplicateRoutes`."""
        self._routes = len(routes)
        self._key: Key = folded_key if ignore_case else literal_key
        self._folds = ignore_case
        self._ignores_slashes = any(route.ignore_trailing_slash for route in routes)
        self._plain: Trie[T] = Trie(self._key)
        self._verbs: dict[str | None, Trie[T]] = {}
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
        passed: list[Ends[T]] = []
        while (ends := walk.next_ends()) is not None:
            route = ends.by_method.get(http_method, ends.any_method)
            if route is not None:
                # Not Matched(...): the constructor of a named tuple costs twice as much.
                return _new_tuple(Matched, (route.target, self._captures(route, walk, raw_path)))
            passed.append(ends)
        return _mismatch(passed) if passed else _UNMATCHED

    def candidates(self, raw_path: str) -> Iterator[Candidate[T]]:
        """All routes that fit a path, the most specific first, whatever their HTTP method."""
        for ends in self._all_ends(raw_path):
            yield from ends.candidates()

    def _walk(self, raw_path: str) -> Walk[T] | None:
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
        return Walk(trie, segments, keys, length, slashed)

    def _split_verb(self, raw_path: str) -> tuple[Trie[T], str]:
        """The trie to search, and the path without the verb."""
        front, _, verb = raw_path.rpartition(":")
        trie = None if "/" in verb else self._verbs.get(self._key(verb))
        return (self._plain, raw_path) if trie is None else (trie, front)

    def _captures(self, route: PlacedRoute[T], walk: Walk[T], raw_path: str) -> tuple[str, ...]:
        segments = walk.segments
        if walk.slashed and route.ignore_trailing_slash:
            segments = raw_path.rstrip("/").split("/", len(segments) - 1)
        raws = route.captures.take(segments)
        return raws if is_plain(raw_path) else route.captures.decode(raws, route.target)

    def _all_ends(self, raw_path: str) -> Iterator[Ends[T]]:
        walk = self._walk(raw_path)
        while walk is not None and (ends := walk.next_ends()) is not None:
            yield ends

    def _add_all(self, routes: Sequence[PlacedRoute[T]]) -> None:
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

    def _trie(self, verb: str) -> Trie[T]:
        return self._verbs.setdefault(self._key(verb), Trie(self._key)) if verb else self._plain

    def _find_one_paths(self, routes: Sequence[PlacedRoute[T]]) -> dict[str, dict[str, Matched[T]]]:
        """The answers for paths that one template spells out: nothing is more specific."""
        paths = [str(route.template) for route in routes if route.is_one_path]
        firsts = {path: next(self._all_ends(path)) for path in paths}
        return {path: _answers(ends) for path, ends in firsts.items()}


class DecodingMatcher(Matcher[T]):
    """A matcher of which some routes read a path with escapes as if it had been sent decoded.

    The others are asked first about such a path, and about the path as it was sent.
    """

    def __init__(self, routes: Sequence[PlacedRoute[T]], *, ignore_case: bool = False) -> None:
        """Raises `DuplicateRoutes`."""
        super().__init__(routes, ignore_case=ignore_case)
        first = [route for route in routes if not route.decodes_first]
        later = [route for route in routes if route.decodes_first]
        self._as_sent = Matcher(first, ignore_case=ignore_case)
        self._decoded = Matcher(later, ignore_case=ignore_case)

    def match(self, http_method: str, raw_path: str) -> Matched[T] | MethodMismatch | Unmatched:
        """As of any matcher."""
        if "%" not in raw_path:
            return super().match(http_method, raw_path)
        found = self._as_sent.match(http_method, raw_path)
        if isinstance(found, Matched):
            return found
        other = self._decoded.match(http_method, _decoded(raw_path))
        if not isinstance(found, MethodMismatch) or isinstance(other, Matched):
            return other
        allow = other.allow if isinstance(other, MethodMismatch) else ()
        return MethodMismatch(tuple(sorted({*found.allow, *allow})), found.target)

    def candidates(self, raw_path: str) -> Iterator[Candidate[T]]:
        """As of any matcher."""
        if "%" not in raw_path:
            yield from super().candidates(raw_path)
            return
        yield from self._as_sent.candidates(raw_path)
        yield from self._decoded.candidates(_decoded(raw_path))


def _decoded(raw_path: str) -> str:
    """A path decoded once, with no escapes but `%25` for its percent signs.

    One that cannot be decoded stays as it is: its route is to refuse it.
    """
    try:
        return decode_segment(raw_path).replace("%", "%25")
    except PercentError:
        return raw_path


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
        self._routes: list[PlacedRoute[T]] = []
        self._ignore_case = ignore_case

    def add(
        self,
        http_method: str,
        template: PathTemplate,
        target: T,
        *,
        unescape: Unescape = Unescape.ALL_EXCEPT_SLASH,
        ignore_trailing_slash: bool = False,
        keeps_bad_escapes: bool = False,
        decodes_first: bool = False,
        answers_head: bool = True,
    ) -> None:
        """Add a route. *http_method* is upper case, or `*` for any.

        *unescape* is for its variables of several segments. With *ignore_trailing_slash*, slashes
        at the end of a path count for nothing, and `**` does not take them. A broken escape is
        text when *keeps_bad_escapes*. With *decodes_first* a path is decoded before it is split.
        Of a GET route, *answers_head* says whether it answers HEAD too.
        """
        route = PlacedRoute(
            http_method,
            template,
            target,
            unescape=unescape,
            ignore_trailing_slash=ignore_trailing_slash,
            keeps_bad_escapes=keeps_bad_escapes,
            decodes_first=decodes_first,
            answers_head=answers_head,
        )
        self._routes.append(route)

    def build(self) -> Matcher[T]:
        """Compile what was added so far. Raises `DuplicateRoutes`, with every pair."""
        decoding = any(route.decodes_first for route in self._routes)
        made = DecodingMatcher if decoding else Matcher
        return made(self._routes, ignore_case=self._ignore_case)


_UNMATCHED: Final = Unmatched()

_new_tuple: Final = tuple.__new__


def _mismatch(passed: Sequence[Ends[T]]) -> MethodMismatch:
    """What is known of a path that ends at places, none of which has a route for its method."""
    allow = {method for ends in passed for method in ends.by_method}
    return MethodMismatch(tuple(sorted(allow)), passed[0].first())


def _answers(ends: Ends[T]) -> dict[str, Matched[T]]:
    answers = {method: Matched(route.target, ()) for method, route in ends.by_method.items()}
    if ends.any_method is not None:
        answers[ANY_METHOD] = Matched(ends.any_method.target, ())
    return answers
