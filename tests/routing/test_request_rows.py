"""What the rows of requests do to look-ups: misses, HEAD, forms, paths that are decoded first."""

from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from proxy.errors import ConfigError, RequestError
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found
from proxy.routing.trie import Matched, MatcherBuilder, MethodMismatch, Unmatched
from proxy.transcoding.template import parse_template
from tests.routing.test_snapshot import rpc, shop
from tests.vector_tables import load

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def route(name: str, settings: str) -> str:
    return f"- {{rpc: shop.v1.Shop.{name}, {settings}}}\n"


async def two_routes(place: Path, first: str, second: str) -> Snapshot:
    """A by GET at a literal, B by PUT at a variable in its place."""
    rpcs = rpc("A", 'get: "/x/a"'), rpc("B", 'put: "/x/{id}" body: "inner"')
    return await shop(place, *rpcs, more=f"routes:\n{route('A', first)}{route('B', second)}")


def miss(snapshot: Snapshot, http_method: str, path: str) -> tuple[int, str, bool]:
    """Status, `Allow` and whether OPTIONS is answered; 404 for what is as if not mapped."""
    found = snapshot.table.find(http_method, path)
    assert found.binding is None
    if found.refusal is None:
        return 404, "", found.answers_options
    headers = dict(found.refusal.headers)
    return found.refusal.http_status, headers.get("allow", ""), found.answers_options


@pytest.mark.parametrize(
    ("status", "expected"),
    [(405, (405, "GET, HEAD, PUT", True)), (404, (404, "", True)), (501, (501, "", True))],
)
async def test_a_miss_has_the_status_of_the_most_specific_route(
    tmp_path: Path, status: int, expected: tuple[int, str, bool]
):
    other = {405: 404, 404: 501, 501: 405}[status]
    snapshot = await two_routes(tmp_path, f"method_mismatch: {status}", f"method_mismatch: {other}")
    assert miss(snapshot, "DELETE", "/x/a") == expected
    assert miss(snapshot, "DELETE", "/x/b")[0] == other
    assert miss(snapshot, "DELETE", "/y")[0] == 404


async def test_options_is_answered_as_the_most_specific_route_says(tmp_path: Path):
    snapshot = await two_routes(tmp_path, "options: mismatch", "options: allow")
    assert miss(snapshot, "OPTIONS", "/x/a") == (405, "GET, HEAD, PUT", False)
    assert miss(snapshot, "OPTIONS", "/x/b")[2]


async def test_head_is_a_method_like_others_where_a_route_says_so(tmp_path: Path):
    rpcs = rpc("A", 'get: "/x/a"'), rpc("B", 'get: "/x/{id}"'), rpc("C", 'get: "/y"')
    more = f"routes:\n{route('A', 'head: mismatch')}{route('C', 'head: mismatch')}"
    snapshot = await shop(tmp_path, *rpcs, more=more)
    # The search goes on, as for any method: the less specific route answers HEAD.
    assert snapshot.table.find("HEAD", "/x/a").captures == ("a",)
    assert miss(snapshot, "HEAD", "/y") == (405, "GET", True)
    assert snapshot.table.find("GET", "/y").binding


# --- forms -------------------------------------------------------------------------------------


def posted(snapshot: Snapshot, path: str, **headers: str) -> Found:
    """What a POST stands for, with the headers of a form unless others are given."""
    given = CIMultiDict[str](FORM | {name.replace("_", "-"): headers[name] for name in headers})
    table = snapshot.table
    return table.posted(table.find("POST", path), path, given)


def rpc_of(found: Found) -> str:
    return "" if found.binding is None else found.binding.route.rpc.rpartition(".")[2]


async def form_stand(place: Path, mode: str) -> Snapshot:
    rpcs = (
        rpc("Get", 'get: "/x/{id}"'),
        rpc("Post", 'post: "/x/{id}" body: "*"'),
        rpc("Delete", 'delete: "/x/{id}"'),
        rpc("Only", 'get: "/y/{id}"'),
        rpc("Closed", 'get: "/z/{id}"'),
    )
    modes = {"Get": mode, "Only": mode, "Delete": "off" if mode == "get" else mode}
    entries = "".join(route(name, f"method_override: {value}") for name, value in modes.items())
    return await shop(place, *rpcs, more=f"routes:\n{entries}")


