"""Paths of `compare` that lead nowhere, told where they are written.

Belongs here: which paths are held against which messages. Does not: one path against one answer
(`routing.field_paths`).

A path of an entry has to be in an answer, or a request, of its RPC; one of `defaults` in those of
some route that is mirrored and has no paths of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from proxy.comparison.paths import PathPattern
from proxy.config.compare import Compare, Rule
from proxy.config.options import Defaults, Route
from proxy.config.resolved import Config
from proxy.errors import Problem
from proxy.routing.field_paths import FieldPaths, NoSuchField, Target
from proxy.routing.written import written_of
from proxy.transcoding.binding import Binding

#: What `reveal` calls the request's message.
REQUEST: Final = "request:$"


@dataclass(frozen=True, slots=True)
class PathProblems:
    """Finds the problems of one configuration; *bindings* are by the full name of their RPC.

    *breathe* is called between one entry and the next.
    """

    config: Config
    bindings: Mapping[str, Sequence[Binding]]
    breathe: Callable[[], None]
    paths: FieldPaths = field(default_factory=FieldPaths)

    def find(self) -> Iterator[Problem]:
        """Every path that leads nowhere, and every second rule for a path."""
        settings = self.config.settings
        yield from self._of("defaults", settings.defaults, self._mirrored())
        for index, route in enumerate(settings.routes):
            targets = self._targets(route.rpc)
            if targets:
                self.breathe()
                yield from self._of(f"routes[{index}]", route, targets)

    def _mirrored(self) -> list[Target]:
        """The bindings of mirrored routes, where paths of `defaults` are asked for."""
        compare = self.config.settings.defaults.compare
        if compare is None or not (compare.rules or compare.reveal):
            return []
        return [
            target
            for rpc in self.bindings
            if self.config.options_for(rpc).mirror is not None
            for target in self._targets(rpc)
        ]

    def _targets(self, rpc: str) -> list[Target]:
        """The bindings of an RPC, and how their bodies are written."""
        bindings = self.bindings.get(rpc, ())
        options = self.config.options_for(rpc) if bindings else None
        return [Target(each, written_of(options, each)) for each in bindings if options is not None]

    def _of(
        self, place: str, options: Defaults | Route, targets: Sequence[Target]
    ) -> Iterator[Problem]:
        compare = options.compare
        if compare is None or not targets:
            return
        shared = isinstance(options, Defaults)
        for key, message in self._faults(compare, targets, shared=shared):
            yield Problem(self.config.place(f"{place}.compare.{key}"), message)

    def _faults(
        self, compare: Compare, targets: Sequence[Target], *, shared: bool
    ) -> Iterator[tuple[str, str]]:
        first: dict[str, str] = {}
        for index, rule in enumerate(compare.rules):
            key, pattern = f"rules[{index}].path", PathPattern.parse(rule.path)
            named, refusal = self._named(pattern, targets, ignores=rule.use == "ignore")
            if named is None and not rule.legacy_only:
                yield key, refusal
            elif named is not None and rule.legacy_only and not shared:
                yield f"rules[{index}].legacy_only", f"does nothing: the message has {named}"
            elif named is not None and first.setdefault(named, rule.path) != rule.path:
                yield key, f"is the same field as {first[named]}, which has a rule already"
            elif named is not None:
                yield from self._no_use(f"rules[{index}]", rule, targets)
        for index, path in enumerate(compare.reveal):
            refusal = self._unrevealed(path, targets)
            if refusal:
                yield f"reveal[{index}]", refusal

    def _no_use(
        self, place: str, rule: Rule, targets: Sequence[Target]
    ) -> Iterator[tuple[str, str]]:
        """Why a rule does nothing in any binding that has its path."""
        pattern, faults = PathPattern.parse(rule.path), list[tuple[str, str] | None]()
        for target in targets:
            with suppress(NoSuchField):
                faults.append(self.paths.use_fault(pattern, target, rule.use, rule.key))
        found = [each for each in faults if each is not None]
        if found and len(found) == len(faults):
            key, message = found[0]
            yield f"{place}.{key}", message

    def _named(
        self, pattern: PathPattern, targets: Sequence[Target], *, ignores: bool = False
    ) -> tuple[str | None, str]:
        """The path by its JSON names in the first binding that has it; else why none has."""
        refusal = ""
        for target in targets:
            try:
                return self.paths.of_rule(pattern, target, ignores=ignores), ""
            except NoSuchField as error:
                refusal = refusal or str(error)
        return None, refusal

    def _unrevealed(self, path: str, targets: Sequence[Target]) -> str:
        """Why a path of `reveal` reveals nothing, "" if it does."""
        if not path.startswith((REQUEST, "$")):
            return ""
        pattern, refusal = PathPattern.parse(path), ""
        for target in targets:
            try:
                fault = self.paths.shown_fault(pattern, target)
            except NoSuchField as error:
                fault = str(error)
            if fault is None:
                return ""
            refusal = refusal or fault
        return refusal
