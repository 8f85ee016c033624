"""Reports of mirrors, asked for at the admin port until every mirror has come to its end.

It sees the proxy only from outside, as an operator does. Knows when to stop asking; what a report
should say is for `parity`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from proxy.example.parity import Report, settled

REPORTS_PATH: Final = "/admin/v1/shadow/report"

#: Mirrors are a moment behind their requests, and evidence is written twice a second.
PATIENCE_S: Final = 30.0
PAUSE_S: Final = 0.1


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
