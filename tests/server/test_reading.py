"""Bodies that are read more than once: for transcoding first, and then for the legacy host."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import LimitExceeded
from proxy.exchange.messages import Answer, BodyReader, Outcome, Request
from proxy.routing.snapshot import Snapshot
from tests.live.edge import edge_of
from tests.live.wire import Client, chunked, client_of, request

Use = Callable[[BodyReader], Awaitable[None]]
LIMIT = 1000
CHUNKED = "Transfer-Encoding: chunked"


class Reading:
    """An exchange that does nothing but to use the body."""

    def __init__(self, use: Use) -> None:
        self._use = use

    async def answer(self, given: Request, outcome: Outcome) -> Answer:
        await self._use(given.body)
        return Answer(200, (), b"%d" % given.body.received)

    def refuse(self, *_: object) -> Answer:
        raise AssertionError


async def all_of(body: BodyReader) -> list[bytes]:
    return [piece async for piece in body.chunks()]


async def ask(snapshot: Snapshot, use: Use, sent: bytes) -> bytes:
    """What the exchange said to *sent*, having used its body."""
    async with (
        edge_of(snapshot, exchange=Reading(use)) as edge,
        client_of(edge.url) as client,
    ):
        reply = await client.ask(sent)
        assert reply.status == 200
        assert not reply.closes
        return reply.body


async def test_a_body_that_was_read_is_given_again_without_a_copy(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        read = await body.read(LIMIT)
        assert read == b"hello"
        assert await body.read(LIMIT) is read
        assert body.arrived() is read
        assert await all_of(body) == [b"hello"]

    assert await ask(snapshot, use, request("POST", "/", body=b"hello")) == b"5"


async def test_a_coded_body_is_given_again_as_it_came(snapshot: Snapshot):
    coded = gzip.compress(b"hello" * 50)

    async def use(body: BodyReader) -> None:
        assert await body.read(LIMIT) == b"hello" * 50
        assert body.arrived() == coded
        assert await all_of(body) == [coded]
        with pytest.raises(LimitExceeded):
            await body.read(100)
        assert body.arrived() == coded

    sent = request("POST", "/", "Content-Encoding: gzip", body=coded)
    assert await ask(snapshot, use, sent) == b"%d" % len(coded)


async def test_chunks_that_were_read_are_given_again_as_one(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        assert body.arrived() is None
        assert await body.read(LIMIT) == b"hello world"
        assert body.arrived() == b"hello world"
        assert await all_of(body) == [b"hello world"]

    sent = request("POST", "/", CHUNKED) + chunked(b"hello", b" ", b"world")
    assert await ask(snapshot, use, sent) == b"11"


async def test_an_empty_body_in_chunks_has_no_piece(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        assert await body.read(LIMIT) == b""
        assert body.arrived() == b""
        assert await all_of(body) == []

    assert await ask(snapshot, use, request("POST", "/", CHUNKED) + chunked()) == b"0"


async def test_a_body_too_large_to_be_read_can_still_be_passed_on_whole(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        for _ in range(2):
            with pytest.raises(LimitExceeded):
                await body.read(8)
        assert b"".join(await all_of(body)) == b"hello world"

    sent = request("POST", "/", CHUNKED) + chunked(b"hello", b" world")
    assert await ask(snapshot, use, sent) == b"11"
    assert await ask(snapshot, use, request("POST", "/", CHUNKED) + chunked(b"hello world"))


async def test_a_body_that_was_here_at_once_can_be_read_after_it_was_passed_on(
    snapshot: Snapshot,
):
    async def use(body: BodyReader) -> None:
        assert body.arrived() == b"hello"
        assert await body.read(LIMIT) == b"hello"

    assert await ask(snapshot, use, request("POST", "/", body=b"hello")) == b"5"


async def test_a_body_that_passes_on_in_pieces_is_not_said_to_be_here(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        async for piece in body.chunks():
            assert piece
            assert body.arrived() is None

    assert await ask(snapshot, use, request("POST", "/", body=b"hello")) == b"5"


async def test_a_client_that_waits_is_told_to_go_on_once(snapshot: Snapshot):
    async def use(body: BodyReader) -> None:
        assert body.arrived() is None
        assert await body.read(LIMIT) == b"hello"
        assert body.arrived() == b"hello"
        assert await all_of(body) == [b"hello"]

    async def continued(client: Client) -> list[int]:
        head = request("POST", "/", "Expect: 100-continue", "Content-Length: 5")
        client.write(head)
        first = await client.head()
        client.write(b"hello")
        return [first[0], (await client.head())[0]]

    async with (
        edge_of(snapshot, exchange=Reading(use)) as edge,
        client_of(edge.url) as client,
    ):
        async with asyncio.timeout(30):
            assert await continued(client) == [100, 200]
