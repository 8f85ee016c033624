"""Route look-up: the vectors, a naive matcher as the reference, and what a look-up costs."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations, product
from types import FrameType
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.routing.trie import (
    Candidate,
    CaptureError,
    DuplicateRoutes,
    Matched,
    Matcher,
    MatcherBuilder,
    MethodMismatch,
    Unmatched,
)
from proxy.transcoding.percent import Unescape
from proxy.transcoding.template import PathTemplate, parse_template
from tests.vector_tables import Case, select

STEADY: Final = settings(derandomize=True, deadline=None)


def matcher_of(*routes: str, **options: Any) -> Matcher[str]:
    """A matcher whose targets are the routes' own texts, `GET /v1/{x}`."""
    builder = MatcherBuilder[str]()
    for route in routes:
        http_method, template = route.split(" ")
        builder.add(http_method, parse_template(template), route, **options)
    return builder.build()


# --- the vectors -----------------------------------------------------------------------------

VECTORS: Final = select(
    "matching",
    accepted={
        "unescape": [mode.value for mode in Unescape],
        "plus_is_space": [True, False],  # about the query, which is not matched here
        "system_parameters": [["$alt", "alt", "key", "prettyPrint"]],  # likewise
        "unregistered_verb": ["part_of_segment"],
        "duplicate_rule": ["error"],
        "trailing_slash": ["ignore", "strict"],
        "empty_segment": ["no_match"],
        "bad_escape": ["error", "literal"],
        "split": ["before_decoding", "after_decoding"],
        "form_post_as_get": [False],
        "method_override": [False],
    },
    refused=["literal_after_double_wildcard", "nested_variable"],
    supported=["root_template"],
)


def settings_of(case: Case) -> Iterator[dict[str, Any]]:
    """Every way to set the matcher in which the case holds: what it does not name is free."""
    modes = [case.options["unescape"]] if "unescape" in case.options else list(Unescape)
    slash = case.options.get("trailing_slash")
    slashes = [False, True] if slash is None else [slash == "ignore"]
    for mode, ignore in product(modes, slashes):
        yield {
            "unescape": Unescape(mode),
            "ignore_trailing_slash": ignore,
            "keeps_bad_escapes": case.options.get("bad_escape") == "literal",
            "decodes_first": case.options.get("split") == "after_decoding",
        }


def vector_matcher(case: Case, **options: Any) -> Matcher[int]:
    """A matcher whose targets are the indices of the rules."""
    builder = MatcherBuilder[int]()
    for index, rule in enumerate(case["rules"]):
        builder.add(rule["method"], parse_template(rule["template"]), index, **options)
    return builder.build()


def vector_path(case: Case) -> str:
    path = case["request"]["path"]
    if isinstance(path, str):
        return path
    return str(path["prefix"] + path["unit"] * path["count"] + path["suffix"])


def captured_names(case: Case, index: int) -> list[str]:
    variables = parse_template(case["rules"][index]["template"]).variables
    return [".".join(variable.field_path) for variable in variables]


@VECTORS.where(lambda case: "rpc" in case["expect"]).parametrize
def test_vector_request_finds_its_rule(case: Case) -> None:
    expect = case["expect"]
    for options in settings_of(case):
        found = vector_matcher(case, **options).match(case["request"]["method"], vector_path(case))
        assert isinstance(found, Matched)
        rule = case["rules"][found.target]
        assert rule["rpc"] == expect["rpc"]
        assert "body" not in expect or rule["body"] == expect["body"]
        # What follows the captures in a case comes from the query.
        expected = [(each["field_path"], each["value"]) for each in expect["bindings"]]
        captures = zip(captured_names(case, found.target), found.captures, strict=True)
        assert list(captures) == expected[: len(found.captures)]


@VECTORS.where(lambda case: "no_match" in case["expect"]).parametrize
def test_vector_request_finds_no_rule(case: Case) -> None:
    for options in settings_of(case):
        found = vector_matcher(case, **options).match(case["request"]["method"], vector_path(case))
        if "other_methods" in case["expect"]:
            assert isinstance(found, MethodMismatch)
            own = {rule["method"] for rule in case["rules"]}
            assert [each for each in found.allow if each in own] == case["expect"]["other_methods"]
            assert set(found.allow) - own <= {"HEAD"}
        else:
            assert found == Unmatched()


@VECTORS.where(lambda case: "error" in case["expect"]).parametrize
def test_vector_request_is_refused(case: Case) -> None:
    for options in settings_of(case):
        with pytest.raises(CaptureError):
            vector_matcher(case, **options).match(case["request"]["method"], vector_path(case))


