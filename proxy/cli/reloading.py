"""Whether a changed folder may take the place of the configuration in force, and what came of it.

Belongs here: the order of a reload, what refuses one. Does not: reading a folder
(`cli.composition`), putting a snapshot in service (`cli.generation`), when to look (`cli.polling`).

All or nothing: a folder with a problem changes nothing. Neither does one that takes something
from the clients of a route that gRPC answers, unless an operator says that it may.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import structlog

from proxy.cli.aside import Rests, aside, quick_turns
from proxy.cli.composition import Attempt, attempt_load
from proxy.config.resolved import Config
from proxy.cutover.plan import RoutePlan
from proxy.cutover.position import Position
from proxy.errors import ConfigError, Place, Problem
from proxy.routing.compatibility import GRPC_STAGES, breaking, find_losses
from proxy.routing.losses import Loss
from proxy.routing.snapshot import Snapshot
from proxy.sources.fingerprint import Inputs, inputs_of
from proxy.state.directory import Facts, StateDirectory
from proxy.state.errors import StateError
from proxy.telemetry.metrics import Metrics

_log: Final = structlog.get_logger("proxy")

#: What is decided once, when the process starts.
_FIXED: Final = ("listen.host", "listen.port", "admin.host", "admin.port", "state.directory")


class Result(StrEnum):
    """What came of a reload."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a reload happens.

    *trigger* is `signal`, `poll`, `admin`, or `worker` for what another worker was asked. *force*
    lets it take from clients what it takes. Only what came by the admin port is told to the audit
    log, once.
    """

    trigger: str
    force: bool = False
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What came of a reload, and why.

    *digest* is that of the configuration in force now; *read* and *fingerprint* are those of what
    was read, "" when it was no configuration. *losses* are all that clients lose or would have
    lost, *problems* what refused it. *at_s* is in seconds since the epoch.
    """

    result: Result
    occasion: Occasion
    digest: str
    at_s: float
    took_s: float
    read: str = ""
    fingerprint: str = ""
    problems: tuple[Problem, ...] = ()
    losses: tuple[Loss, ...] = ()

    def describe(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "result": self.result.value,
            "trigger": self.occasion.trigger,
            "forced": self.occasion.force,
            "who": self.occasion.who,
            "reason": self.occasion.reason,
            "digest": self.digest,
            "read": self.read,
            "fingerprint": self.fingerprint,
            "at": self.at_s,
            "took_s": round(self.took_s, 6),
            "problems": [
                {"place": str(problem.place), "message": problem.message}
                for problem in self.problems
            ],
            "losses": [str(loss) for loss in self.losses],
        }


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a `Reloader` works with.

    *environ* is what `${NAME}` names. *apply* puts a snapshot in service; it raises `ConfigError`
    and then has changed nothing. *state* is where the processes of a service agree. *positions*
    tells where routes of these plans stand now.
    """

    folder: Path
    environ: Mapping[str, str]
    apply: Callable[[Snapshot], Coroutine[Any, Any, None]]
    metrics: Metrics
    state: StateDirectory
    positions: Callable[[Mapping[str, RoutePlan]], Mapping[str, Position]]

    def accepted(self) -> str:
        """The fingerprint of the folder that was last taken by force, "" without one. Blocks."""
        try:
            return self.state.accepted() or ""
        except StateError:
            return ""

    def record(self, occasion: Occasion, before: str, read: Snapshot, *, accept: bool) -> None:
        """Tell the audit log of a reload; with *accept*, the other processes too. Blocks.

        They have refused the folder, or will: what one was forced to take, all must take.
        """
        facts = Facts("reload", occasion.who, occasion.reason, digest=read.config.digest)
        try:
            if accept:
                self.state.accept(read.fingerprint, facts)
            elif occasion.trigger == "admin":
                self.state.note(facts, before, read.config.digest)
        except StateError as error:
            # It is in force all the same.
            _log.error("a reload could not be recorded", problem=str(error))

    def live(self, snapshot: Snapshot) -> frozenset[str]:
        """The routes of *snapshot* whose clients get answers of gRPC, by name."""
        positions = self.positions(snapshot.plans)
        return frozenset(name for name, at in positions.items() if at.stage in GRPC_STAGES)


class Reloader:
    """Reloads one folder, one reload after another. *last* is the newest result, None before."""

    def __init__(self, work: Reloading, first: Snapshot) -> None:
        self._work = work
        self._current = first
        self._lock = asyncio.Lock()
        #: The newest attempt; its snapshot is not kept.
        self._attempt = Attempt(_inputs(first.config, work.folder), first.fingerprint)
        self._seen = (first.fingerprint, "")
        self.last: ReloadResult | None = None
        #: The newest refusal, None since a configuration was in force again.
        self.refusal: ReloadResult | None = None

    def __repr__(self) -> str:
        return f"<Reloader of {self._work.folder} at {self._current!r}>"

    async def look(self) -> None:
        """Reload when a file has changed, or was accepted, since the last time it was looked at."""
        seen = await asyncio.to_thread(self._look)
        if seen != self._seen:
            await self.reload(Occasion("poll"))

    def _look(self) -> tuple[str, str]:
        return self._attempt.inputs.fingerprint(), self._work.accepted()

    async def reload(self, occasion: Occasion) -> ReloadResult:
        """Read the folder and put it in service, or say why not.

        A folder that is in force already is read again only when a server is a source of it.
        """
        async with self._lock:
            started_s = time.monotonic()
            try:
                with quick_turns():
                    result = await self._reloaded(occasion)
            except BaseException:
                # Nobody expects it, and the metric must not stay at the last success.
                self._work.metrics.config_refused()
                raise
            result = replace(result, took_s=time.monotonic() - started_s)
            self._note(result)
            return result

    async def _reloaded(self, occasion: Occasion) -> ReloadResult:
        accepted = await asyncio.to_thread(self._work.accepted)
        if await asyncio.to_thread(self._is_in_force):
            inputs = _inputs(self._current.config, self._work.folder)
            self._attempt = replace(self._attempt, inputs=inputs)
            self._seen = (self._current.fingerprint, accepted)
            return self._result(Result.UNCHANGED, occasion, self._current)
        attempt = await attempt_load(
            self._work.folder, self._work.environ, self._attempt, self._current, Rests()
        )
        self._attempt = replace(attempt, snapshot=None)
        self._seen = (attempt.fingerprint, accepted)
        if attempt.snapshot is None:
            return self._result(Result.REFUSED, occasion, None, attempt.problems)
        return await self._weigh(attempt, attempt.snapshot, occasion, accepted)

    def _is_in_force(self) -> bool:
        current = self._current
        if any(source.reflection for source in current.config.settings.descriptors):
            return False
        inputs = _inputs(current.config, self._work.folder)
        return inputs.fingerprint() == current.fingerprint

    async def _weigh(
        self, attempt: Attempt, new: Snapshot, occasion: Occasion, accepted: str
    ) -> ReloadResult:
        old = self._current
        losses = await aside(find_losses, old, new, Rests())
        problems = [*_needs_restart(old.config, new.config)]
        if not occasion.force and attempt.fingerprint != accepted:
            problems += self._breaks(losses, new)
        if not problems:
            try:
                await self._work.apply(new)
            except ConfigError as error:
                problems += error.problems
        if problems:
            return self._result(Result.REFUSED, occasion, new, tuple(problems), losses)
        self._current = new
        accept = occasion.force and bool(losses) and attempt.fingerprint != accepted
        before = old.config.digest
        await asyncio.to_thread(self._work.record, occasion, before, new, accept=accept)
        if accept:
            self._seen = (attempt.fingerprint, attempt.fingerprint)
        return self._result(Result.APPLIED, occasion, new, losses=losses)

    def _breaks(self, losses: tuple[Loss, ...], new: Snapshot) -> Iterator[Problem]:
        live = self._work.live
        for loss in breaking(losses, new, live(self._current), live(new)):
            message = f"would break route {loss.route}, which gRPC answers: {loss.binding}"
            yield Problem(Place(loss.origin), f"{message}: {loss.what}; force it to accept that")

    def _result(
        self,
        result: Result,
        occasion: Occasion,
        read: Snapshot | None,
        problems: tuple[Problem, ...] = (),
        losses: tuple[Loss, ...] = (),
    ) -> ReloadResult:
        return ReloadResult(
            result,
            occasion,
            self._current.config.digest,
            time.time(),
            0.0,
            "" if read is None else read.config.digest,
            self._seen[0],
            problems,
            losses,
        )

    def _note(self, result: ReloadResult) -> None:
        self.last = result
        if result.result is Result.REFUSED:
            self.refusal = result
            self._work.metrics.config_refused()
        else:
            self.refusal = None
            tell_in_force(self._work.metrics, self._current, result.at_s)
        _tell(result)
        if result.result is Result.APPLIED:
            for line in self._current.report:
                _log.warning("not served as written", detail=line)


def tell_in_force(metrics: Metrics, snapshot: Snapshot, at_s: float) -> None:
    """Note in the metrics that *snapshot* is in force, read *at_s* seconds after the epoch."""
    stages = {route.name: route.stage.value for route in snapshot.routes}
    metrics.config_loaded(snapshot.config.digest, stages, at_s)


def _inputs(config: Config, folder: Path) -> Inputs:
    secrets = [folder / secret.path for secret in config.secret_files()]
    return inputs_of(config.settings, folder, secrets)


def _needs_restart(old: Config, new: Config) -> Iterator[Problem]:
    for path in _FIXED:
        before, after = _setting(old, path), _setting(new, path)
        if before != after:
            message = f"was {before} and is {after} now: that needs a restart"
            yield Problem(new.place(path), message)
    section = old.settings.evidence
    for name, field in type(section).model_fields.items():
        if getattr(section, name) != getattr(new.settings.evidence, name):
            # Without the values: one of them holds a password.
            message = "is not what it was: that needs a restart"
            yield Problem(new.place(f"evidence.{field.alias or name}"), message)


def _setting(config: Config, path: str) -> object:
    section, _, key = path.partition(".")
    return getattr(getattr(config.settings, section), key)


def _tell(result: ReloadResult) -> None:
    """Tell the process log, one line for each thing to be put right."""
    occasion = {
        key: value
        for key in ("trigger", "who", "reason")
        if (value := getattr(result.occasion, key))
    }
    if result.result is Result.UNCHANGED:
        _log.info("configuration is in force already", digest=result.digest, **occasion)
        return
    for problem in result.problems:
        place = str(problem.place)
        _log.error("configuration refused", place=place, problem=problem.message, **occasion)
    if result.result is Result.APPLIED:
        for loss in result.losses:
            _log.warning("clients lose", route=loss.route, binding=loss.binding, loss=loss.what)
        took_s = round(result.took_s, 3)
        _log.info("configuration in force", digest=result.digest, took_s=took_s, **occasion)
