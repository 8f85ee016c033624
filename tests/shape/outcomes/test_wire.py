"""Answers of shaped routes on the wire: framing, HEAD, what has no body."""

import pytest

from tests.live.edge import answers
from tests.live.wire import Client, Reply, client_of, request
from tests.shape.outcomes.zones import message, zones

GET = "/v4/zones/a/records/1"
SHAPES = """
Get: {status: {field: state, values: {PENDING: 202}}, etag: "{etag}", headers: {X-Id: "{id}"}}
Delete: {status: {empty: 204}}
"""
RECORD = message("Record", id="1", etag="a", name="n" * 64)


async def asked(client: Client, http_method: str, path: str, *fields: str) -> Reply:
    """One request; the connection must take the next one."""
    client.write(request(http_method, path, *fields))
    return await client.reply(http_method)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_answers_with_and_without_bodies_follow_one_another(coding: str):
    handlers = {"Get": answers(RECORD), "Delete": answers(b"")}
    accepts = f"Accept-Encoding: {coding}"
    async with (
        zones(SHAPES, handlers, ", compress_min_bytes: 1B") as edge,
        client_of(edge.url) as client,
    ):
        whole = await asked(client, "GET", GET, accepts)
        head = await asked(client, "HEAD", GET, accepts)
        known = await asked(client, "GET", GET, accepts, f"If-None-Match: {whole['etag']}")
        gone = await asked(client, "DELETE", "/v4/records/1", accepts)
        again = await asked(client, "GET", GET, accepts)
    assert (whole.status, head.status, known.status, gone.status) == (200, 200, 304, 204)
    assert head["content-length"] == whole["content-length"] == str(len(whole.body))
    assert head["etag"] == known["etag"] == whole["etag"]
    assert head.body == known.body == gone.body == b""
    for each in (known, gone):
        assert not each.all("content-length") + each.all("content-type")
        assert not each.all("content-encoding") + each.all("transfer-encoding")
    assert again.body == whole.body
