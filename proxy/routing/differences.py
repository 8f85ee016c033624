"""What is different between two snapshots, in words for people.

Belongs here: routes, upstreams and settings, set side by side. Does not: what clients would lose
(`routing.compatibility`), layout (`cli.plan`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from proxy.config.base import Section
from proxy.config.resolved import Config, ResolvedRoute
from proxy.cutover.percent import percent_text
from proxy.cutover.stages import Stage
from proxy.routing.snapshot import Snapshot
from proxy.routing.spelling import ABSENT, braced, leaves, spelled
from proxy.routing.table import Route, RouteBinding

#: Sections that are told by route or by upstream, or that hold descriptors, and no settings.
_TOLD_APART: Final = frozenset({"version", "routes", "defaults", "upstreams", "descriptors"})
#: What a route's first line tells, or nothing does.
_IN_STAGE: Final = frozenset({"rpc", "name", "listed", "has_legacy", "stage"})
#: What of a canary the stage's words tell while the route is in it.
_IN_CANARY: Final = frozenset({"canary.percent", "canary.steps", "canary.group"})
#: Keys that are told by their section alone: the one thing that it is about.
_SHORT: Final = {"mirror.percent": "mirror"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. *kind* is "route", "upstream" or "setting", *subject* the name of which.

    >>> str(Difference("route", "get-order", "stage", "legacy", "canary 5 %"))
    'get-order: stage legacy -> canary 5 %'
    """

    kind: str
    subject: str
    key: str
    before: str
    after: str

    def __str__(self) -> str:
        change = f"{self.before} -> {self.after}".strip()
        return f"{self.subject}: {f'{self.key} {change}' if self.key else change}"


def find_differences(old: Snapshot, new: Snapshot) -> tuple[Difference, ...]:
    """Everything that *new* says otherwise than *old*: routes, then upstreams, then settings.

    A route is the same one when its RPC is. What the environment gave is told as it was written,
    so that no secret shows.
    """
    return (
        *_of_routes(old, new),
        *_of_upstreams(old.config, new.config),
        *_of_settings(old.config, new.config),
    )


def stage_text(route: Route) -> str:
    """Where the file has a route: its stage, with the share and the group of a canary."""
    if route.stage is not Stage.CANARY or route.canary is None:
        return route.stage.value
    shares = route.ramp.steps if route.ramp else (route.basis_points,)
    text = ", ".join(percent_text(share) for share in shares)
    return f"canary {'by ' if route.ramp else ''}{text} (group {route.canary.group})"


def _of_routes(old: Snapshot, new: Snapshot) -> Iterator[Difference]:
    before, after = _by_rpc(old), _by_rpc(new)
    for rpc in before | after:
        was, now = before.get(rpc), after.get(rpc)
        if was is None and now is not None:
            yield Difference("route", now.name, "", "new", f"{stage_text(now)}, {rpc}")
        elif was is not None and now is None:
            yield Difference("route", was.name, "", stage_text(was), "gone")
        elif was is not None and now is not None:
            yield from _of_route(was, now, old.config, new.config)
            yield from _of_bindings(now.name, _bindings(old, rpc), _bindings(new, rpc))


def _by_rpc(snapshot: Snapshot) -> dict[str, Route]:
    return {route.rpc: route for route in snapshot.routes}


def _of_route(was: Route, now: Route, old: Config, new: Config) -> Iterator[Difference]:
    if was.name != now.name:
        yield Difference("route", now.name, "name", was.name, now.name)
    before, after = stage_text(was), stage_text(now)
    if before != after:
        yield Difference("route", now.name, "", before, after)
    before_it, after_it = old.options_for(was.rpc), new.options_for(now.rpc)
    told = _IN_CANARY if now.stage is Stage.CANARY else frozenset[str]()
    for each in _of_values("route", now.name, _options(before_it), _options(after_it), told):
        yield replace(each, key=_SHORT.get(each.key, each.key))
    yield from _of_hidden_values(now.name, before_it, after_it)


def _of_hidden_values(name: str, was: ResolvedRoute, now: ResolvedRoute) -> Iterator[Difference]:
    """Headers of mirrors whose values alone differ: they may be credentials."""
    if was.mirror is None or now.mirror is None:
        return
    before, after = was.mirror.headers.set, now.mirror.headers.set
    if before.keys() == after.keys() and before != after:
        changed = sorted(key for key in before if before[key] != after[key])
        key = f"mirror.headers.set {', '.join(changed)}"
        yield Difference("route", name, key, "a value", "another one")


