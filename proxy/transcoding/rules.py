"""HTTP rules resolved against the methods that they select: `Binding` values, or problems.

Belongs here: which rules count for a method, and what each one means. Does not: duplicates
among bindings of different methods (`routing`), reading rules (`httprule`, `config`).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from proxy.errors import Place, Problem
from proxy.transcoding.binding import Binding
from proxy.transcoding.bindrule import RuleError, bind_rule
from proxy.transcoding.declarations import Positions, method_option_path
from proxy.transcoding.descriptors import Descriptors
from proxy.transcoding.httprule import (
    HTTP_OPTION_NUMBER,
    HttpRule,
    RuleMode,
    ServiceConfigRules,
    annotated_rule,
)

#: The full name of a method: `package.Service.Method`, or `Service.Method` without a package.
_FULL_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What all rules mean together.

    *bindings* are in the order of files, services, methods and rules. *report* has a line for
    every RPC or rule that is not served as it is written, and why; those are no problems.
    """

    bindings: tuple[Binding, ...]
    report: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Selected:
    """A rule that counts, with the setting of the config that it came from."""

    rule: HttpRule
    fully_decode: bool = False


def resolve(
    descriptors: Descriptors,
    service_configs: Sequence[ServiceConfigRules],
    breathe: Callable[[], None] = lambda: None,
) -> Resolution:
    """Resolve the annotations in *descriptors* and the rules of *service_configs*.

    For a method, the rule of an `override` service config stands in the place of the annotation;
    those of `add` configs come on top. Files that were only imported are served where a service
    config selects their methods, not by their annotations. *breathe* is called between one
    service and the next. Never raises.
    """
    resolver = _Resolver(descriptors)
    for config in service_configs:
        resolver.take_config(config)
    for service in descriptors.services():
        resolver.take_service(service)
        breathe()
    return resolver.resolution()


class _Resolver:
    """The state of one resolution."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._overriding: dict[str, _Selected] = {}
        self._added: dict[str, list[_Selected]] = {}
        self._positions: dict[str, Positions] = {}
        self._bindings: list[Binding] = []
        self._report: list[str] = []
        self._problems: list[Problem] = []

    def resolution(self) -> Resolution:
        return Resolution(tuple(self._bindings), tuple(self._report), tuple(self._problems))

    def take_config(self, config: ServiceConfigRules) -> None:
        """Note the rules of one service config under the methods that they select."""
        for rule in self._last_of_each(config.rules):
            if self._check_selector(rule):
                selected = _Selected(rule, config.fully_decode_reserved_expansion)
                self._take_selected(config.mode, selected)

    def _last_of_each(self, rules: Sequence[HttpRule]) -> list[HttpRule]:
        """The last rule of every selector: `http.proto` says that it wins."""
        last: dict[str, HttpRule] = {}
        for rule in rules:
            if rule.selector in last:
                earlier = last[rule.selector].place
                self._report.append(f"{earlier}: replaced by a later rule, {rule.place}")
            last[rule.selector] = rule
        return list(last.values())

    def _check_selector(self, rule: HttpRule) -> bool:
        if self._descriptors.method(rule.selector) is not None:
            return True
        if not _FULL_NAME.fullmatch(rule.selector):
            self._refuse(rule.place, "a selector must be the full name of one method")
        # With files left out, a method that is missing may well be in one of them.
        elif not self._descriptors.problems:
            self._refuse(rule.place, f"no descriptor has this method{self._hint(rule.selector)}")
        return False

    def _hint(self, selector: str) -> str:
        names = (method.full_name for method in self._methods())
        near = get_close_matches(selector, names, n=1)
        return f"; did you mean {near[0]!r}?" if near else ""

    def _methods(self) -> Iterator[MethodDescriptor]:
        return (method for found in self._descriptors.services() for method in found.methods)

    def _take_selected(self, mode: RuleMode, selected: _Selected) -> None:
        selector = selected.rule.selector
        if mode is RuleMode.ADD:
            self._added.setdefault(selector, []).append(selected)
        elif earlier := self._overriding.get(selector):
            place = earlier.rule.place
            self._refuse(selected.rule.place, f"is already overridden at {place}")
        else:
            self._overriding[selector] = selected

    def take_service(self, service: ServiceDescriptor) -> None:
        """Resolve every method of *service*."""
        file = self._descriptors.file_of(service)
        if file.name not in self._positions:
            self._positions[file.name] = Positions(file)
        positions = self._positions[file.name]
        for index, method in enumerate(service.methods):
            path = method_option_path(service.index, index, HTTP_OPTION_NUMBER)
            annotation = self._annotation(method, positions.place(path, method.full_name))
            for selected in self._that_count(method, annotation):
                self._take_rule(method, selected)

    def _annotation(self, method: MethodDescriptor, place: Place) -> HttpRule | None:
        rule = annotated_rule(method, place)
        if rule is None or not self._descriptors.file_of(method.containing_service).imported:
            return rule
        if method.full_name not in self._overriding:
            self._report.append(f"{place}: not served: nothing but an import brought its file")
        return None

    def _that_count(
        self, method: MethodDescriptor, annotation: HttpRule | None
    ) -> Iterator[_Selected]:
        overriding = self._overriding.get(method.full_name)
        if overriding is not None:
            yield overriding
        if annotation is not None and overriding is None:
            yield _Selected(annotation)
        elif annotation is not None and overriding is not None:
            self._report.append(f"{annotation.place}: overridden by {overriding.rule.place}")
        yield from self._added.get(method.full_name, ())

    def _take_rule(self, method: MethodDescriptor, selected: _Selected) -> None:
        """Bind the rule and its additional bindings."""
        bound = len(self._bindings)
        self._bind(method, selected)
        for additional in selected.rule.additional:
            if additional.additional:
                self._refuse(additional.place, "an additional binding may not have further ones")
            self._bind(method, replace(selected, rule=additional))
        if method.client_streaming and len(self._bindings) > bound:
            kind = "bidirectional" if method.server_streaming else "client"
            self._report.append(
                f"{selected.rule.place}: not served: {kind} streaming;"
                " a request to its bindings is answered with 501"
            )

    def _bind(self, method: MethodDescriptor, selected: _Selected) -> None:
        """Add the binding of one rule; every reason against it is a problem of its own."""
        rule = selected.rule
        if rule.pattern is None:
            self._report.append(f"{rule.place}: not served: the rule has no path template")
            return
        try:
            binding = bind_rule(method, rule, rule.pattern, fully_decode=selected.fully_decode)
        except RuleError as error:
            for reason in error.reasons:
                self._refuse(rule.place, reason)
        else:
            self._bindings.append(binding)

    def _refuse(self, place: Place, message: str) -> None:
        self._problems.append(Problem(place, message))
