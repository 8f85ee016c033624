"""Legacy forms of URLs through the exchange: served, counted and named in the log."""

import pytest
from aiohttp import ClientSession

from tests.live.edge import edge_of, load, method

SHAPES = """
- {rpc: edge.v1.Items.List, shape: {urls: {suffixes: [.json], trailing_slash: true}}}
- {rpc: edge.v1.Items.Delete, shape: {urls: {method_override: {}}}}
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_each_use_is_counted_and_named_in_the_log() -> None:
    async with edge_of(await load(legacy=False, more=SHAPES)) as edge, ClientSession() as client:
        for path in ("/v1/items.json/", "/v1/items"):
            async with client.get(edge.url + path) as answer:
                assert answer.status == 200
        counted = [
            line
            for line in edge.shown_metrics().splitlines()
            if line.startswith("cutover_legacy_url_total{")
        ]
        first, second = edge.lines()
        assert [call.method for call in edge.upstream.calls] == [method("List")] * 2
    assert sorted(counted) == [
        f'cutover_legacy_url_total{{route="items-list",quirk="{quirk}"}} 1.0'
        for quirk in ("suffix", "trailing_slash")
    ]
    assert first["legacy_url"] == ["trailing_slash", "suffix"]
    assert "legacy_url" not in second


@pytest.mark.parametrize(
    ("target", "body", "called"),
    [
        ("/v1/items/a?_method=DELETE", b"", "Delete"),
        ("/v1/items/a", b"x=1&_method=delete", "Delete"),
        ("/v1/items/a", b"_method=CONNECT", ""),
        ("/v1/items/a", b"_method=%zz", ""),
        ("/v1/items/a", b"", ""),
    ],
    ids=str,
)
async def test_a_post_can_name_another_method(target: str, body: bytes, called: str) -> None:
    async with edge_of(await load(legacy=False, more=SHAPES)) as edge:
        given = await edge.ask("POST", target, FORM, body)
        paths = [call.method for call in edge.upstream.calls]
    assert paths == ([method(called)] if called else [])
    assert given.status == (200 if called else 405)


async def test_a_method_given_twice_reaches_nobody() -> None:
    async with edge_of(await load(legacy=False, more=SHAPES)) as edge:
        given = await edge.ask("POST", "/v1/items/a", FORM, b"_method=DELETE&_method=PUT")
        assert not edge.upstream.calls
    assert given.status == 400
