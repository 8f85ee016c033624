"""What finding a route costs with 10, 1,000 and 10,000 routes.

The route tables have the shape of a real API: per collection the standard methods and a custom
verb. The same requests are looked up in each of them, so what differs is the routes that are not
asked for. A look-up that goes all over the largest table is shown as well: it does the same work
and pays for the processor's cache misses, which is why it has no target.

Times are CPU times of this thread. The tables take turns within a round and a ratio is taken per
round, since the machine is not equally fast all the time; the medians of the rounds are reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median
from time import thread_time_ns
from typing import Final

from bench.figures import Broken, Figure
from proxy.routing.trie import Matched, Matcher, MatcherBuilder
from proxy.transcoding.template import parse_template

SIZES: Final = (10, 1_000, 10_000)
ROUNDS: Final = 100
TARGET_RATIO: Final = 1.5
LOOK_UPS: Final = 1_000  # per round and size; about 2 ms, so that a round sees one clock speed

#: HTTP method, template and a path that it answers; {c} is the number of the collection.
KINDS: Final = (
    ("GET", "/v4/things{c}/{{thing}}/parts/{{part}}", "/v4/things{c}/thing-7/parts/part-9"),
    ("GET", "/v4/things{c}/{{thing}}/parts", "/v4/things{c}/thing-7/parts"),
    ("POST", "/v4/things{c}/{{thing}}/parts", "/v4/things{c}/thing-7/parts"),
    ("PATCH", "/v4/{{part.name=things{c}/*/parts/*}}", "/v4/things{c}/thing-7/parts/part-9"),
    ("POST", "/v4/things{c}/{{thing}}:check", "/v4/things{c}/thing-7:check"),
    ("GET", "/v4/things{c}", "/v4/things{c}"),
)

Request = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A matcher with the requests that are looked up in it."""

    matcher: Matcher[int]
    requests: Sequence[Request]

    def cost_ns(self) -> float:
        """Nanoseconds for one look-up, over all requests once."""
        match = self.matcher.match
        start = thread_time_ns()
        for http_method, path in self.requests:
            match(http_method, path)
        return (thread_time_ns() - start) / len(self.requests)


def run() -> list[Figure]:
    matchers = {size: matcher_of(size) for size in SIZES}
    small, large = SIZES[0], SIZES[-1]
    tables = {
        f"{size:,} routes": Table(matcher, requests_for(matcher, small))
        for size, matcher in matchers.items()
    }
    tables[f"{large:,} routes, all over the table"] = Table(
        matchers[large], requests_for(matchers[large], large)
    )
    rounds = measured(tables)
    ratio = median(costs[f"{large:,} routes"] / costs[f"{small:,} routes"] for costs in rounds)
    return [
        *figures_of(rounds),
        Figure(f"{large:,} routes to {small:,}", ratio, "x", TARGET_RATIO, False),
        *figures_by_kind(matchers[large]),
    ]


def measured(tables: Mapping[str, Table]) -> list[dict[str, float]]:
    """Nanoseconds per look-up by table, for each round."""
    return [{name: table.cost_ns() for name, table in tables.items()} for _ in range(ROUNDS)]


def figures_of(rounds: Sequence[Mapping[str, float]]) -> list[Figure]:
    return [
        Figure(name, median(costs[name] for costs in rounds), "ns", higher_is_better=False)
        for name in rounds[0]
    ]


def figures_by_kind(matcher: Matcher[int]) -> list[Figure]:
    """What each kind of path costs in the largest table."""
    five_segments = [("GET", "/v4/things7/thing-7/parts/part-9")]
    kinds = {
        "five segments, two variables": five_segments,
        "five segments, one variable over four": [("PATCH", five_segments[0][1])],
        "five segments, escaped": [("GET", "/v4/things7/thing%207/parts/part-9")],
        "one literal path": [("GET", "/v4/things7")],
        "unknown path": [("GET", "/v3/things7/thing-7")],
        "unknown path of 10,000 segments": [("GET", "/v4" + "/a" * 10_000)],
    }
    return figures_of(
        measured({name: Table(matcher, requests * 100) for name, requests in kinds.items()})
    )


def matcher_of(size: int) -> Matcher[int]:
    """A matcher of *size* routes; a target is the route's number."""
    builder = MatcherBuilder[int]()
    for number in range(size):
        http_method, template, _ = KINDS[number % len(KINDS)]
        text = template.format(c=number // len(KINDS))
        builder.add(http_method, parse_template(text), number)
    return builder.build()


def requests_for(matcher: Matcher[int], routes: int) -> list[Request]:
    """Requests for the first *routes* routes at random, the kinds in equal parts."""
    requests = []
    for number in Random(1).choices(range(routes - routes % len(KINDS)), k=LOOK_UPS):
        http_method, _, path = KINDS[number % len(KINDS)]
        requests.append((http_method, path.format(c=number // len(KINDS))))
        found = matcher.match(*requests[-1])
        if not isinstance(found, Matched) or found.target != number:
            raise Broken(f"{requests[-1]} does not find route {number}")
    return requests
