"""The trie that path templates make: its places, and the walk of a path through it.

Belongs here: how routes are laid out, and in which order the places that a path fits come. Does
not: the rules of matching, which `routing.trie` states and keeps.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from proxy.routing.captures import Captures
from proxy.routing.outcomes import ANY_METHOD, Candidate
from proxy.transcoding.percent import Unescape
from proxy.transcoding.template import PathTemplate

T = TypeVar("T")
#: What a literal and the segments that it means have in common.
Key = Callable[[str], str | None]


class PlacedRoute(Generic[T]):
    """One added route, compiled."""

    __slots__ = (
        "answers_head",
        "captures",
        "decodes_first",
        "http_method",
        "ignore_trailing_slash",
        "target",
        "template",
    )

    def __init__(
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
        self.http_method = http_method
        self.template = template
        self.target = target
        self.captures = Captures(template, unescape, keeps_bad_escapes=keeps_bad_escapes)
        self.ignore_trailing_slash = ignore_trailing_slash
        self.decodes_first = decodes_first
        self.answers_head = answers_head

    @property
    def is_one_path(self) -> bool:
        """Whether only one path can match, and nothing is captured."""
        return not self.template.variables and not {"*", "**"} & set(self.template.segments)


class Ends(Generic[T]):
    """The routes that end at one place of the trie, by HTTP method."""

    __slots__ = ("any_method", "by_method")

    def __init__(self) -> None:
        self.by_method: dict[str, PlacedRoute[T]] = {}
        self.any_method: PlacedRoute[T] | None = None

    def add(self, route: PlacedRoute[T]) -> PlacedRoute[T] | None:
        """Add a route. Returns the one that has its place already, and then adds nothing."""
        if route.http_method == ANY_METHOD:
            taken, self.any_method = self.any_method, self.any_method or route
            return taken
        taken = self.by_method.get(route.http_method)
        self.by_method.setdefault(route.http_method, route)
        return taken

    def let_get_answer_head(self) -> None:
        """Give HEAD to a GET route that takes it, after all routes were added."""
        get = self.by_method.get("GET")
        if self.any_method is None and get is not None and get.answers_head:
            self.by_method.setdefault("HEAD", get)

    def first(self) -> T:
        """The target of the route that is first by its HTTP method, of those that name one."""
        return self.by_method[min(self.by_method)].target

    def candidates(self) -> Iterator[Candidate[T]]:
        """Each route once, under its own method."""
        for http_method, route in sorted(self.by_method.items()):
            if http_method == route.http_method:
                yield Candidate(http_method, route.target)
        if self.any_method is not None:
            yield Candidate(ANY_METHOD, self.any_method.target)


class Node(Generic[T]):
    """A place in the trie: *depth* segments of a path are behind it."""

    __slots__ = ("depth", "ends", "literals", "slashed_ends", "star", "tail")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.literals: dict[str | None, Node[T]] = {}
        self.star: Node[T] | None = None
        self.tail: Ends[T] | None = None
        self.ends: Ends[T] | None = None
        #: Those of *ends* that ignore a trailing slash.
        self.slashed_ends: Ends[T] | None = None

    def child(self, segment: str, key: "Key") -> "Node[T]":
        """The node behind a template segment that is not `**`; made when there is none."""
        if segment == "*":
            self.star = self.star or Node(self.depth + 1)
            return self.star
        return self.literals.setdefault(key(segment), Node(self.depth + 1))

    def all_ends(self) -> Iterator[Ends[T]]:
        """All ends of this node and of those below it."""
        nodes = [self]
        for node in nodes:
            yield from (ends for ends in (node.ends, node.slashed_ends, node.tail) if ends)
            nodes.extend(node.literals.values())
            if node.star:
                nodes.append(node.star)


class Trie(Generic[T]):
    """The routes of one verb."""

    __slots__ = ("_key", "depth", "root")

    def __init__(self, key: "Key") -> None:
        self._key = key
        self.root: Node[T] = Node(1)
        #: Segments that any template tells apart; a path is split no further.
        self.depth = 1

    def add(self, route: PlacedRoute[T]) -> PlacedRoute[T] | None:
        """Add a route. Returns the one that has its place already."""
        segments = route.template.segments
        has_tail = bool(segments) and segments[-1] == "**"
        node = self.root
        for segment in segments[:-1] if has_tail else segments:
            node = node.child(segment, self._key)
        self.depth = max(self.depth, node.depth)
        if has_tail:
            node.tail = node.tail or Ends()
            return node.tail.add(route)
        if route.ignore_trailing_slash:
            node.slashed_ends = node.slashed_ends or Ends()
            node.slashed_ends.add(route)
        node.ends = node.ends or Ends()
        return node.ends.add(route)


class Walk(Generic[T]):
    """A path made ready for the trie of its verb; `next_ends` hands out what it fits, best first.

    *length* is where the path ends, with the slashes at its end left out when *slashed*. The
    branches still to be tried are a stack, the most specific on top.
    """

    __slots__ = ("_keys", "_later", "_length", "segments", "slashed")

    def __init__(
        self,
        trie: Trie[T],
        segments: list[str],
        keys: Sequence[str | None],
        length: int,
        slashed: bool,
    ) -> None:
        self.segments = segments
        self.slashed = slashed
        self._keys = keys
        self._length = length
        self._later: list[Node[T] | Ends[T]] = [trie.root]

    def next_ends(self) -> Ends[T] | None:
        """The most specific place, not handed out yet, where the path may end."""
        keys, length, later = self._keys, self._length, self._later
        while later:
            place = later.pop()
            if isinstance(place, Ends):
                return place
            node: Node[T] | None = place
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
