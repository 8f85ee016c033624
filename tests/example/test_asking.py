"""Reports are asked for until they are complete, and for no longer than that."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.example.asking import REPORTS_PATH, settled_reports
from proxy.example.serving import LOOPBACK

SENT = {"read": 2}


def report(route: str, ended: int) -> dict[str, Any]:
    return {"route": route, "counts": {"eligible": 2, "sent": 2, "match": ended}, "fields": []}


class AdminPort:
    """Gives one answer after another; the last one for ever."""

    def __init__(self, *answers: list[dict[str, Any]], status: int = 200) -> None:
        self._answers: Iterator[list[dict[str, Any]]] = iter(answers)
        self._last: list[dict[str, Any]] = []
        self._status = status
        self.asked = 0
        application = web.Application()
        application.add_routes([web.get(REPORTS_PATH, self._answer)])
        self._runner = web.AppRunner(application)

    async def __aenter__(self) -> "AdminPort":
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, 0).start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        self._last = next(self._answers, self._last)
        return web.json_response({"reports": self._last}, status=self._status)


async def test_it_asks_until_every_mirror_has_ended() -> None:
    done = [report("other", 2), report("read", 2)]
    async with AdminPort([], [report("read", 1)], done) as port:
        assert await settled_reports(port.url, SENT, pause_s=0) == (done[1],)
    assert port.asked == 3


async def test_reports_come_in_the_order_of_the_routes_that_were_asked() -> None:
    done = [report("a", 2), report("b", 2)]
    async with AdminPort(done) as port:
        found = await settled_reports(port.url, {"b": 2, "a": 2})
    assert [one["route"] for one in found] == ["b", "a"]


async def test_patience_ends_with_the_reports_as_they_are() -> None:
    waiting = [report("read", 1)]
    async with AdminPort(waiting) as port:
        assert await settled_reports(port.url, SENT, patience_s=0) == (waiting[0],)


async def test_an_admin_port_that_refuses_is_an_error() -> None:
    async with AdminPort([], status=503) as port:
        with pytest.raises(aiohttp.ClientResponseError):
            await settled_reports(port.url, SENT)
