"""The status of a service as JSON values: every route, where it stands and how it does.

Belongs here: putting together what others know. Does not: how it is shown (`cli.status`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from proxy import __version__
from proxy.admin.operations import Operations
from proxy.cutover.overrides import Override
from proxy.cutover.position import Position
from proxy.cutover.settlement import drift
from proxy.cutover.stages import Stage
from proxy.exchange.control import Control
from proxy.routing.table import Route
from proxy.telemetry.arms import Arm

#: Reasons of a gate that a status tells; the report has all.
_MAX_REASONS: Final = 5


def describe_status(operations: Operations) -> dict[str, Any]:
    """The whole status. Takes some milliseconds per worker: the counts of all are read."""
    control = operations.control
    control.catch_up()
    now_s = control.state.clock()
    positions = control.positions(operations.snapshot.plans)
    differences = drift(operations.snapshot.plans, control.overrides, now_s)
    arms = operations.metrics.view().arms
    return {
        "version": __version__,
        "digest": operations.snapshot.config.digest,
        "revision": control.overrides.revision,
        "durable": control.state.durable,
        "state_problem": control.problem,
        "kill_switch": _kill_switch(control),
        "reload": operations.configuration().get("last_reload"),
        "routes": [
            _Row(route, control, positions[route.name], now_s).describe()
            | {"drift": differences.get(route.name), "arms": _arms(arms(route.name))}
            for route in operations.snapshot.routes
        ],
    }


def _kill_switch(control: Control) -> dict[str, Any]:
    switch = control.overrides.kill
    if not control.killed or switch is None:
        return {"on": False}
    return {
        "on": True,
        "who": switch.who,
        "reason": switch.reason,
        "since": time_text(switch.since_s),
        "expires": None if switch.expires_s is None else time_text(switch.expires_s),
    }


class _Row:
    """One route of the status."""

    def __init__(self, route: Route, control: Control, position: Position, now_s: float) -> None:
        self._route = route
        self._control = control
        self._position = position
        self._override = control.overrides.standing(route.name, now_s)

    def describe(self) -> dict[str, Any]:
        """The row as JSON values."""
        route, override = self._route, self._override
        breaker = self._control.breaker_of(route.name)
        return {
            "name": route.name,
            "rpc": route.rpc,
            "stage": self._position.stage.value,
            "percent": self._percent(),
            "rolled_back": override.rollback if override else None,
            "paused": override is not None and override.paused,
            "owner": route.owner,
            "target_date": None if route.target_date is None else route.target_date.isoformat(),
            "file": {"stage": route.stage.value, "percent": route.basis_points / 100},
            "mirror_percent": route.mirror.basis_points / 100 if route.mirror else None,
            "rules": [{"text": text, "expires": last.isoformat()} for text, last in route.expiries],
            "ramp": self._ramp(),
            "e_value": self._control.e_value_of(route.name),
            "breaker": None if breaker is None else breaker.value,
            "last_move": _last_move(override),
            "gate": _gate(self._control, route.name),
        }

    def _percent(self) -> float | None:
        canary = self._position.stage is Stage.CANARY
        return self._position.basis_points / 100 if canary else None

    def _ramp(self) -> dict[str, Any] | None:
        ramp = self._route.ramp
        if ramp is None:
            return None
        held_s = self._control.progress_of(self._route.name)
        return {
            "steps": [step / 100 for step in ramp.steps],
            "step": ramp.step_at(self._position.basis_points) + 1,
            "hold_s": ramp.hold_s,
            "held_s": None if held_s is None else round(held_s, 1),
            "max_auto_percent": ramp.max_auto_basis_points / 100,
        }


def _gate(control: Control, route: str) -> dict[str, Any] | None:
    """What the gate said some seconds ago; None for a route without one."""
    opinion = None if control.gate is None else control.gate.latest(route)
    if opinion is None:
        return None
    return {
        "verdict": opinion.verdict,
        "because": list(opinion.because[:_MAX_REASONS]),
        "compared": opinion.compared,
        "mismatches": opinion.mismatches,
        "upper": opinion.upper,
    }


def _last_move(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {
        "who": override.who,
        "reason": override.reason,
        "since": time_text(override.since_s),
        "expires": None if override.expires_s is None else time_text(override.expires_s),
    }


def _arms(arms: Mapping[str, Arm]) -> dict[str, Any]:
    """Both sides since the route was last moved."""
    return {side: _arm(arm) for side, arm in arms.items()}


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "requests": arm.requests,
        "errors": arm.errors,
        "error_rate": arm.errors / arm.requests if arm.requests else 0.0,
        "p50_ms": round(arm.p50_s * 1000, 3),
        "p95_ms": round(arm.p95_s * 1000, 3),
        "p99_ms": round(arm.p99_s * 1000, 3),
    }


def time_text(seconds: float) -> str:
    """A time of the Unix clock as ISO 8601 in UTC, to the second.

    >>> time_text(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