async def test_a_form_stands_for_a_get_where_there_is_no_post(tmp_path: Path):
    snapshot = await form_stand(tmp_path, "get")
    assert rpc_of(posted(snapshot, "/y/1")) == "Only"
    assert rpc_of(posted(snapshot, "/x/1")) == "Post"
    assert rpc_of(posted(snapshot, "/z/1")) == ""
    assert rpc_of(posted(snapshot, "/y/1", content_type="application/json")) == ""
    assert rpc_of(snapshot.table.find("GET", "/y/1")) == "Only"


async def test_a_header_names_the_method_that_a_form_stands_for(tmp_path: Path):
    snapshot = await form_stand(tmp_path, "any")
    assert rpc_of(posted(snapshot, "/x/1", x_http_method_override="get")) == "Get"
    assert rpc_of(posted(snapshot, "/x/1", x_http_method_override=" DELETE ")) == "Delete"
    assert rpc_of(posted(snapshot, "/y/1")) == "Only"


@pytest.mark.parametrize("named", ["DELETE", "CONNECT", "HEAD", "POST", "*", "GET, DELETE"])
async def test_a_form_stands_for_no_method_that_its_route_does_not_lend(tmp_path: Path, named: str):
    snapshot = await form_stand(tmp_path, "get")
    assert rpc_of(posted(snapshot, "/x/1", x_http_method_override=named)) == "Post"
    assert rpc_of(posted(snapshot, "/z/1", x_http_method_override=named)) == ""


async def test_without_a_form_the_header_says_nothing(tmp_path: Path):
    snapshot = await form_stand(tmp_path, "any")
    found = posted(snapshot, "/x/1", x_http_method_override="DELETE", content_type="text/plain")
    assert rpc_of(found) == "Post"


async def test_a_form_is_read_as_parameters(tmp_path: Path):
    snapshot = await form_stand(tmp_path, "any")
    found = posted(snapshot, "/y/1")
    assert found.binding is not None
    built = found.binding.request.build(found.captures, "", b"inner.id=a+b", FORM["content-type"])
    assert built.message.inner.id == "a b"
    same = snapshot.table.find("GET", "/y/1").binding
    assert same is not None
    assert same.route is found.binding.route
    with pytest.raises(RequestError, match="takes no body"):
        same.request.build(("1",), "", b"inner.id=a", FORM["content-type"])


async def test_a_form_with_a_path_that_cannot_be_decoded_is_refused(tmp_path: Path):
    found = posted(await form_stand(tmp_path, "get"), "/y/%zz")
    assert isinstance(found.refusal, RequestError)


async def test_a_folder_without_the_setting_has_no_table_of_forms(tmp_path: Path):
    snapshot = await shop(tmp_path, rpc("A", 'get: "/a"'), more="defaults: {dialect: grpc-gateway}")
    assert snapshot.table.forms is None
    assert rpc_of(posted(snapshot, "/a")) == ""


OVERRIDES = [
    case
    for case in load("matching")
    if case.options.get("method_override") or case.options.get("form_post_as_get")
]


@pytest.mark.parametrize("case", OVERRIDES, ids=[case.id for case in OVERRIDES])
async def test_a_vector_finds_its_rule_by_a_form(tmp_path: Path, case: Any):
    rpcs = [
        rpc(rule["rpc"].upper(), f'{rule["method"].lower()}: "{rule["template"]}"')
        for rule in case["rules"]
    ]
    snapshot = await shop(tmp_path, *rpcs, more="defaults: {method_override: any}")
    sent = case["request"]
    table = snapshot.table
    found = table.posted(
        table.find(sent["method"], sent["path"]), sent["path"], CIMultiDict(sent["headers"])
    )
    assert rpc_of(found) == case["expect"]["rpc"].upper()


def test_the_vectors_of_forms_are_there() -> None:
    assert len(OVERRIDES) == 2


# --- paths that are decoded before they are split ----------------------------------------------


def matcher_of(*routes: tuple[str, bool]) -> Any:
    builder = MatcherBuilder[str]()
    for template, decodes_first in routes:
        builder.add("GET", parse_template(template), template, decodes_first=decodes_first)
    return builder.build()


@pytest.mark.parametrize(
    ("path", "captures"),
    [
        ("/a/1", ("1",)),
        ("/a%2F1", ("1",)),
        ("/%61/1%3A2", ("1:2",)),
        ("/a/%2531", ("%31",)),
        ("/a/%25zz", ("%zz",)),
        ("/a/%C3%A9", ("é",)),
        ("/a/1%202", ("1 2",)),
    ],
)
def test_a_path_is_decoded_once_before_it_is_split(path: str, captures: tuple[str, ...]) -> None:
    found = matcher_of(("/a/{id}", True)).match("GET", path)
    assert found == Matched("/a/{id}", captures)


