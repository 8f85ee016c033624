"""Which of several values of an option counts: that of an entry, of `defaults`, of a dialect.

Belongs here: options that are taken as they are. Does not: sections of which an entry takes keys
one by one (`inheritance`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.config.answer_dialect import AnswerDialect
from proxy.config.dialects import DIALECTS
from proxy.config.options import Options
from proxy.config.request_dialect import RequestDialect


@dataclass(frozen=True, slots=True)
class Layers:
    """The options of one route: its own, then those of `defaults`, then those of its dialect."""

    layers: tuple[Options, ...]
    dialect: Mapping[str, Any]

    @classmethod
    def of(cls, route: Options | None, defaults: Options) -> "Layers":
        """The layers of a route with the entry *route*, None for one that has none."""
        layers: tuple[Options, ...] = (defaults,) if route is None else (route, defaults)
        named = (layer.dialect for layer in layers if "dialect" in layer.model_fields_set)
        return cls(layers, DIALECTS[next(named, defaults.dialect)])

    def __getitem__(self, name: str) -> Any:
        """The value that counts of the option *name*."""
        for layer in self.layers:
            if name in layer.model_fields_set:
                return getattr(layer, name)
        return self.dialect.get(name, getattr(self.layers[-1], name))

    def rows(self, section: type[RequestDialect | AnswerDialect]) -> dict[str, Any]:
        """The values that count of all options of *section*."""
        return {name: self[name] for name in section.model_fields}
