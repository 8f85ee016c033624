"""Keys of shapes about requests that fit no RPC which has them, told where they are written.

Belongs here: which keys are held against which bindings. Does not: what fits a binding
(`shape.request_checks`), legacy forms of URLs (`legacy_url_problems`).

A key of an entry has to fit some binding of its RPC; one of a profile or of `defaults` one of some
RPC that takes it from there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from proxy.config.resolved import Config
from proxy.config.shape import Profile
from proxy.config.shape_options import shape_options
from proxy.config.tree import Location
from proxy.errors import Problem
from proxy.routing.request_settings import request_options
from proxy.routing.schema import Schema
from proxy.routing.shape_layers import shape_layers
from proxy.shape.options import ShapeOptions
from proxy.shape.request_checks import request_fits
from proxy.transcoding.request import names_fields

#: The keys that lead to one setting, of all that takes them.
_Setting = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestShapeProblems:
    """Finds the problems of one configuration. *breathe* is called between one RPC and the next."""

    config: Config
    schema: Schema
    breathe: Callable[[], None]

    def find(self) -> Iterator[Problem]:
        """Every setting that does nothing where it is written."""
        faults: dict[tuple[Location, _Setting], list[tuple[str, str | None]]] = {}
        for rpc in self.schema.bindings:
            shape = shape_options(self.config.options_for(rpc).shape)
            if shape is None or (shape.request is None and shape.requests is None):
                continue
            self.breathe()
            layers = [*shape_layers(self.config, rpc)]
            for setting, fault in self._of_rpc(rpc, shape):
                at = _place(layers, setting)
                faults.setdefault((at, setting), []).append((rpc, fault))
        for (location, _), uses in faults.items():
            rpc, first = uses[0]
            if first is not None and all(fault is not None for _, fault in uses):
                behind = f", for {rpc}" if location[0] != "routes" else ""
                yield Problem(self.config.place_at(location), f"{first}{behind}")

    def _of_rpc(self, rpc: str, shape: ShapeOptions) -> Iterator[tuple[_Setting, str | None]]:
        """Each setting with why it fits no binding of the RPC, None when it fits one."""
        found: dict[_Setting, list[str | None]] = {}
        options = request_options(self.config.options_for(rpc), 1)
        for binding in self.schema.bindings[rpc]:
            named = names_fields(binding, options)
            for setting, fault in request_fits(binding, shape, names_fields=named):
                found.setdefault(setting, []).append(fault)
        for setting, faults in found.items():
            yield setting, None if None in faults else faults[0]


def _place(layers: Sequence[tuple[Location, Profile]], setting: _Setting) -> Location:
    """Where the setting stands that counts: in the first layer that has it."""
    for location, profile in layers:
        if _has(profile, setting):
            return (*location, *setting)
    return (*layers[0][0], setting[0])


def _has(section: object, setting: _Setting) -> bool:
    """Whether a section gives a setting: key by key, and then by the names of a mapping."""
    key, *rest = setting
    if isinstance(section, dict):
        return key in section
    if key not in getattr(section, "model_fields_set", ()):
        return False
    return not rest or _has(getattr(section, key), tuple(rest))
