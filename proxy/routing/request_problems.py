"""Settings about requests that do nothing for any rule of their RPC, told where they are written.

Belongs here: what a rule must be like for a setting to matter. Does not: what settings mean to each
other (`config.request_checks`). What `defaults` or a dialect set is for many RPCs, and may mean
nothing to some.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from proxy.config.options import Route
from proxy.config.resolved import Config
from proxy.errors import Problem
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.fieldmask import has_one_mask


def _reads_json(binding: Binding) -> bool:
    return binding.body is not Body.NONE and not is_raw(binding)


def _has_body_field(binding: Binding) -> bool:
    return not isinstance(binding.body, Body) and _reads_json(binding)


def _fills_mask(binding: Binding) -> bool:
    patches = binding.http_method == "PATCH" and _has_body_field(binding)
    return patches and has_one_mask(binding.method.input_type)


def _has_long_variable(binding: Binding) -> bool:
    return any(not each.variable.single_segment for each in binding.variables)


#: By key: whether it can matter to a rule, and what to say where it can to none.
_NEEDS: Final[Mapping[str, tuple[Callable[[Binding], bool], str]]] = MappingProxyType(
    {
        "head": (lambda b: b.http_method == "GET", "no rule of this RPC is a GET"),
        "unexpected_body": (lambda b: b.body is Body.NONE, "every rule of this RPC has a body"),
        "content_type": (_reads_json, "no rule of this RPC has a body that is JSON"),
        "unknown_enum_names": (_reads_json, "no rule of this RPC has a body that is JSON"),
        "absent_body": (_has_body_field, "no rule of this RPC gives its body to a field"),
        "fill_mask": (_fills_mask, "no rule of this RPC fills a field mask"),
    }
)
_OVERRIDDEN: Final[Mapping[str, tuple[Callable[[Binding], bool], str]]] = MappingProxyType(
    {
        "get": (lambda b: b.http_method == "GET", "no rule of this RPC is a GET"),
        "any": (lambda b: b.http_method != "POST", "every rule of this RPC is a POST"),
    }
)
_UNESCAPED: Final = (_has_long_variable, "no variable of this RPC has several segments")


@dataclass(frozen=True, slots=True)
class RequestProblems:
    """Finds the problems of one configuration; *bindings* are by the full name of their RPC."""

    config: Config
    bindings: Mapping[str, Sequence[Binding]]

    def find(self) -> Iterator[Problem]:
        """Every setting of an entry that does nothing."""
        for index, route in enumerate(self.config.settings.routes):
            bindings = self.bindings.get(route.rpc, ())
            for key, (matters, message) in _needs(route):
                if bindings and not any(map(matters, bindings)):
                    place = self.config.place(f"routes[{index}].{key}")
                    yield Problem(place, f"does nothing: {message}")


def _needs(route: Route) -> Iterator[tuple[str, tuple[Callable[[Binding], bool], str]]]:
    """What each setting that an entry gives itself needs."""
    given = route.model_fields_set
    yield from ((key, need) for key, need in _NEEDS.items() if key in given)
    if "method_override" in given and route.method_override != "off":
        yield "method_override", _OVERRIDDEN[route.method_override]
    if "unescape" in given and route.unescape != "before_split":
        yield "unescape", _UNESCAPED
