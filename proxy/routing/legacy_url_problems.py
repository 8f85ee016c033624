"""What is wrong with legacy forms of URLs, told where they are asked for.

Belongs here: forms that do nothing, that two routes would take, and that another route takes from
them. Does not: taking them (`routing.legacy_urls`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from proxy.config.resolved import Config
from proxy.errors import Place, Problem
from proxy.routing.legacy_urls import LegacyDuplicates, QuirksOf
from proxy.routing.table import RouteBinding, RouteTable
from proxy.shape.urls import PathForm, UrlQuirks, path_forms
from proxy.transcoding.binding import Binding

#: What stands in a made-up path where a template has a wildcard.
_SAMPLES: Final = {"*": "x", "**": "x/x"}


def legacy_url_problems(
    config: Config, table: RouteTable, quirks: QuirksOf, breathe: Callable[[], None]
) -> Iterator[Problem]:
    """Every form of *quirks* that does nothing in *table*."""
    places = _places(config)
    for target, allowed in quirks.items():
        breathe()
        for message in _shadowed(table, target, allowed):
            yield Problem(places(target.route.rpc), message)
    yield from _inert(config, quirks, places)


def duplicate_problems(config: Config, error: LegacyDuplicates) -> Iterator[Problem]:
    """The pairs of routes that would take the same URLs by their legacy forms."""
    places, what = _places(config), _words(error.form)
    for pair in error.duplicates:
        first, second = pair.first.binding, pair.second.binding
        yield Problem(
            places(second.rpc),
            f"{_rule(second)} by {second.rpc} takes, with its legacy form {what}, the URLs that "
            f"{_rule(first)} by {first.rpc} takes with it",
        )


def _shadowed(table: RouteTable, target: RouteBinding, allowed: UrlQuirks) -> Iterator[str]:
    """The single forms of a binding's URLs that another binding takes from it."""
    binding = target.binding
    method = "GET" if binding.http_method == "*" else binding.http_method
    for form in path_forms(allowed):
        if len(form.quirks) > 1:
            continue
        path = _sample(binding, form)
        taker = table.find(method, path).binding
        if taker is not None and taker is not target:
            yield (
                f"the legacy form {_words(form)} of {_rule(binding)} is never reached: {path} is "
                f"a URL of {_rule(taker.binding)} by {taker.route.rpc}"
            )


def _sample(binding: Binding, form: PathForm) -> str:
    template = binding.template
    segments = [
        _SAMPLES.get(segment) or (segment.swapcase() if form.ignore_case else segment)
        for segment in template.segments
    ]
    path = "/" + "/".join(segments) + (f":{template.verb}" if template.verb else "")
    return path + form.suffix + ("/" if form.trailing_slash else "")


def _inert(config: Config, quirks: QuirksOf, places: Callable[[str], Place]) -> Iterator[Problem]:
    """What a route's own section asks for that none of its bindings has a use for."""
    by_rpc: dict[str, list[tuple[Binding, UrlQuirks]]] = {}
    for target, allowed in quirks.items():
        by_rpc.setdefault(target.route.rpc, []).append((target.binding, allowed))
    for rpc, pairs in by_rpc.items():
        shape = _own_shapes(config).get(rpc)
        asked = pairs[0][1]
        if asked.trailing_slash and config.options_for(rpc).trailing_slash == "ignore":
            yield Problem(places(rpc), "does nothing beside the option trailing_slash: ignore")
        own = shape is not None and "method_override" in shape
        if own and asked.method is not None and not _overrides(pairs):
            methods = ", ".join(sorted(asked.method.methods))
            yield Problem(places(rpc), f"method_override: no binding is of {methods}")


def _own_shapes(config: Config) -> Mapping[str, frozenset[str]]:
    """The keys of `urls` that entries give themselves, by their RPC."""
    return {
        route.rpc: frozenset(route.shape.urls.model_fields_set)
        for route in config.settings.routes
        if route.shape is not None and route.shape.urls is not None
    }


def _overrides(pairs: Iterable[tuple[Binding, UrlQuirks]]) -> bool:
    return any(
        allowed.method is not None and binding.http_method in allowed.method.methods
        for binding, allowed in pairs
    )


def _places(config: Config) -> Callable[[str], Place]:
    """Where the section of an RPC stands, or the nearest thing around it."""
    indexes = {route.rpc: index for index, route in enumerate(config.settings.routes)}

    def place(rpc: str) -> Place:
        index = indexes.get(rpc)
        entry = "defaults" if index is None else f"routes[{index}]"
        return config.place(f"{entry}.shape.urls")

    return place


def _rule(binding: Binding) -> str:
    return f"{binding.http_method} {binding.template}"


def _words(form: PathForm) -> str:
    return " and ".join(form.quirks)
