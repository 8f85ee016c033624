"""Pages by number over an API with tokens."""

import base64
from typing import Any

import pytest

from tests.live.edge import Given, answers
from tests.live.wire import client_of, request
from tests.shape.outcomes.zones import Listing, message, zones

LIST = "/v4/zones/a/records"
WALK = (
    "List: {paging: {per_page: per_page, default_per_page: 2, max_per_page: 5, total: total_size}}"
)
SHOWN = (
    'headers: {X-Page: "{@page}/{@per_page}/{@count}", X-Total: "{@total}/{@total_pages}", '
    'X-Next: "{@next_page}", X-Prev: "{@prev_page}"}'
)
UNCOUNTED = SHOWN.replace('X-Total: "{@total}/{@total_pages}", ', "")
OFFSETS = (
    'List: {paging: {per_page: n, default_per_page: 2, tokens: "t{offset}"}, ' + UNCOUNTED + "}"
)


async def listed(shape: str, query: str, server: Listing) -> Given:
    async with zones(shape, {"List": server}) as edge:
        return await edge.ask("GET", f"{LIST}?{query}" if query else LIST)


def ids(given: Given) -> list[str]:
    assert given.status == 200, given.body
    return [each["id"] for each in given.json().get("records", [])]


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["0", "1"]),
        ("page=1", ["0", "1"]),
        ("page=2", ["2", "3"]),
        ("page=4", ["6"]),
        ("page=5", []),
        ("page=2&per_page=3", ["3", "4", "5"]),
        ("per_page=5&page=2", ["5", "6"]),
        ("per%5Fpage=3", ["0", "1", "2"]),
    ],
)
async def test_a_walk_comes_to_the_page_however_the_server_cuts_its_own(
    chunk: int, query: str, expected: list[str]
):
    server = Listing(7, chunk)
    assert ids(await listed(WALK, query, server)) == expected
    assert len(server.asked) <= 10


async def test_the_filter_is_that_of_the_client_on_every_call():
    server = Listing(7)
    await listed(WALK, "filter=a%26b&page=3", server)
    assert [each["filter"] for each in server.asked] == ["a&b"] * 3
    assert [each.get("page_token", "") for each in server.asked] == ["", "t2", "t4"]
    assert {each["page_size"] for each in server.asked} == {2}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=many", "page"),
        ("page=", "page"),
        ("page", "page"),
        ("page=1.0", "page"),
        ("page=%D9%A1", "page"),
        ("page=1&page=2", "page"),
        ("page=9999999999", "page"),
        ("per_page=0", "per_page"),
        ("per_page=6", "per_page"),
        ("per_page=x&page=2", "per_page"),
        ("page=11", "page"),
        ("page=2&page_token=t5", "page"),
    ],
)
async def test_a_page_that_there_cannot_be_is_refused(query: str, name: str):
    server = Listing(7)
    given = await listed(WALK, query, server)
    assert (given.status, server.asked) == (400, [])
    assert name in given.body.decode()


async def test_a_walk_ends_at_its_most_calls():
    server = Listing(100, chunk=1)
    given = await listed(WALK, "page=8", server)
    assert (given.status, len(server.asked)) == (400, 10)
    assert given.outcome.page_calls == 10
    assert "10 calls" in given.body.decode()


async def test_the_calls_of_a_walk_are_counted():
    async with zones(WALK, {"List": Listing(7)}) as edge, client_of(edge.url) as client:
        for page in (3, 1):
            assert (await client.ask(request("GET", f"{LIST}?page={page}"))).status == 200
        assert [line.get("page_calls") for line in edge.lines()] == [3, 1]
        assert 'cutover_page_calls_total{route="records-list"} 4.0' in edge.shown_metrics()


async def test_a_server_whose_token_never_ends_is_left_at_last():
    handler = answers(message("ListReply", next_page_token="again"))
    async with zones(WALK, {"List": handler}) as edge:
        assert (await edge.ask("GET", LIST)).status == 400
        assert len(edge.upstream.calls) == 10


async def test_larger_pages_can_be_cut_instead_of_refused():
    server = Listing(7)
    shape = WALK.replace("max_per_page: 5", "max_per_page: 5, above_max: clamp")
    assert len(ids(await listed(shape, "per_page=999999999", server))) == 5


async def test_the_calls_of_a_walk_share_one_timeout():
    async with zones(WALK, {"List": Listing(7)}, ", timeout: 5s") as edge:
        await edge.ask("GET", f"{LIST}?page=3")
        left = [call.timeout_s for call in edge.upstream.calls]
        assert left == sorted(left, reverse=True)
        assert 0 < left[-1] < left[0] <= 5


async def test_a_client_with_a_token_turns_pages_by_it():
    server = Listing(7)
    assert ids(await listed(WALK, "page_token=t5&page_size=1", server)) == ["5"]
    assert server.asked == [{"zone": "a", "page_token": "t5", "page_size": 1}]


async def test_the_api_s_own_size_of_pages_holds_where_the_client_names_no_other():
    assert ids(await listed(WALK, "page=2&page_size=3", Listing(7))) == ["3", "4", "5"]


