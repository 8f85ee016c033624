"""Passing on to a legacy host what a client no longer waits for."""

import asyncio
from contextlib import suppress

from proxy.exchange.messages import Answer, Headers, Outcome
from proxy.exchange.passthrough import Passthrough
from proxy.routing.snapshot import Snapshot
from proxy.upstreams.rest import RestUpstream
from tests.fakes import FakeClock
from tests.live.edge import edge_of
from tests.live.wire import OK, LegacyScript, legacy_of

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


async def test_hints_for_a_client_that_has_left_do_not_end_its_request(snapshot: Snapshot):
    def gone(_status: int, _phrase: str, _headers: Headers) -> None:
        raise ConnectionResetError("the client has closed the connection")

    async with (
        legacy_of(LegacyScript(HINTS + OK)) as legacy,
        edge_of(snapshot, legacy_url=legacy.url) as edge,
    ):
        request = edge.request("DELETE", "/old", (), b"")
        request.send_interim = gone
        answer = await edge.exchange.answer(request, Outcome())
    assert isinstance(answer, Answer)
    assert (answer.http_status, answer.body) == (200, b"ok")


async def test_settling_ends_at_its_deadline(snapshot: Snapshot):
    """The clock stands at the deadline: a wait of as many seconds would not end."""
    script, clock = LegacyScript(), FakeClock(1e6)

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        script.left.set()
        await reader.read()

    script.talk = talk
    async with legacy_of(script), edge_of(snapshot) as edge:
        upstream = RestUpstream(script.url)
        passthrough = Passthrough(upstream, trusted_hops=0, timeout_s=30.0, clock=clock)
        request = edge.request("DELETE", "/old", (), b"")
        client = asyncio.ensure_future(passthrough.answer(request, Outcome(), None))
        await script.left.wait()
        client.cancel()
        with suppress(asyncio.CancelledError):
            await client
        await passthrough.orphans.settle(clock.now_s)
        assert len(passthrough.orphans) == 1
        await upstream.close()
        await passthrough.orphans.settle(clock.now_s + 30)
        assert len(passthrough.orphans) == 0
