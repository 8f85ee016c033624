"""Parts that routes share, and each setting by which they do not."""

import pytest

from proxy.routing.table import Route
from tests.live.edge import load

PARTS = ("metadata_of", "headers_of", "trailers_of", "streams", "manners")


async def two(entry: str) -> tuple[Route, Route]:
    """A route without settings of its own, and one with those of *entry*."""
    snapshot = await load(legacy=False, more=f"- {{rpc: edge.v1.Items.Watch, {entry}}}")
    routes = {route.rpc: route for route in snapshot.routes}
    return routes["edge.v1.Items.Files"], routes["edge.v1.Items.Watch"]


async def test_routes_with_the_same_settings_share_what_follows_from_them() -> None:
    one, other = await two("name: watching")
    assert all(getattr(one, part) is getattr(other, part) for part in PARTS)


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("forward_headers: all", "metadata_of"),
        ("request_headers: [x-own]", "metadata_of"),
        ("expose_metadata: all", "headers_of"),
        ("response_metadata: [x-own]", "headers_of"),
        ("expose_trailers: never", "trailers_of"),
        ("stream_format: sse", "streams"),
        ("stream_choice: fixed", "streams"),
        ("stream_envelope: result", "streams"),
        ("stream_content_type: json", "streams"),
        ("method_mismatch: 404", "manners"),
        ("options: mismatch", "manners"),
        ("client_timeout: ignore", "manners"),
    ],
)
async def test_a_setting_of_one_route_is_not_that_of_another(entry: str, part: str) -> None:
    one, other = await two(entry)
    assert getattr(one, part) != getattr(other, part)
