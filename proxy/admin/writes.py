"""What the admin port changes: routes, the kill switch, the configuration. By POST alone.

Belongs here: bodies to moves, refusals to statuses. Does not: what a move means (`cutover.moves`).
"""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from proxy.admin.answers import answer, refusal
from proxy.admin.bodies import Malformed, check_given_words, optional, read_body, required, why_of
from proxy.admin.operations import Operations
from proxy.config.scalars import parse_percent
from proxy.cutover.moves import INTERNAL, Action, Move, MoveRefused
from proxy.cutover.stages import Stage
from proxy.exchange.gatekeeping import GateRefused
from proxy.gate.judgement import GateVerdict
from proxy.state.directory import Committed
from proxy.state.errors import NotRecorded, RevisionConflict, StateError

#: Moves of routes, by the word in the path.
_MOVES: Final = {
    action.value: action for action in Action if action not in INTERNAL | {Action.KILL}
}
_OWN_KEYS: Final = {
    Action.STAGE: frozenset({"stage"}),
    Action.PERCENT: frozenset({"percent"}),
    Action.PROMOTE: frozenset({"force"}),
}
_COMMON: Final = frozenset({"reason", "who", "ttl_s", "if_revision"})


class Writes:
    """The handlers of all POST requests."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __repr__(self) -> str:
        return f"<Writes to {self._operations.control!r}>"

    def routes(self) -> list[web.RouteDef]:
        """Paths and handlers."""
        return [
            web.post("/-/reload", self._reload),
            web.post("/admin/v1/killswitch", self._kill),
            web.post("/admin/v1/routes/{name}:{action}", self._move),
        ]

    async def _move(self, request: web.Request) -> web.Response:
        action = _MOVES.get(request.match_info["action"])
        if action is None:
            return refusal(404, f"there is no such move; there are {', '.join(sorted(_MOVES))}")
        route = request.match_info["name"]
        if route not in self._operations.control.plans:
            return refusal(404, f"there is no route '{route}'")
        try:
            body = await read_body(request, _COMMON | _OWN_KEYS.get(action, frozenset()))
            move = Move(
                action,
                route,
                stage=_stage(body) if action is Action.STAGE else None,
                basis_points=_basis_points(body) if action is Action.PERCENT else None,
                **why_of(body),
            )
            force = optional(body, "force", bool) or False
            return await self._made(move, optional(body, "if_revision", int), force=force)
        except Malformed as error:
            return refusal(400, str(error))

    async def _kill(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request, _COMMON | {"on"})
            on = required(body, "on", bool)
            move = Move(Action.KILL, on=on, **why_of(body))
            return await self._made(move, optional(body, "if_revision", int))
        except Malformed as error:
            return refusal(400, str(error))

    async def _made(
        self, move: Move, if_revision: int | None, *, force: bool = False
    ) -> web.Response:
        try:
            committed = await self._operations.control.move(move, if_revision, force=force)
        except GateRefused as error:
            return _held_back(error)
        except MoveRefused as error:
            return refusal(409, str(error))
        except RevisionConflict as error:
            return answer({"error": str(error), "revision": error.revision}, 409)
        except NotRecorded as error:
            # Whoever asked must not believe that it is off.
            return answer(self._unrecorded(str(error)))
        except StateError as error:
            return refusal(503, str(error))
        return answer(self._describe(committed))

    def _unrecorded(self, warning: str) -> dict[str, Any]:
        control = self._operations.control
        return {
            "audit_id": None,
            "revision": control.overrides.revision,
            "change": "all routes: kill switch on",
            "durable": control.state.durable,
            "warning": warning,
        }

    def _describe(self, committed: Committed) -> dict[str, Any]:
        entry = committed.entry
        name = entry.route or "all routes"
        return {
            "audit_id": committed.audit_id,
            "revision": committed.revision,
            "change": f"{name}: {entry.before} -> {entry.after}",
            "durable": self._operations.control.state.durable,
            "warning": _warning(entry.gate),
        }

    async def _reload(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request, frozenset({"reason", "who", "force"}))
            force = optional(body, "force", bool) or False
            reason = optional(body, "reason", str) or ""
            who = optional(body, "who", str) or "admin"
            check_given_words(reason or "-", who)
            if force and not reason.strip():
                raise Malformed("a forced reload needs a reason")
        except Malformed as error:
            return refusal(400, str(error))
        result = await self._operations.reload(force=force, who=who, reason=reason)
        if result["result"] == "refused":
            return answer({"error": "the configuration was refused", **result}, 409)
        return answer(result)


def _held_back(error: GateRefused) -> web.Response:
    opinion = error.opinion
    told = {
        "error": f"the gate of {error.route} does not pass: {opinion.verdict}",
        "verdict": opinion.verdict,
        "because": list(opinion.because),
    }
    return answer(told, 409)


def _warning(gate: str | None) -> str | None:
    """What to tell of a step up that was made though its gate does not pass."""
    if gate is None or gate.startswith(GateVerdict.PASS):
        return None
    return f"the gate does not pass: {gate}"


def _stage(body: Mapping[str, Any]) -> Stage:
    text = required(body, "stage", str)
    try:
        return Stage(text)
    except ValueError as error:
        raise Malformed(f"stage must be one of {', '.join(Stage)}") from error


def _basis_points(body: Mapping[str, Any]) -> int:
    """The basis points of the percentage; finer ones than 0.01 are refused, not rounded."""
    percent = body.get("percent")
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        raise Malformed("percent must be a number")
    if not 0 <= percent <= 100:
        raise Malformed("percent must be from 0 to 100")
    try:
        return parse_percent(percent)
    except ValueError as error:
        raise Malformed("percent must be in steps of 0.01") from error
