"""What a canary lacks, and where the canaries of a group differ.

Belongs here: what is checked of routes with an entry and, once descriptors are known, of those
without. Does not: when (`cutover_checks`, `resolved`).
"""

from collections.abc import Iterable, Iterator

from proxy.config.canary import Canary
from proxy.config.tree import Location


def canary_faults(canary: Canary | None) -> Iterator[str]:
    """What a route in stage canary lacks."""
    if canary is None or not canary.sticky:
        yield "stage canary needs canary.sticky: where the key of a request stands"
    if canary is None or (canary.basis_points is None and not canary.steps):
        yield "stage canary needs canary.percent or canary.steps"


def group_faults(
    canaries: Iterable[tuple[str, Canary, Location]],
) -> Iterator[tuple[Location, Location, str]]:
    """Where two routes of a group differ: the place of the later, of the first, and in what.

    Each of *canaries* is the name of a route, its canary, and where that is written.
    """
    firsts: dict[str, tuple[Canary, Location]] = {}
    for name, canary, location in canaries:
        group = canary.group or name
        first, place = firsts.setdefault(group, (canary, location))
        for key, ours, theirs in (
            ("sticky", canary.sticky, first.sticky),
            ("pin", canary.pin_s, first.pin_s),
        ):
            if ours != theirs:
                yield (*location, key), (*place, key), f"differs in group '{group}'"