@VECTORS.where(lambda case: "config_error" in case["expect"]).parametrize
def test_vector_rules_are_refused(case: Case) -> None:
    for options in settings_of(case):
        with pytest.raises(DuplicateRoutes):
            vector_matcher(case, **options)


def test_vectors_are_left_out_for_known_reasons_only() -> None:
    assert set(VECTORS.left_out.values()) == {
        "duplicate_rule is last_wins",
        "duplicate_rule is unreachable",
        "empty_segment is matches",
        "form_post_as_get is True",
        "method_override is True",
        "needs literal_after_double_wildcard",
        "needs nested_variable",
        "unregistered_verb is no_match",
    }
    assert len(VECTORS.cases) == 177


DECODING: Final = select(
    "decoding",
    accepted={
        "unescape": [mode.value for mode in Unescape],
        "bad_escape": ["error", "literal"],
        "plus": [],
        "no_equals": [],
    },
    refused=["literal_after_double_wildcard"],
).where(lambda case: case["where"] == "path")


@DECODING.parametrize
def test_decoding_vector_comes_out_of_the_matcher(case: Case) -> None:
    named = case.options.get("unescape", [mode.value for mode in Unescape])
    for mode in [named] if isinstance(named, str) else named:
        keeps = case.options.get("bad_escape") == "literal"
        matcher = matcher_of(
            f"GET {case['template']}", unescape=Unescape(mode), keeps_bad_escapes=keeps
        )
        values = case["expect"].get("values", {})
        if not values or any("\0" in value for value in values.values()):
            with pytest.raises(CaptureError):
                matcher.match("GET", case["path"])
        else:
            found = matcher.match("GET", case["path"])
            assert isinstance(found, Matched)
            assert found.captures == tuple(values.values())


# --- the reference ---------------------------------------------------------------------------


def spelled(segment: str) -> str:
    return segment.replace("%61", "a")


NaiveRoute = tuple[str, PathTemplate, bool]


class NaiveMatcher:
    """The rules of the matcher as a search through all routes, written for reading.

    *routes* are (HTTP method, template, whether it ignores trailing slashes).
    """

    def __init__(self, routes: list[NaiveRoute]) -> None:
        self._routes = routes
        self._verbs = {template.verb for _, template, _ in routes if template.verb}

    def match(self, http_method: str, path: str) -> object:
        fits = [route for route in self._routes if self._segments(route, path) is not None]
        for shape in sorted({self._rank(route) for route in fits}):
            here = {route[0]: route for route in fits if self._rank(route) == shape}
            standing_in = ("GET",) if http_method == "HEAD" else ()
            for candidate in (http_method, "*", *standing_in):
                if candidate in here:
                    return (*here[candidate], self._captures(here[candidate], path))
        allow = {route[0] for route in fits}
        return sorted(allow | ({"HEAD"} if "GET" in allow else set()))

    def _segments(self, route: NaiveRoute, path: str) -> list[str] | None:
        """The segments of the path that the route would match, None when it does not."""
        _, template, ignore_slash = route
        verb = path.rpartition(":")[2]
        has_verb = ":" in path and "/" not in verb and verb in self._verbs
        if (verb if has_verb else "") != template.verb:
            return None
        path = path[: -len(verb) - 1] if has_verb else path
        if ignore_slash and not has_verb:
            path = path.rstrip("/")
        segments = [] if path in ("", "/") else path[1:].split("/")
        wanted = [*template.segments]
        if wanted and wanted[-1] == "**":
            wanted.pop()
            if len(segments) < len(wanted):
                return None
        elif len(segments) != len(wanted):
            return None
        pairs = zip(wanted, segments, strict=False)
        if all(s != "" if w == "*" else spelled(w) == spelled(s) for w, s in pairs):
            return segments
        return None

    def _rank(self, route: NaiveRoute) -> tuple[tuple[int, str], ...]:
        """What sorts templates by specificity; equal for templates of one shape."""
        kinds = {"*": (2, ""), "**": (3, "")}
        ranks = [kinds.get(each, (1, spelled(each))) for each in route[1].segments]
        return (*ranks, (0, "the end"))

    def _captures(self, route: NaiveRoute, path: str) -> tuple[str, ...]:
        segments = self._segments(route, path) or []
        return tuple(
            spelled("/".join(segments[v.start : None if v.end < 0 else v.end]))
            for v in route[1].variables
        )


SEGMENTS: Final = st.sampled_from(["a", "b", "%61", "*"])
VERBS: Final = st.sampled_from(["", "", ":run", ":stop"])


