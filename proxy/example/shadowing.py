"""The sides compared: traffic through the proxy, and what its reports make of it.

It sees the proxy only from outside, as clients and an operator do: what is sent goes to its port,
reports are asked for at the admin port until every mirror has come to its end. What a report should
say is for `parity`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from rich.table import Table

from proxy.example.parity import Report, count_of, faults, settled
from proxy.example.seeded import SEEDED
from proxy.example.traffic import Traffic, send_traffic

REPORTS_PATH: Final = "/admin/v1/shadow/report"

#: Mirrors are a moment behind their requests, and evidence is written twice a second.
PATIENCE_S: Final = 30.0
PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Shadowing:
    """What was sent, the reports on it, and what is wrong with either."""

    traffic: Traffic
    reports: tuple[Report, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the reports say what they should; those of no traffic show nothing."""
        return bool(self.traffic.total) and not self.faults

    def table(self) -> Table:
        """Each seeded difference with how often it was found."""
        title = "Differences that are seeded"
        table = Table("route", "path", "kind", "times", "cause", title=title)
        table.columns[3].justify = "right"
        for one in SEEDED:
            times = count_of(one, self.reports)
            path = one.path.replace("[", r"\[")
            style = "" if times else "red"
            table.add_row(one.route, path, one.kind, f"{times:,}", one.cause, style=style)
        return table

    def summary(self) -> Iterator[str]:
        """Lines for people: how many were found, then what is wrong.

        >>> list(Shadowing(Traffic({}, ()), (), ("it is wrong",)).summary())
        ['0 of 6 seeded differences found in 0 requests', 'wrong: it is wrong']
        """
        found = sum(count_of(one, self.reports) > 0 for one in SEEDED)
        nothing_else = "" if self.faults else ", and nothing else"
        total = f"{self.traffic.total:,} requests"
        yield f"{found} of {len(SEEDED)} seeded differences found in {total}{nothing_else}"
        yield from (f"wrong: {fault}" for fault in self.faults)


async def compare_sides(base_url: str, admin_url: str) -> Shadowing:
    """Send the traffic to the proxy at *base_url*, and judge the reports of *admin_url* on it.

    The proxy must have mirrored nothing before.
    """
    traffic = await send_traffic(base_url)
    try:
        reports = await settled_reports(admin_url, traffic.requests)
    except aiohttp.ClientError as error:
        return Shadowing(traffic, (), (*traffic.faults, f"there are no reports: {error}"))
    found = (*traffic.faults, *faults(reports, traffic.requests))
    return Shadowing(traffic, reports, found)


async def settled_reports(
    admin_url: str,
    sent: Mapping[str, int],
    patience_s: float = PATIENCE_S,
    pause_s: float = PAUSE_S,
) -> tuple[Report, ...]:
    """Reports of the routes of *sent*, in its order, once they tell of all that was sent.

    After *patience_s* the reports as they are then: `parity` tells what they lack. Raises
    `aiohttp.ClientError` when the admin port gives none.
    """
    clock = asyncio.get_running_loop().time
    until_s = clock() + patience_s
    async with aiohttp.ClientSession(admin_url, raise_for_status=True) as session:
        while True:
            reports = await _reports(session, sent)
            if settled(reports, sent) or clock() >= until_s:
                return reports
            await asyncio.sleep(pause_s)


async def _reports(session: aiohttp.ClientSession, sent: Mapping[str, int]) -> tuple[Report, ...]:
    async with session.get(REPORTS_PATH) as response:
        document = await response.json()
    found: Sequence[dict[str, Any]] = document["reports"]
    by_route = {report["route"]: report for report in found}
    return tuple(by_route[route] for route in sent if route in by_route)