@pytest.mark.parametrize("path", ["/a/%zz", "/a/%ff", "/a/%00", "/a/%2E%2E", "/a/%2e"])
def test_what_cannot_be_decoded_is_refused_by_the_route(path: str) -> None:
    with pytest.raises(RequestError) as caught:
        matcher_of(("/a/{id}", True)).match("GET", path)
    assert caught.value.field == "id"


def test_an_escaped_colon_begins_a_verb() -> None:
    matcher = matcher_of(("/a/{id}:go", True))
    assert matcher.match("GET", "/a/1%3Ago") == Matched("/a/{id}:go", ("1",))


def test_routes_that_split_first_are_asked_first_about_escapes() -> None:
    matcher = matcher_of(("/a/{id}", False), ("/a/{id}/b", True), ("/c/{id}", True))
    assert matcher.match("GET", "/a/1%2Fb") == Matched("/a/{id}", ("1/b",))
    assert matcher.match("GET", "/a/1/b%2F") == Unmatched()
    assert matcher.match("GET", "/a/%31/b") == Matched("/a/{id}/b", ("1",))
    assert matcher.match("GET", "/c%2F1") == Matched("/c/{id}", ("1",))


def test_without_escapes_all_routes_are_in_one_order() -> None:
    matcher = matcher_of(("/a/{id}", False), ("/a/special", True))
    assert matcher.match("GET", "/a/special") == Matched("/a/special", ())
    assert matcher.match("GET", "/a/other") == Matched("/a/{id}", ("other",))


def test_a_miss_counts_the_methods_of_both_readings() -> None:
    builder = MatcherBuilder[str]()
    builder.add("PUT", parse_template("/a/{id}"), "put")
    builder.add("GET", parse_template("/a/{id}"), "get", decodes_first=True)
    matcher = builder.build()
    found = matcher.match("DELETE", "/a/%31")
    assert found == MethodMismatch(("GET", "HEAD", "PUT"))
    assert [each.target for each in matcher.candidates("/a/%31")] == ["put", "get"]
    assert {each.target for each in matcher.candidates("/a/1")} == {"put", "get"}
    only = matcher.match("DELETE", "/a%2F1")
    assert only == MethodMismatch(("GET", "HEAD"))


# --- settings that do nothing ------------------------------------------------------------------

RULES = {
    "Get": 'get: "/g/{id}"',
    "Post": 'post: "/p/{id}" body: "*"',
    "Field": 'put: "/f/{id}" body: "inner"',
    "Long": 'get: "/{id=l/*}"',
}


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("Post", "head: mismatch", "no rule of this RPC is a GET"),
        ("Post", "unexpected_body: ignore", "every rule of this RPC has a body"),
        ("Get", "content_type: any", "no rule of this RPC has a body that is JSON"),
        ("Get", "unknown_enum_names: reject", "no rule of this RPC has a body that is JSON"),
        ("Post", "absent_body: empty", "no rule of this RPC gives its body to a field"),
        ("Field", "fill_mask: false", "no rule of this RPC fills a field mask"),
        ("Post", "method_override: get", "no rule of this RPC is a GET"),
        ("Post", "method_override: any", "every rule of this RPC is a POST"),
        ("Get", "unescape: all", "no variable of this RPC has several segments"),
    ],
)
async def test_a_setting_that_does_nothing_for_its_rpc_is_an_error(
    tmp_path: Path, name: str, settings: str, reason: str
):
    rpcs = [rpc(each, rule) for each, rule in RULES.items()]
    with pytest.raises(ConfigError) as caught:
        await shop(tmp_path, *rpcs, more=f"routes:\n{route(name, settings)}")
    [problem] = caught.value.problems
    assert problem.message == f"does nothing: {reason}"
    assert problem.place.line == 6
    key = settings.partition(":")[0]
    assert str(problem.place.path) == f"routes[0].{key}"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Get", "head: mismatch, unexpected_body: ignore, method_override: get"),
        ("Post", "content_type: any, method_override: off"),
        ("Field", "absent_body: empty, method_override: any"),
        ("Long", "unescape: all"),
        ("Get", "unescape: before_split"),
    ],
)
async def test_a_setting_that_matters_is_fine(tmp_path: Path, name: str, settings: str):
    rpcs = [rpc(each, rule) for each, rule in RULES.items()]
    assert await shop(tmp_path, *rpcs, more=f"routes:\n{route(name, settings)}")