def _options(route: ResolvedRoute) -> dict[str, str]:
    """The options of a route by their keys; a section that is there has one for each value."""
    options: dict[str, str] = {}
    for field in fields(route):
        value = getattr(route, field.name)
        if isinstance(value, Section):
            options |= dict(leaves(value, field.name))
        elif field.name not in _IN_STAGE:
            options[_key(field.name)] = spelled(field.name, value)
    return options


def _key(name: str) -> str:
    return name.removesuffix("_s")


def _of_values(
    kind: str,
    subject: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    told: frozenset[str] = frozenset(),
) -> Iterator[Difference]:
    """The values that differ; a section that comes or goes is one difference."""
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    sections = {key.partition(".")[0] for key in gone | come if "." in key}
    whole = {name for name in sections if not (_has(before, name) and _has(after, name))}
    for name in sorted(whole):
        yield Difference(kind, subject, name, _section(before, name), _section(after, name))
    for key in {**before, **after}:
        was, now = before.get(key, ABSENT), after.get(key, ABSENT)
        if was != now and key not in told and key.partition(".")[0] not in whole:
            yield Difference(kind, subject, key, was, now)


def _has(values: Mapping[str, str], section: str) -> bool:
    return any(key.startswith(f"{section}.") for key in values)


def _section(values: Mapping[str, str], name: str) -> str:
    inner = {
        key.removeprefix(f"{name}."): value
        for key, value in values.items()
        if key.startswith(f"{name}.") and value != ABSENT
    }
    return braced(inner) if inner else values.get(name, ABSENT)


def _bindings(snapshot: Snapshot, rpc: str) -> set[str]:
    return {_rule(target) for target in snapshot.bindings if target.route.rpc == rpc}


def _rule(target: RouteBinding) -> str:
    return f"{target.binding.http_method} {target.binding.template}"


def _of_bindings(route: str, before: set[str], after: set[str]) -> Iterator[Difference]:
    for rule in sorted(before - after):
        yield Difference("route", route, "", rule, "gone")
    for rule in sorted(after - before):
        yield Difference("route", route, "", "new", rule)


def _of_upstreams(old: Config, new: Config) -> Iterator[Difference]:
    before, after = _upstreams(old), _upstreams(new)
    for name in before | after:
        was, now = before.get(name), after.get(name)
        if was is None or now is None:
            text = ("new", braced(now)) if now else (braced(was or {}), "gone")
            yield Difference("upstream", name, "", *text)
        else:
            yield from _of_values("upstream", name, was, now)


def _upstreams(config: Config) -> dict[str, dict[str, str]]:
    sections = config.settings.upstreams
    every: dict[str, Section] = dict(sections.grpc)
    if sections.legacy is not None:
        every = {"legacy": sections.legacy, **every}
    return {name: _written(config, each, f"upstreams.{name}") for name, each in every.items()}


def _of_settings(old: Config, new: Config) -> Iterator[Difference]:
    before, after = _settings(old), _settings(new)
    for subject in before | after:
        values = before.get(subject, {}), after.get(subject, {})
        yield from _of_values("setting", subject, *values)
    if old.admin_token != new.admin_token:
        yield Difference("setting", "admin", "token_file", "a token", "another one")
    if old.override_header != new.override_header:
        yield Difference("setting", "override", "secret", "a secret", "another one")
    if old.mark_secret != new.mark_secret:
        yield Difference("setting", "shadow", "mark.secret", "a secret", "another one")
    if old.settings.evidence.url != new.settings.evidence.url:
        yield Difference("setting", "evidence", "url", "a database", "another one")


def _settings(config: Config) -> dict[str, dict[str, str]]:
    settings = config.settings
    names = [name for name in type(settings).model_fields if name not in _TOLD_APART]
    sections = {name: getattr(settings, name) for name in names}
    return {
        name: _written(config, section, name)
        for name, section in sections.items()
        if isinstance(section, Section)
    }


def _written(config: Config, section: Section, path: str) -> dict[str, str]:
    """A section's values; those from the environment as the files have them."""
    tree: Any = config.redacted()
    for name in path.split("."):
        tree = tree.get(name, {}) if isinstance(tree, dict) else {}
    return {key: _from_environment(tree, key) or text for key, text in leaves(section)}


def _from_environment(tree: Any, key: str) -> str:
    for name in key.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) and "${" in tree else ""