@st.composite
def templates(draw: st.DrawFn) -> PathTemplate:
    """A template over few literals, so that several of them fit one path."""
    segments = draw(st.lists(SEGMENTS, max_size=4))
    if draw(st.booleans()):
        segments.append("**")
    printed = list(segments)
    if segments and draw(st.booleans()):
        start = draw(st.integers(0, len(segments) - 1))
        end = draw(st.integers(start + 1, len(segments)))
        printed[start:end] = [f"{{x={'/'.join(segments[start:end])}}}"]
    verb = draw(VERBS) if segments else ""
    return parse_template("/" + "/".join(printed) + verb)


ROUTES: Final = st.lists(
    st.tuples(st.sampled_from(["GET", "POST", "HEAD", "*"]), templates(), st.booleans()),
    max_size=12,
    unique_by=lambda route: (
        route[0],
        route[1].verb,
        tuple(spelled(segment) for segment in route[1].segments),
    ),
)
PATHS: Final = st.lists(
    st.sampled_from(["a", "a", "b", "%61", "c", "", "a:run", "b:stop", "a:other", ":run"]),
    max_size=6,
).map(lambda segments: "/" + "/".join(segments))


def answer(matcher: Matcher[NaiveRoute], http_method: str, path: str) -> object:
    """A look-up's outcome in the form of the reference."""
    found = matcher.match(http_method, path)
    if isinstance(found, Matched):
        return (*found.target, found.captures)
    return list(found.allow) if isinstance(found, MethodMismatch) else []


def build(routes: list[NaiveRoute]) -> Matcher[NaiveRoute]:
    builder = MatcherBuilder[NaiveRoute]()
    for route in routes:
        builder.add(route[0], route[1], route, ignore_trailing_slash=route[2])
    return builder.build()


@settings(STEADY, max_examples=150)
@given(ROUTES, st.lists(PATHS, min_size=1, max_size=8), st.sampled_from(["GET", "HEAD", "PUT"]))
def test_matcher_agrees_with_a_search_through_all_routes(
    routes: list[NaiveRoute], paths: list[str], http_method: str
) -> None:
    matcher, reference = build(routes), NaiveMatcher(routes)
    for path in paths:
        assert answer(matcher, http_method, path) == reference.match(http_method, path)


@STEADY
@given(ROUTES, st.randoms(use_true_random=False), st.lists(PATHS, min_size=1, max_size=5))
def test_order_of_the_routes_does_not_matter(
    routes: list[NaiveRoute], random: Any, paths: list[str]
) -> None:
    shuffled = [*routes]
    random.shuffle(shuffled)
    one, other = build(routes), build(shuffled)
    for path, http_method in product(paths, ["GET", "POST", "HEAD"]):
        assert answer(one, http_method, path) == answer(other, http_method, path)


NAMES: Final = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6
).filter(lambda name: name not in (".", ".."))


@STEADY
@given(templates(), st.lists(NAMES, min_size=10, max_size=10), st.integers(0, 3))
def test_path_written_by_a_template_finds_it_and_gives_back_the_names(
    template: PathTemplate, names: list[str], tail: int
) -> None:
    written: list[str] = []
    for segment, name in zip(template.segments, names, strict=False):
        encoded = quote(name, safe="")
        written += [encoded] * tail if segment == "**" else [{"*": encoded}.get(segment, segment)]
    path = "/" + "/".join(written) + (f":{template.verb}" if template.verb else "")
    builder = MatcherBuilder[str]()
    builder.add("GET", template, "it")
    found = builder.build().match("GET", path)
    assert isinstance(found, Matched)
    for variable, text in zip(template.variables, found.captures, strict=True):
        if variable.single_segment and template.segments[variable.start] == "*":
            assert text == names[variable.start]


# --- what the vectors do not say ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "http_method", "target"),
    [
        (["GET /a"], "HEAD", "GET /a"),
        (["GET /a", "HEAD /a"], "HEAD", "HEAD /a"),
        (["GET /a", "* /a"], "HEAD", "* /a"),
        (["GET /a", "* /a"], "GET", "GET /a"),
        (["GET /a", "* /{x}"], "HEAD", "GET /a"),  # the path is compared before the method
        (["GET /{x}", "HEAD /**"], "HEAD", "GET /{x}"),
        (["POST /a", "* /{x}"], "GET", "* /{x}"),
    ],
)
def test_methods_are_compared_at_the_most_specific_path(
    routes: list[str], http_method: str, target: str
) -> None:
    for order in permutations(routes):
        found = matcher_of(*order).match(http_method, "/a")
        assert isinstance(found, Matched)
        assert found.target == target


