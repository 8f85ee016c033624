"""Checks of the settings about requests that do nothing beside others.

Belongs here: which setting needs what. Does not: the settings (`request_dialect`), those that do
nothing for the rule of an RPC (`routing.request_problems`).
"""

from collections.abc import Iterator
from typing import Final

from proxy.config.draft import Check, Draft, Finding
from proxy.config.options import Options
from proxy.config.tree import Location
from proxy.config.upstreams import LEGACY

#: Settings about answers that only a folder without a legacy host gives.
_LAST_WORDS: Final = ("method_mismatch", "options")


def _misses_are_answered_here(draft: Draft) -> Iterator[Finding]:
    if LEGACY not in draft.upstream_names:
        return
    yield from _idle(("defaults",), draft.settings.defaults)
    for index, route in draft.routes:
        yield from _idle(("routes", index), route)


def _idle(location: Location, section: Options) -> Iterator[Finding]:
    for key in _LAST_WORDS:
        if key in section.model_fields_set:
            message = "does nothing: the legacy upstream gets requests that are not mapped"
            yield (*location, key), message


CHECKS: Final[tuple[Check, ...]] = (
    (frozenset({"upstreams", "defaults"}), _misses_are_answered_here),
)