async def test_the_api_s_own_size_has_the_same_limits():
    assert (await listed(WALK, "page=2&page_size=6", Listing(7))).status == 400
    shape = WALK.replace("max_per_page: 5", "max_per_page: 5, above_max: clamp")
    assert len(ids(await listed(shape, "page_size=6", Listing(7)))) == 5
    far = "List: {paging: {skip: skip, default_per_page: 1}}"
    assert (await listed(far, "page=900000000&page_size=100", Listing(7))).status == 400


# --- computed tokens, and numbers to skip


@pytest.mark.parametrize(
    ("query", "token", "size"), [("", None, 2), ("page=3", "t4", 2), ("page=2&n=50", "t50", 50)]
)
async def test_a_token_that_can_be_computed_is_one_call(query: str, token: str, size: int):
    server = Listing(7)
    assert (await listed(OFFSETS, query, server)).status == 200
    [request] = server.asked
    assert (request.get("page_token"), request["page_size"]) == (token, size)


async def test_a_token_may_be_in_a_code():
    shape = (
        """List: {paging: {encode: base64, tokens: '{{"o":{offset},"p":{page},"n":{per_page}}}'}}"""
    )
    tokens = []

    async def handle(served: Any) -> Any:
        tokens.append(served.message)
        yield b""

    async with zones(shape, {"List": handle}) as edge:
        assert (await edge.ask("GET", f"{LIST}?page=3")).status == 200
    assert base64.b64encode(b'{"o":40,"p":3,"n":20}') in tokens[0]


async def test_elements_can_be_skipped_instead():
    server = Listing(7)
    shape = "List: {paging: {skip: skip, default_per_page: 3}}"
    assert ids(await listed(shape, "page=3", server)) == ["6"]
    assert server.asked == [{"zone": "a", "page_size": 3, "skip": 6}]
    assert (await listed(shape, "page=900000000", server)).status == 400
    assert (await listed(shape, "page=2&skip=1", server)).status == 400


async def test_pages_may_begin_at_zero():
    shape = "List: {paging: {page: p, first: 0, skip: skip, default_per_page: 3}}"
    server = Listing(7)
    assert ids(await listed(shape, "p=1", server)) == ["3", "4", "5"]
    assert ids(await listed(shape, "p=0", server)) == ["0", "1", "2"]


# --- what an answer says of its page


@pytest.mark.parametrize(
    ("query", "page", "following", "before"),
    [
        ("", "1/2/2", ["2"], []),
        ("page=2", "2/2/2", ["3"], ["1"]),
        ("page=4", "4/2/1", [], ["3"]),
        ("page=9", "9/2/0", [], ["8"]),
    ],
)
@pytest.mark.parametrize("way", ["tokens: walk", 'tokens: "t{offset}"', "skip: skip"])
async def test_an_answer_says_which_page_it_is(
    way: str, query: str, page: str, following: list[str], before: list[str]
):
    shape = f"List: {{paging: {{default_per_page: 2, total: total_size, {way}}}, {SHOWN}}}"
    given = await listed(shape, query, Listing(7))
    assert (given["x-page"], given["x-total"]) == (page, "7/4")
    assert (given.all("x-next"), given.all("x-prev")) == (following, before)


async def test_without_a_total_nothing_is_made_up():
    assert (await listed(OFFSETS, "page=2", Listing(7)))["x-next"] == "3"
    shape = f"List: {{paging: {{skip: skip, default_per_page: 2}}, {UNCOUNTED}}}"
    assert (await listed(shape, "page=4", Listing(7))).all("x-next") == []


LINKS = (
    "List: {%spaging: {default_per_page: 2, total: total_size, link: [first, prev, next, last]}}"
)


@pytest.mark.parametrize(
    ("query", "links"),
    [
        ("", {"next": "page=2", "last": "page=4"}),
        ("a=1&page=2&b=%20", {"first": "a=1&page=1&b=%20", "prev": "a=1&page=1&b=%20"}),
        ("page=4", {"first": "page=1", "prev": "page=3"}),
        ("p%61ge=3&x=<>", {"prev": "page=2&x=%3C%3E"}),
    ],
)
async def test_links_lead_to_the_pages_around(query: str, links: dict[str, str]):
    given = await listed(LINKS % "", query, Listing(7))
    for relation, target in links.items():
        assert f'<{LIST}?{target}>; rel="{relation}"' in given["link"].split(", ")
    assert given["link"].count("<") == given["link"].count("rel=")


async def test_links_can_be_absolute():
    given = await listed(LINKS % "base_url: request, ", "page=4", Listing(7))
    assert given["link"].startswith(f'<http://api.test{LIST}?page=1>; rel="first"')


async def test_no_link_leads_to_a_page_that_is_out_of_reach():
    given = await listed(LINKS % "", "page=9", Listing(50))
    assert (given["link"].count("rel="), 'page=10>; rel="next"' in given["link"]) == (3, True)
    assert 'rel="next"' not in (await listed(LINKS % "", "page=10", Listing(50)))["link"]


async def test_one_page_alone_has_no_links():
    assert (await listed(LINKS % "", "", Listing(2))).all("link") == []
    assert (await listed(LINKS % "", "", Listing(0))).all("link") == []
