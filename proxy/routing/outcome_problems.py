"""Keys about status, headers, entity tags and pages that do not fit the RPCs that have them.

Belongs here: which keys are held against which bindings, and where they are written. Does not: what
fits a binding (`shape.outcomes`).

A key of an entry has to fit its RPC; one of a profile or of `defaults` some RPC that takes it from
there. Where it does not fit, answers are as without it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.config.outcome_policy import outcome_options, shown_names
from proxy.config.resolved import Config
from proxy.config.shape import Profile
from proxy.config.shape_outcomes import ShapeOutcomes
from proxy.config.shape_values import ShapeValues
from proxy.config.tree import Location, path_text
from proxy.errors import Problem
from proxy.routing.schema import Schema
from proxy.routing.shape_layers import shape_layers
from proxy.shape.holes import Text
from proxy.shape.outcomes.headers import URLS
from proxy.shape.outcomes.names import ORIGIN
from proxy.shape.outcomes.options import Misfit, OutcomeOptions
from proxy.shape.outcomes.outcomes import Outcomes

_KEYS: Final = ("status", "headers", "etag", "paging", "answer", "base_url")
_BASE_URL: Final = ("base_url",)

#: What names one setting: the key, and of headers the header.
_Setting = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A setting as an RPC takes it from *layer*: whether it fits, and why not."""

    layer: Location
    rpc: str
    misfit: Misfit | None


@dataclass(frozen=True, slots=True)
class OutcomeProblems:
    """Finds the problems of one configuration. *breathe* is called between one RPC and the next."""

    config: Config
    schema: Schema
    breathe: Callable[[], None]

    def find(self) -> Iterator[Problem]:
        """Every setting that does nothing where it is written."""
        taken: dict[tuple[Location, _Setting], list[_Taken]] = {}
        for rpc in self.schema.bindings:
            for setting, each in self._of_rpc(rpc):
                taken.setdefault((each.layer, setting), []).append(each)
        for (layer, setting), uses in taken.items():
            if all(each.misfit is not None for each in uses):
                yield self._problem(layer, setting, uses)

    def _problem(self, layer: Location, setting: _Setting, uses: Sequence[_Taken]) -> Problem:
        first = uses[0]
        key = setting if first.misfit is None else first.misfit.key
        text = "" if first.misfit is None else str(first.misfit)
        behind = f", for {first.rpc}" if layer[0] != "routes" else ""
        return Problem(self.config.place(path_text((*layer, *key))), f"{text}{behind}")

    def _of_rpc(self, rpc: str) -> Iterator[tuple[_Setting, _Taken]]:
        shape = self.config.options_for(rpc).shape
        if shape is None:
            return
        self.breathe()
        layers, options = list(shape_layers(self.config, rpc)), outcome_options(shape)
        misfits: dict[_Setting, Misfit] = {}
        if options is not None or shown_names(shape):
            misfits = self._misfits(rpc, options or OutcomeOptions(), shape)
        if shape.base_url is not None and not _has_urls(shape):
            misfits[_BASE_URL] = Misfit(_BASE_URL, "does nothing: no answer has a URL from here")
        for setting in _settings(shape):
            layer = _written(layers, setting)
            if layer is not None:
                yield setting, _Taken(layer, rpc, misfits.get(setting))

    def _misfits(self, rpc: str, options: OutcomeOptions, shape: Profile) -> dict[_Setting, Misfit]:
        """By setting why no binding of an RPC has a use for it."""
        safety = self.config.options_for(rpc).safety or self.schema.facts[rpc].safety
        safe, shown = safety == "safe", shown_names(shape)
        of_bindings = [
            {_setting_of(each): each for each in reversed(misfits)}
            for _, misfits in (
                Outcomes.compile(binding, options, None, safe=safe, shown=shown)
                for binding in self.schema.bindings[rpc]
            )
        ]
        everywhere = set(of_bindings[0]).intersection(*of_bindings)
        return {key: of_bindings[0][key] for key in everywhere}


def _has_urls(shape: Profile) -> bool:
    """Whether an answer has a URL that `base_url` may stand before."""
    has_links = shape.paging is not None and shape.paging.link is not None
    shown = [*shown_names(shape)]
    for header in shape.headers.values():
        shown += Text.parse(header.value).names
    return has_links or ORIGIN in shown or any(name.lower() in URLS for name in shape.headers)


def _settings(shape: Profile) -> Iterator[_Setting]:
    for key in _KEYS:
        if key == "headers":
            yield from (("headers", name) for name in shape.headers)
        elif getattr(shape, key) is not None:
            yield (key,)
    if shape.etag is not None and shape.etag.if_match is not None:
        yield "etag", "if_match"


def _setting_of(misfit: Misfit) -> _Setting:
    key = misfit.key
    whole = key[0] == "headers" or key[:2] == ("etag", "if_match")
    return key[:2] if whole else key[:1]


def _written(
    layers: Sequence[tuple[Location, ShapeOutcomes]], setting: _Setting
) -> Location | None:
    for place, section in layers:
        if _has(section, setting):
            return place
    return None


def _has(section: ShapeOutcomes, setting: _Setting) -> bool:
    """Whether a setting is given in a section itself."""
    key, *rest = setting
    if key == "answer":
        # Of envelopes, whose layers are put together, the one that has holes of this kind.
        return isinstance(section, ShapeValues) and bool(shown_names(section))
    value = getattr(section, key, None)
    if key == "headers":
        return rest[0] in section.headers
    return value is not None and all(getattr(value, name) is not None for name in rest)