def test_allow_lists_the_methods_of_every_template_that_fits() -> None:
    matcher = matcher_of("GET /v1/{x}", "POST /v1/a", "DELETE /v1/**", "PUT /v1/b")
    assert matcher.match("PATCH", "/v1/a") == MethodMismatch(("DELETE", "GET", "HEAD", "POST"))
    assert matcher.match("PATCH", "/v2/a") == Unmatched()


@pytest.mark.parametrize("path", ["", "*", "a", "a/b", "http://host/a", ":run"])
def test_path_without_a_leading_slash_matches_nothing(path: str) -> None:
    assert matcher_of("* /**", "* /**:run").match("GET", path) == Unmatched()


def test_empty_matcher_matches_nothing() -> None:
    assert matcher_of().match("GET", "/") == Unmatched()


def test_bare_slash_template_matches_the_root_alone() -> None:
    matcher = matcher_of("GET /", "GET /{x}")
    assert matcher.match("GET", "/") == Matched("GET /", ())
    assert matcher.match("GET", "//") == Unmatched()


@pytest.mark.parametrize("ignore", [True, False])
@pytest.mark.parametrize(
    ("path", "strict", "ignoring"),
    [
        ("/a", "GET /a", "GET /a"),
        ("/a/", "GET /a/**", "GET /a"),
        ("/a//", "GET /a/**", "GET /a"),
        ("/a/b/", "GET /a/**", "GET /a/**"),
    ],
)
def test_slash_at_the_end_counts_for_nothing_where_it_is_ignored(
    path: str, strict: str, ignoring: str, ignore: bool
) -> None:
    matcher = matcher_of("GET /a", "GET /a/**", ignore_trailing_slash=ignore)
    found = matcher.match("GET", path)
    assert isinstance(found, Matched)
    assert found.target == (ignoring if ignore else strict)


@pytest.mark.parametrize(("ignore", "text"), [(True, "a/b"), (False, "a/b/")])
def test_double_star_takes_a_slash_at_the_end_unless_it_is_ignored(ignore: bool, text: str) -> None:
    matcher = matcher_of("GET /v1/{x=**}", ignore_trailing_slash=ignore)
    assert matcher.match("GET", "/v1/a/b/") == Matched("GET /v1/{x=**}", (text,))


def test_trailing_slash_is_ignored_by_the_route_that_says_so_alone() -> None:
    builder = MatcherBuilder[str]()
    builder.add("GET", parse_template("/a"), "strict")
    builder.add("POST", parse_template("/a"), "ignoring", ignore_trailing_slash=True)
    matcher = builder.build()
    assert matcher.match("POST", "/a/") == Matched("ignoring", ())
    assert matcher.match("GET", "/a/") == MethodMismatch(("POST",))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/a/b%zz", "thing.name"),
        ("/v1/%ff/b", "id"),
        ("/v1/a%00/b", "id"),
        ("/v1/a\0/b", "id"),
        ("/v1/\udcff/b", "id"),
        ("/v1/../b", "id"),
        ("/v1/%2e%2E/b", "id"),
        ("/v1/./b", "id"),
        ("/v1/a/..", "thing.name"),
    ],
)
def test_capture_that_cannot_be_a_value_is_refused_for_its_field(path: str, field: str) -> None:
    matcher = matcher_of("GET /v1/{id}/{thing.name}")
    with pytest.raises(RequestError) as caught:
        matcher.match("GET", path)
    assert (caught.value.http_status, caught.value.field) == (400, field)
    assert isinstance(caught.value, CaptureError)
    assert caught.value.target == "GET /v1/{id}/{thing.name}"


def test_dot_segment_is_refused_where_a_star_stands_inside_a_longer_variable() -> None:
    matcher = matcher_of("GET /v1/{name=zones/*/records/*}", "GET /v2/{path=**}")
    with pytest.raises(CaptureError):
        matcher.match("GET", "/v1/zones/../records/7")
    assert matcher.match("GET", "/v2/a/../b") == Matched("GET /v2/{path=**}", ("a/../b",))


def test_names_that_only_begin_with_a_dot_are_names() -> None:
    matcher = matcher_of("GET /v1/{name=zones/*/**}")
    found = matcher.match("GET", "/v1/zones/.well-known/...")
    assert found == Matched("GET /v1/{name=zones/*/**}", ("zones/.well-known/...",))


def test_every_duplicate_is_named_with_both_targets() -> None:
    with pytest.raises(DuplicateRoutes) as caught:
        matcher_of("GET /v1/{a}", "GET /v1/*", "* /b/**:run", "* /b/{x=**}:run", "GET /%61/b:c")
    pairs = [(pair.http_method, pair.first, pair.second) for pair in caught.value.duplicates]
    assert pairs == [
        ("GET", "GET /v1/{a}", "GET /v1/*"),
        ("*", "* /b/**:run", "* /b/{x=**}:run"),
    ]
    assert "'GET /v1/{a}' and 'GET /v1/*'" in str(caught.value)


