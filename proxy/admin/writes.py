"""What the admin port changes: routes, the kill switch, the configuration. By POST alone.

Belongs here: bodies to moves, refusals to statuses. Does not: what a move means (`cutover.moves`).
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web

from proxy.admin.answers import answer, refusal
from proxy.admin.operations import Operations
from proxy.config.scalars import parse_percent
from proxy.cutover.moves import INTERNAL, Action, Move, MoveRefused, check_words
from proxy.cutover.stages import Stage
from proxy.state.directory import Committed
from proxy.state.errors import NotRecorded, RevisionConflict, StateError

#: Moves of routes, by the word in the path.
_MOVES: Final = {
    action.value: action for action in Action if action not in INTERNAL | {Action.KILL}
}
_OWN_KEYS: Final = {
    Action.STAGE: frozenset({"stage"}),
    Action.PERCENT: frozenset({"percent"}),
}
_COMMON: Final = frozenset({"reason", "who", "ttl_s", "if_revision"})
_KINDS: Final = {str: "a text", bool: "true or false", int: "a whole number"}

T = TypeVar("T", str, bool, int)


class Malformed(Exception):
    """The body is not what it has to be; the text says what."""


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
            body = await _body(request, _COMMON | _OWN_KEYS.get(action, frozenset()))
            move = Move(
                action,
                route,
                stage=_stage(body) if action is Action.STAGE else None,
                basis_points=_basis_points(body) if action is Action.PERCENT else None,
                **_why(body),
            )
            return await self._made(move, _optional(body, "if_revision", int))
        except Malformed as error:
            return refusal(400, str(error))

    async def _kill(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request, _COMMON | {"on"})
            on = _required(body, "on", bool)
            move = Move(Action.KILL, on=on, **_why(body))
            return await self._made(move, _optional(body, "if_revision", int))
        except Malformed as error:
            return refusal(400, str(error))

    async def _made(self, move: Move, if_revision: int | None) -> web.Response:
        try:
            committed = await self._operations.control.move(move, if_revision)
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
            "warning": None,
        }

    async def _reload(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request, frozenset({"reason", "who", "force"}))
            force = _optional(body, "force", bool) or False
            reason = _optional(body, "reason", str) or ""
            who = _optional(body, "who", str) or "admin"
            _check_words(reason or "-", who)
            if force and not reason.strip():
                raise Malformed("a forced reload needs a reason")
        except Malformed as error:
            return refusal(400, str(error))
        result = await self._operations.reload(force=force, who=who, reason=reason)
        if result["result"] == "refused":
            return answer({"error": "the configuration was refused", **result}, 409)
        return answer(result)


async def _body(request: web.Request, known: frozenset[str]) -> dict[str, Any]:
    """The JSON object of *request*, an absent body as an empty one. Raises `Malformed`."""
    text = await request.read()
    try:
        body = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Malformed("the body must be a JSON object")
    unknown = sorted(body.keys() - known)
    if unknown:
        raise Malformed(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return body


def _why(body: Mapping[str, Any]) -> dict[str, Any]:
    """What every move has."""
    ttl_s = body.get("ttl_s")
    if ttl_s is not None and (isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float)):
        raise Malformed("ttl_s must be a number of seconds")
    reason, who = _required(body, "reason", str), _optional(body, "who", str) or "admin"
    _check_words(reason, who)
    return {"reason": reason, "who": who, "ttl_s": ttl_s}


def _check_words(reason: str, who: str) -> None:
    try:
        check_words(reason, who)
    except MoveRefused as error:
        raise Malformed(str(error)) from error


def _required(body: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = _optional(body, key, kind)
    if value is None:
        raise Malformed(f"{key} is missing")
    return value


def _optional(body: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    value = body.get(key)
    if value is None:
        return None
    # A truth value is a number to Python, and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Malformed(f"{key} must be {_KINDS[kind]}")
    return value


def _stage(body: Mapping[str, Any]) -> Stage:
    text = _required(body, "stage", str)
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
