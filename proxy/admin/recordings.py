"""What the admin port has of recordings: one is opened by a POST, whose answer it is.

Belongs here: terms to a session, its lines to the answer. Does not: what is recorded of an exchange
(`exchange.recording`, `recordings.redaction`).

Nothing is kept here: lines go to whoever asked, and when they leave, the session ends.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from proxy.admin.answers import refusal
from proxy.admin.bodies import Malformed, read_body, required, why_of
from proxy.admin.operations import Operations
from proxy.config.recording import Record
from proxy.exchange.recording import Busy, Session, Terms, Unfit
from proxy.state.directory import Facts
from proxy.state.errors import StateError

_KEYS: Final = frozenset(
    {"routes", "max_exchanges", "max_bytes", "max_duration_s", "max_rps", "reason", "who"}
)
#: Seconds after which it is looked whether anybody reads still.
_LOOK_S: Final = 0.5
_OFF: Final = "recording is off: the configuration has no section `record`"


class Recordings:
    """The handler that records."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __repr__(self) -> str:
        return f"<Recordings by {self._operations.recorder!r}>"

    def routes(self) -> list[web.RouteDef]:
        """Paths and handlers."""
        return [web.post("/admin/v1/recordings", self._record)]

    async def _record(self, request: web.Request) -> web.StreamResponse:
        section = self._operations.snapshot.config.settings.record
        recorder = self._operations.recorder
        if section is None or recorder is None:
            return refusal(403, _OFF)
        try:
            body = await read_body(request, _KEYS)
            why = why_of(body)
            terms = self._terms(body, section)
        except (Malformed, Unfit) as error:
            return refusal(400, str(error))
        try:
            session = recorder.open(terms)
        except Busy:
            return refusal(409, "somebody is recording already")
        try:
            await self._note(terms, why)
            return await _sent(request, session)
        except StateError as error:
            return refusal(503, str(error))
        finally:
            recorder.close(session)

    def _terms(self, body: Mapping[str, Any], section: Record) -> Terms:
        routes = body.get("routes")
        if not isinstance(routes, list) or not routes:
            raise Malformed("routes must list names of routes")
        unknown = [name for name in routes if name not in self._operations.control.plans]
        if unknown:
            raise Malformed(f"there is no route {unknown[0]!r}")
        return Terms(
            frozenset(routes),
            required(body, "max_exchanges", int),
            required(body, "max_bytes", int),
            _number(body, "max_duration_s"),
            _number(body, "max_rps"),
            section.max_body_bytes,
        ).within(
            Terms(
                frozenset(routes),
                section.max_exchanges,
                section.max_bytes,
                section.max_duration_s,
                section.max_rps,
                section.max_body_bytes,
            )
        )

    async def _note(self, terms: Terms, why: Mapping[str, Any]) -> None:
        """Write it into the audit log, a line for each route, before anything is recorded."""
        control = self._operations.control
        told = f"at most {terms.max_exchanges:,} exchanges in {terms.max_duration_s:g} s"
        for route in sorted(terms.routes):
            facts = Facts("record", why["who"], why["reason"], route, digest=control.digest)
            await asyncio.to_thread(control.state.note, facts, "", told)


def _number(body: Mapping[str, Any], key: str) -> float:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{key} must be a number")
    return float(value)


async def _sent(request: web.Request, session: Session) -> web.StreamResponse:
    """Send the lines until the session ends or nobody reads; last, how it ended."""
    answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await answer.prepare(request)
    while not session.is_drained and not _is_gone(request):
        line = await session.next_line(_LOOK_S)
        # An empty line says that there is nothing yet: whoever reads may give up on silence.
        await answer.write(b"\n" if line is None else line)
    if not _is_gone(request):
        await answer.write(orjson.dumps(_told(session), option=orjson.OPT_APPEND_NEWLINE))
        await answer.write_eof()
    return answer


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _told(session: Session) -> dict[str, Any]:
    return {
        "end": session.end,
        "recorded": session.recorded,
        "bytes": session.bytes,
        "dropped": dict(session.dropped),
    }
