"""Traffic for mirrors: several clients at a time, each with the same few requests in turn.

It sees the proxy only from outside, as a REST client does. All that it asks for stays as it is, so
that a mirror which comes a moment later finds what the request found.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

#: How many clients there are, and how often each sends all of `ASKED`.
CLIENTS: Final = 8
ROUNDS: Final = 2

#: For one request; each takes some milliseconds.
REQUEST_TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the *route* that it belongs to, and the status that it must get."""

    route: str
    path: str
    status: int = 200
    body: str = ""


def _asked() -> Iterator[Asked]:
    for zone in ("example.com", "fresh.example", "large.example", "secondary.example"):
        yield Asked("get-statistics", f"/v4/zones/{zone}/statistics")
        yield Asked("list-top-hosts", f"/v4/zones/{zone}/statistics/hosts")
        yield Asked("list-nameservers", f"/v4/zones/{zone}/nameservers")
    yield Asked("get-statistics", "/v4/zones/damaged.example/statistics")
    yield Asked("get-statistics", "/v4/zones/none.example/statistics", 404)
    send = "/v4/zones/example.com/statistics:send"
    yield Asked("send-statistics", send, 202, '{"to": "ada@example.com", "copy_me": true}')
    yield Asked("send-statistics", send, 202, '{"to": "ada@example.com"}')
    for record in ("www-1", "apex-mx2", "apex-txt", "apex-caa", "sip"):
        yield Asked("get-record", f"/v4/zones/example.com/records/{record}")
    yield Asked("get-record", "/v4/zones/example.com/records/none", 404)


ASKED: Final = tuple(_asked())


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was sent, by route, and which answers were not as they should be."""

    requests: Mapping[str, int]
    faults: tuple[str, ...]

    @property
    def total(self) -> int:
        """All requests.

        >>> Traffic({"get-record": 2, "get-zone": 1}, ()).total
        3
        """
        return sum(self.requests.values())


def planned(clients: int = CLIENTS, rounds: int = ROUNDS) -> Mapping[str, int]:
    """How many requests of each route are in the whole traffic."""
    return Counter(one.route for one in ASKED * (clients * rounds))


async def send_traffic(
    base_url: str, asked: tuple[Asked, ...] = ASKED, clients: int = CLIENTS, rounds: int = ROUNDS
) -> Traffic:
    """Send *asked* to the proxy at *base_url*, *rounds* times by each of the *clients*."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    plan = asked * rounds
    async with aiohttp.ClientSession(
        base_url, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        found = await asyncio.gather(
            *(_client(session, f"user-{number}", plan) for number in range(clients))
        )
    sent = Counter(one.route for one in plan * clients)
    return Traffic(sent, tuple(fault for faults in found for fault in faults))


async def _client(session: aiohttp.ClientSession, user: str, plan: tuple[Asked, ...]) -> list[str]:
    """What one client finds wrong."""
    faults = [await _ask(session, user, one) for one in plan]
    return [fault for fault in faults if fault]


async def _ask(session: aiohttp.ClientSession, user: str, asked: Asked) -> str:
    """Send one request; "" when its status is right."""
    headers = {"x-user-id": user}
    if asked.body:
        headers["content-type"] = "application/json"
    method, data = ("POST", asked.body.encode()) if asked.body else ("GET", None)
    url = URL(asked.path, encoded=True)
    try:
        async with session.request(method, url, headers=headers, data=data) as response:
            await response.read()
    except (TimeoutError, aiohttp.ClientError) as error:
        return f"{method} {asked.path}: no answer: {error!r}"
    if response.status != asked.status:
        return f"{method} {asked.path}: status {response.status}, not {asked.status}"
    return ""