@pytest.mark.parametrize(
    "routes",
    [
        ("GET /a/%61", "GET /%61/a"),
        ("GET /a:b%2c", "GET /a:b,"),
        ("GET /a:b%2c", "GET /a:b%2C"),
        ("GET /", "GET /"),
    ],
)
def test_routes_that_differ_in_their_escapes_alone_are_duplicates(routes: tuple[str, ...]) -> None:
    with pytest.raises(DuplicateRoutes):
        matcher_of(*routes)


def test_routes_that_differ_in_method_shape_or_verb_are_no_duplicates() -> None:
    matcher_of("GET /a", "* /a", "POST /a", "GET /a:run", "GET /*", "GET /**", "GET /a/*", "GET /")


def test_candidates_are_all_routes_that_fit_most_specific_first() -> None:
    matcher = matcher_of("GET /v1/**", "* /v1/a", "GET /v1/a", "POST /v1/{x}", "GET /v1/b")
    assert list(matcher.candidates("/v1/a")) == [
        Candidate("GET", "GET /v1/a"),
        Candidate("*", "* /v1/a"),
        Candidate("POST", "POST /v1/{x}"),
        Candidate("GET", "GET /v1/**"),
    ]
    assert list(matcher.candidates("/v2")) == list(matcher.candidates("v1")) == []


def test_later_additions_do_not_change_a_matcher_that_was_built() -> None:
    builder = MatcherBuilder[str]()
    builder.add("GET", parse_template("/a"), "a")
    matcher = builder.build()
    builder.add("GET", parse_template("/b"), "b")
    assert matcher.match("GET", "/b") == Unmatched()
    assert repr(matcher) == "<Matcher of 1 routes, 0 verbs>"
    assert repr(builder.build()) == "<Matcher of 2 routes, 0 verbs>"


# --- what a look-up costs ----------------------------------------------------------------------


def steps(action: Callable[[], object]) -> int:
    """The lines of `proxy.routing` that *action* runs: a cost that no noise can change."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "routing" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def wide_matcher(count: int) -> Matcher[str]:
    """*count* routes of the usual shapes; the first is the same for every count."""
    kinds = [
        "GET /v1/c{}/{{id}}/items/{{item}}",
        "GET /v1/c{}",
        "POST /v1/c{}/{{id}}:verb",
        "GET /v1/c{}/**",
    ]
    return matcher_of(*(kinds[n % 4].format(n // 4) for n in range(count)))


def test_look_up_takes_the_same_steps_among_10_and_10_000_routes() -> None:
    few, many = wide_matcher(12), wide_matcher(10_000)
    for path in ["/v1/c0/a/items/b", "/v1/c0", "/v1/c0/a/b/c/d", "/v1/no", "/x"]:
        assert few.match("GET", path) == many.match("GET", path)
        taken = steps(partial(few.match, "GET", path))
        assert 0 < taken == steps(partial(many.match, "GET", path))


@pytest.mark.parametrize("unit", ["/a", "/", "/c0", "/.", "/:verb"])
def test_length_of_a_hostile_path_adds_no_steps(unit: str) -> None:
    matcher = wide_matcher(100)
    short, long = "/v1" + unit * 10, "/v1" + unit * 10_000
    assert steps(lambda: matcher.match("PUT", long)) == steps(lambda: matcher.match("PUT", short))


def test_backtracking_visits_no_node_twice() -> None:
    depth = 8
    shapes = ["/".join(each) for each in product(["a", "*"], repeat=depth)]
    matcher = matcher_of(*(f"GET /{shape}/end" for shape in shapes))
    nodes = 2 ** (depth + 1) - 1
    worst = steps(lambda: matcher.match("GET", "/a" * depth + "/no"))
    one_way = steps(lambda: matcher.match("GET", "/b" * depth + "/no"))
    # A miss walks twice, for the route and for `Allow`; a node costs at most as much as on the
    # straight way, which passes depth + 1 of them.
    assert worst <= one_way * nodes / (depth + 1) * 2


def test_longest_template_bounds_the_work_on_any_path() -> None:
    matcher = matcher_of("GET /" + "/".join("*" * 50), "GET /" + "/".join("a" * 49) + "/b")
    taken = steps(lambda: matcher.match("GET", "/a" * 51))
    assert steps(lambda: matcher.match("GET", "/a" * 10_000)) == taken
