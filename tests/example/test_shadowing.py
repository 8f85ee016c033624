"""Reports are asked for until they are complete, no longer than that, and judged."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.example.seeded import SEEDED
from proxy.example.serving import LOOPBACK
from proxy.example.shadowing import REPORTS_PATH, Shadowing, compare_sides, settled_reports
from proxy.example.traffic import ASKED, CLIENTS, ROUNDS, Traffic, planned
from tests.example.conftest import RestClient

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


def right_reports() -> list[dict[str, Any]]:
    """What a proxy says that found each seeded difference once."""
    reports = []
    for route, requests in planned().items():
        counts = {"eligible": requests, "sent": requests, "match": requests - 1, "mismatch": 1}
        fields = [
            {"path": one.path, "kind": one.kind, "count": 1} for one in SEEDED if one.route == route
        ]
        counts |= {"match_with_rules": 0}
        reports.append({"route": route, "counts": counts, "fields": fields})
    return reports


async def test_what_was_sent_is_held_against_the_reports(legacy: RestClient) -> None:
    async with AdminPort(right_reports()) as port:
        found = await compare_sides(legacy.base_url, port.url)
    assert found.passed
    (line,) = found.summary()
    total = found.traffic.total
    times = f"{len(SEEDED)} of {len(SEEDED)}"
    assert line == f"{times} seeded differences found in {total} requests, and nothing else"
    assert found.table().row_count == len(SEEDED)


async def test_an_answer_that_is_not_as_it_should_be_fails_the_whole() -> None:
    async with AdminPort(right_reports()) as port:
        found = await compare_sides(port.url, port.url)
    assert not found.passed
    # Those that ask for what is not there get what they should.
    missing = CLIENTS * ROUNDS * sum(one.status == 404 for one in ASKED)
    assert len(found.faults) == found.traffic.total - missing


async def test_no_reports_fail_the_whole(legacy: RestClient) -> None:
    async with AdminPort([], status=503) as port:
        found = await compare_sides(legacy.base_url, port.url)
    assert not found.passed
    first, second = found.summary()
    assert first.startswith(f"0 of {len(SEEDED)} ")
    assert second.startswith("wrong: there are no reports: 503")


def test_no_traffic_shows_nothing() -> None:
    assert not Shadowing(Traffic({}, ()), (), ()).passed


def test_every_client_sends_the_whole_plan() -> None:
    assert set(planned(clients=1, rounds=1)) == set(planned())
    assert sum(planned().values()) == CLIENTS * ROUNDS * sum(planned(1, 1).values())
