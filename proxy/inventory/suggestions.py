"""Which method of the proto each operation of the old API becomes, where that can be told.

Belongs here: choosing among scores. Does not: scores (`scoring`), rules (`fitting`), texts
(`overlay`).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.descriptor import MethodDescriptor

from proxy.inventory.envelopes import Envelope, find_envelope
from proxy.inventory.fitting import Fit, fit
from proxy.inventory.legacy import LegacyApi, Operation
from proxy.inventory.mapping import Mapper, Standing
from proxy.inventory.scoring import Score, Scorer
from proxy.routing.snapshot import Snapshot

#: A score from which a match is proposed, and how far the next one must be behind.
SURE: Final = 0.66
MARGIN: Final = 0.05
#: A score from which it is worth a line.
LIKELY: Final = 0.45
#: How alike an operationId must be where the path has no noun of the method.
_ALIKE: Final = 0.5
#: Lines of others for one operation.
MOST_OTHERS: Final = 3


@dataclass(frozen=True, slots=True)
class Match:
    """An operation with the method that it seems to be; *others* are the next best.

    *doubt* says why it is only a guess, "" when it is sure.
    """

    fit: Fit
    score: Score
    doubt: str = ""
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestions:
    """All that is proposed. *mapped* are operations that lead to a binding already.

    *unmatched* are those of which nothing can be said, *left* the methods that nothing asks for.
    """

    api: LegacyApi
    envelope: Envelope | None
    sure: tuple[Match, ...] = ()
    unsure: tuple[Match, ...] = ()
    unmatched: tuple[Operation, ...] = ()
    mapped: tuple[Operation, ...] = ()
    left: tuple[MethodDescriptor, ...] = field(default=(), repr=False)


def suggest(snapshot: Snapshot, api: LegacyApi, *, everything: bool = False) -> Suggestions:
    """Propose rules for what no binding takes; with *everything*, for all of *api* anew."""
    methods = _methods(snapshot, everything)
    mapped: list[Operation] = []
    if not everything:
        mapper = Mapper(snapshot.table, snapshot.bindings, api.operations)
        led = (each for each in mapper.mappings() if each.standing is Standing.MAPPED)
        mapped = [each.operation for each in led]
    keys = {each.key for each in mapped}
    open_ones = [each for each in api.operations if each.key not in keys]
    return _suggest(api, open_ones, methods, tuple(mapped))


def _methods(snapshot: Snapshot, everything: bool) -> list[MethodDescriptor]:
    """The methods that may get a rule: not those that take streams, nor those that have one."""
    descriptors = snapshot.schema.descriptors
    bound = () if everything else snapshot.schema.bindings
    return [
        method
        for service in descriptors.services()
        if not descriptors.file_of(service).imported
        for method in service.methods
        if not method.client_streaming and method.full_name not in bound
    ]


def _suggest(
    api: LegacyApi,
    operations: Sequence[Operation],
    methods: Sequence[MethodDescriptor],
    mapped: tuple[Operation, ...],
) -> Suggestions:
    envelope = find_envelope(api.operations, api.schemas)
    scorer = Scorer(api.schemas, envelope)
    ranked = {operation.key: _ranked(operation, methods, api, scorer) for operation in operations}
    chosen = _chosen(ranked)
    sure, unsure = _settled(chosen, ranked)
    met = {match.fit.operation.key for match in (*sure, *unsure)}
    asked = {match.fit.method.full_name for match in sure}
    return Suggestions(
        api,
        envelope,
        tuple(sure),
        tuple(unsure),
        tuple(each for each in operations if each.key not in met),
        mapped,
        tuple(each for each in methods if each.full_name not in asked),
    )


def _ranked(
    operation: Operation, methods: Iterable[MethodDescriptor], api: LegacyApi, scorer: Scorer
) -> list[Match]:
    """All methods for an operation, the best first."""
    found = []
    for method in methods:
        made = fit(operation, method, api.schemas, scorer.envelope)
        score = scorer.score(made)
        if score.value >= LIKELY:
            found.append(Match(made, score))
    return sorted(found, key=lambda match: (-match.score.value, match.fit.method.full_name))


def _chosen(ranked: dict[str, list[Match]]) -> dict[str, Match]:
    """One method for each operation, the best pairs first.

    A method that has an operation takes another one only at the same path, or when that one has no
    better method left and fits as well: such a method has additional bindings.
    """
    pairs = sorted(
        (match for matches in ranked.values() for match in matches),
        key=lambda match: (-match.score.value, match.fit.operation.key, match.fit.method.full_name),
    )
    chosen: dict[str, Match] = {}
    takers: defaultdict[str, list[Match]] = defaultdict(list)
    for match in pairs:
        key, method = match.fit.operation.key, match.fit.method.full_name
        if key not in chosen and _may_share(match, takers[method]):
            chosen[key] = match
            takers[method].append(match)
    return chosen


def _may_share(match: Match, takers: Collection[Match]) -> bool:
    if not takers:
        return True
    if any(taker.fit.key[1] == match.fit.key[1] for taker in takers):
        return True
    return match.score.value >= max(SURE, min(each.score.value for each in takers) - 2 * MARGIN)


def _settled(
    chosen: dict[str, Match], ranked: dict[str, list[Match]]
) -> tuple[list[Match], list[Match]]:
    """The matches that are sure and those that are not, in the order of the document."""
    sure, unsure = list[Match](), list[Match]()
    places: set[tuple[str, str]] = set()
    for key, matches in ranked.items():
        if key not in chosen:
            continue
        match = chosen[key]
        rest = [each for each in matches if each.fit.method is not match.fit.method]
        others = tuple((each.fit.method.full_name, each.score.value) for each in rest[:MOST_OTHERS])
        doubt = _doubt(match, rest, places)
        settled = Match(match.fit, match.score, doubt, others)
        (unsure if doubt else sure).append(settled)
        if not doubt:
            places.add(match.fit.key)
    return sure, unsure


def _doubt(match: Match, rest: Sequence[Match], places: Collection[tuple[str, str]]) -> str:
    """Why a match is a guess, "" when it is none."""
    if match.fit.faults:
        return match.fit.faults[0]
    if match.fit.unbound:
        return f"no field takes {', '.join(match.fit.unbound)}"
    if match.fit.key in places:
        return "another operation has the same paths"
    if not match.score.of("nouns") and match.score.of("operation id") < _ALIKE:
        return "nothing says that both are about the same"
    if match.score.value < SURE:
        return f"the score is below {SURE}"
    next_best = rest[0] if rest else None
    if next_best is not None and match.score.value - next_best.score.value < MARGIN:
        return f"{next_best.fit.method.name} fits as well"
    return ""
