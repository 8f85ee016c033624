"""What the admin port shows of mirrors and gates, and the one thing that it can undo of them.

Belongs here: pages to what the reporter knows. Does not: what is known (`shadow.reporting`), the
form of a report (`gate.report`, `report`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from proxy.admin.answers import answer, refusal
from proxy.admin.bodies import Malformed, read_body, why_of
from proxy.admin.operations import Operations
from proxy.comparison.kinds import Kind
from proxy.evidence import EvidenceError
from proxy.report.html import as_html
from proxy.report.markdown import as_markdown
from proxy.shadow.reporting import Reporter, UnknownRoute
from proxy.state.directory import Facts
from proxy.state.errors import StateError

#: Examples in one answer, unless asked for fewer or more.
_EXAMPLES: Final = 20
_MAX_EXAMPLES: Final = 1000
#: Reports as documents, by the word that asks for them: content type and form.
_FORMS: Final[dict[str, tuple[str, Callable[[list[dict[str, Any]]], str]]]] = {
    "markdown": ("text/markdown", as_markdown),
    "html": ("text/html", as_html),
}
#: What of a report the gate goes by.
_OF_GATE: Final = (
    *("schema", "route", "stage", "percent", "verdict", "because", "advice"),
    *("bound", "ceilings", "coverage", "window"),
)

Page = Callable[[web.Request, Reporter], Awaitable[web.Response]]


class ShadowPages:
    """The handlers of all pages about mirrors."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __repr__(self) -> str:
        return f"<ShadowPages of {self._operations.reporter!r}>"

    def routes(self) -> list[web.RouteDef]:
        """Paths and handlers."""
        below = "/admin/v1/shadow/routes/{name}"
        return [
            web.get("/admin/v1/shadow/report", self._told(_reports)),
            web.get("/admin/v1/shadow/coverage", self._told(_coverage)),
            web.get("/admin/v1/shadow/examples", self._told(_examples)),
            web.get("/admin/v1/shadow/examples/{id}", self._told(_example)),
            web.get(f"{below}/report", self._told(_report)),
            web.get(f"{below}/gate", self._told(_gate)),
            web.get(f"{below}/fields", self._told(_fields)),
            web.get(f"{below}/examples", self._told(_examples)),
            web.get(f"{below}/suggestions", self._told(_suggestions)),
            web.post(f"{below}:reset", self._told(self._reset)),
        ]

    def _told(self, page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler of *page*, with what may go wrong as statuses."""

        async def handler(request: web.Request) -> web.Response:
            reporter = self._operations.reporter
            if reporter is None:
                return refusal(503, "no evidence is kept")
            try:
                return await page(request, reporter)
            except Malformed as error:
                return refusal(400, str(error))
            except UnknownRoute as error:
                return refusal(404, str(error))
            except (EvidenceError, StateError) as error:
                return refusal(503, str(error))

        return handler

    async def _reset(self, request: web.Request, reporter: Reporter) -> web.Response:
        """Forget what was compared. The audit comes first: mismatches must not go unseen."""
        name = request.match_info["name"]
        why = why_of(await read_body(request, frozenset({"reason", "who"})))
        report = await reporter.report(name)
        counts = report["counts"]
        compared = sum(counts[key] for key in ("match", "match_with_rules", "mismatch"))
        before = f"{compared:,} compared, {counts['mismatch']:,} mismatches"
        facts = Facts(
            *("reset-evidence", why["who"], why["reason"], name),
            digest=self._operations.control.digest,
            gate=report["verdict"],
        )
        state = self._operations.control.state
        committed = await asyncio.to_thread(state.note, facts, before, "nothing compared")
        await reporter.reset(name)
        return answer(
            {
                "audit_id": committed.audit_id,
                "revision": committed.revision,
                "change": f"{name}: {before} -> nothing compared",
                "durable": state.durable,
                "warning": None,
            }
        )


async def _reports(request: web.Request, reporter: Reporter) -> web.Response:
    """The reports on the routes that are named, else on all that have a mirror or a gate."""
    names = request.query.getall("route", []) or reporter.names()
    reports = [await reporter.report(name) for name in names]
    return _formed(request, reports) or answer({"reports": reports})


async def _report(request: web.Request, reporter: Reporter) -> web.Response:
    report = await reporter.report(request.match_info["name"])
    return _formed(request, [report]) or answer(report)


def _formed(request: web.Request, reports: list[dict[str, Any]]) -> web.Response | None:
    """The reports as the document that is asked for; None when it is JSON."""
    form = request.query.get("format", "json")
    if form == "json":
        return None
    if form not in _FORMS:
        raise Malformed(f"format must be one of json, {', '.join(_FORMS)}")
    content_type, written = _FORMS[form]
    return web.Response(text=written(reports), content_type=content_type)


async def _gate(request: web.Request, reporter: Reporter) -> web.Response:
    """The verdict and what it follows from; `gated` is false for a route without a gate."""
    name = request.match_info["name"]
    report = await reporter.report(name)
    return answer(
        {"gated": reporter.latest(name) is not None} | {key: report[key] for key in _OF_GATE}
    )


async def _fields(request: web.Request, reporter: Reporter) -> web.Response:
    report = await reporter.report(request.match_info["name"])
    return answer({key: report[key] for key in ("schema", "route", "fields")})


async def _examples(request: web.Request, reporter: Reporter) -> web.Response:
    found = await reporter.examples(
        request.match_info.get("name"),
        request.query.get("path"),
        _kind(request.query.get("kind")),
        _limit(request.query.get("limit")),
    )
    return answer({"examples": found})


def _kind(text: str | None) -> Kind | None:
    try:
        return None if text is None else Kind(text)
    except ValueError as error:
        raise Malformed(f"kind must be one of {', '.join(Kind)}") from error


def _limit(text: str | None) -> int:
    if text is None:
        return _EXAMPLES
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_EXAMPLES))
    if not is_number or not 1 <= int(text) <= _MAX_EXAMPLES:
        raise Malformed(f"limit must be a number from 1 to {_MAX_EXAMPLES}")
    return int(text)


async def _example(request: web.Request, reporter: Reporter) -> web.Response:
    found = await reporter.example(request.match_info["id"])
    return refusal(404, "there is no such example, or no more") if found is None else answer(found)


async def _suggestions(request: web.Request, reporter: Reporter) -> web.Response:
    found = await reporter.suggestions(request.match_info["name"])
    return answer({"suggestions": [asdict(each) for each in found]})


async def _coverage(_request: web.Request, reporter: Reporter) -> web.Response:
    return answer(await reporter.coverage())
