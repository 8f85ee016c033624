"""Routes that ask for validation where there is nothing to validate by, or not as it is written.

Belongs here: the key `validate` held against the types of requests. Does not: the rules
(`transcoding.validation`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from proxy.config.resolved import Config
from proxy.errors import Place, Problem
from proxy.routing.schema import Schema

_INERT: Final = "does nothing: no message of the request has a buf.validate rule"


@dataclass(frozen=True, slots=True)
class ValidationProblems:
    """Finds the problems of one configuration. *breathe* is called between one RPC and the next."""

    config: Config
    schema: Schema
    breathe: Callable[[], None]

    def find(self) -> Iterator[Problem]:
        """Rules that cannot be compiled; the key, where no RPC that takes it from there has any."""
        asking = [rpc for rpc in self.schema.bindings if self.config.options_for(rpc).validates]
        ruled: set[str] = set()
        for rpc in asking:
            self.breathe()
            try:
                if self._has_rules(rpc):
                    ruled.add(rpc)
            except ValueError as error:
                ruled.add(rpc)
                yield Problem(self._place(rpc), f"{rpc}: {error}")
        yield from self._inert(asking, ruled)

    def _has_rules(self, rpc: str) -> bool:
        # Loaded for those alone who validate: the library takes a tenth of a second.
        from proxy.transcoding.validation import Validation

        return Validation.compile(self.schema.bindings[rpc][0].method.input_type) is not None

    def _inert(self, asking: list[str], ruled: set[str]) -> Iterator[Problem]:
        own = self._entries()
        for rpc in asking:
            if rpc in own and rpc not in ruled:
                yield Problem(self._place(rpc), _INERT)
        by_default = [rpc for rpc in asking if rpc not in own]
        if self.config.settings.defaults.validates and ruled.isdisjoint(by_default):
            yield Problem(self.config.place("defaults.validate"), _INERT)

    def _place(self, rpc: str) -> Place:
        index = self._entries().get(rpc)
        section = "defaults" if index is None else f"routes[{index}]"
        return self.config.place(f"{section}.validate")

    def _entries(self) -> dict[str, int]:
        """The entries that give the key themselves, by their RPC."""
        return {
            route.rpc: index
            for index, route in enumerate(self.config.settings.routes)
            if "validates" in route.model_fields_set
        }
