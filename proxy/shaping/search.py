"""The search for a shape: always the setting that leaves the fewest differences, then the next.

Belongs here: the order, its bounds, and what it comes to. Does not: settings (`candidates`), trying
them (`trial`). The same pairs give the same shape.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.shaping.candidates import groups_of, is_of
from proxy.shaping.trial import Settings, Trial, Tried, Unfit

#: Pairs that settings are tried on; the shape that is found is held against all.
SEARCHED: Final = 40
#: Settings that are tried at all, and that are taken: no API needs more by hand either.
MAX_TRIALS: Final = 4000
MAX_TAKEN: Final = 60


@dataclass(frozen=True, slots=True)
class Step:
    """One setting that was taken, and how many differences vanished with it, of those tried."""

    setting: Settings
    vanished: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: the *settings* of a shape, which load, and what it does to all pairs.

    *before* and *after* count differences of all *pairs*. *rest* are those that are left, by path
    and kind, with how many there are, the most frequent first. *bounded* says that the search was
    ended by its bound.
    """

    settings: Settings
    steps: tuple[Step, ...]
    pairs: int
    before: int
    after: int
    rest: tuple[tuple[str, str, int], ...]
    bounded: bool = False


def search(trial: Trial) -> Found:
    """Find a shape under which gRPC's answers are the old ones."""
    few = trial.over(SEARCHED)
    best, steps, budget = few.run({}), list[Step](), MAX_TRIALS
    while best.count and budget > 0 and len(steps) < MAX_TAKEN:
        candidate, tries = _next(few, best, budget)
        budget -= tries
        if candidate is None:
            break
        setting, tried = candidate
        steps.append(Step(setting, best.count - tried.count))
        best = tried
    settings = _loadable(few, best.settings)
    plain, whole = trial.run({}), trial.run(settings)
    return Found(
        settings,
        tuple(sorted(steps, key=lambda step: -step.vanished)),
        len(trial.pairs),
        plain.count,
        whole.count,
        _rest(whole),
        bounded=budget <= 0,
    )


def _next(trial: Trial, best: Tried, budget: int) -> tuple[tuple[Settings, Tried] | None, int]:
    """The setting of the first group that helps which leaves the fewest differences.

    None where none leaves fewer; and how many were tried.
    """
    tries = 0
    for group in groups_of(trial, best):
        found, count = _best_of(trial, group, best, budget - tries)
        tries += count
        if found is not None:
            return found, tries
    return None, tries


def _best_of(
    trial: Trial, group: Iterable[Settings], best: Tried, budget: int
) -> tuple[tuple[Settings, Tried] | None, int]:
    found: tuple[Settings, Tried] | None = None
    tries = 0
    for setting in group:
        if tries >= budget:
            break
        settings = merged(best.settings, setting)
        if settings == best.settings:
            continue
        tries += 1
        tried = _tried(trial, settings, (best if found is None else found[1]).count)
        if tried is not None:
            found = setting, tried
            if not tried.count:
                break
    return found, tries


def _tried(trial: Trial, settings: Settings, most: int) -> Tried | None:
    """What *settings* leave, if that is fewer than *most* and they are a shape that loads."""
    try:
        tried = trial.run(settings)
        if tried.count >= most:
            return None
        trial.whole(settings)
    except Unfit:
        return None
    return tried


def _loadable(trial: Trial, settings: Settings) -> Settings:
    """The settings with what they have to say of losses. They were tried with it."""
    return trial.whole(settings) if settings else settings


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """*above* over *below*, mapping by mapping.

    >>> merged({"forms": {"int64": "number"}}, {"forms": {"enum": "lower"}})
    {'forms': {'int64': 'number', 'enum': 'lower'}}
    """
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def _rest(tried: Tried) -> tuple[tuple[str, str, int], ...]:
    found = (each for of_pair in tried.differences for each in of_pair)
    counts = Counter[tuple[str, str]]()
    for each in found:
        counts[each.path, is_of(each)] += each.size
    return tuple((*key, count) for key, count in _ranked(counts.items()))


def _ranked(counts: Iterable[tuple[tuple[str, str], int]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(counts, key=lambda item: (-item[1], item[0]))
