"""What each key of a report means, as JSON Schema (draft 2020-12).

Belongs here: the shape that programs may rely on, with its version. Does not: how a report is made
(`gate.report`). A key may be added within a version; one that goes or changes its meaning makes
another version.
"""

from collections.abc import Mapping
from typing import Any, Final

VERSION: Final = 1

Schema = Mapping[str, Any]


def _of(kind: str | list[str], meaning: str, **more: Any) -> Schema:
    return {"type": kind, "description": meaning, **more}


def _text(meaning: str, **more: Any) -> Schema:
    return _of("string", meaning, **more)


def _count(meaning: str) -> Schema:
    return _of("integer", meaning)


def _share(meaning: str) -> Schema:
    return _of("number", f"{meaning} From 0 to 1.", minimum=0, maximum=1)


def _time(meaning: str) -> Schema:
    return _text(f"{meaning} RFC 3339, UTC.", format="date-time")


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _object(meaning: str, **keys: Schema) -> Schema:
    return _of(
        "object",
        meaning,
        properties=keys,
        required=list(keys),
        additionalProperties=False,
    )


def _by_reason(meaning: str) -> Schema:
    return _of("object", f"{meaning} By reason.", additionalProperties=_count("How many."))


def _list(meaning: str, each: Schema) -> Schema:
    return _of("array", meaning, items=each)


_COUNTS: Final = _object(
    "What became of the requests that could be mirrored.",
    eligible=_count("All of them: not_sampled + skipped + dropped + sent + waiting."),
    not_sampled=_count("Left out by the percent."),
    skipped=_by_reason("Sampled, but of a kind that is not mirrored."),
    dropped=_by_reason("Could have been mirrored, but for want of room or time."),
    waiting=_count("Not begun yet when the counts were read."),
    sent=_count("Begun: compared + errors + timeouts + not_comparable + running."),
    running=_count("Not ended yet when the counts were read."),
    compared=_count("Both answers are there: the five verdicts, and unrecorded."),
    match=_count("Equal."),
    match_with_rules=_count("Equal by the rules of the route."),
    noise=_count("Legacy differs from itself at the same paths."),
    transient=_count("Equal when both sides were asked again."),
    mismatch=_count("Unequal."),
    unrecorded=_count("Compared, but the evidence store could not take them."),
    candidate_error=_by_reason("The mirror gave no answer."),
    candidate_timeout=_count("The mirror gave no answer in time."),
    not_comparable=_by_reason("There were two answers, which cannot be compared."),
)

_GATE: Final = _object(
    "What the gate asks for. Null without a gate.",
    max_mismatch=_share("What the rate of mismatches may be at most."),
    confidence=_share("How sure that must be."),
    min_keys=_count("Clients that must have been compared."),
    min_duration_s=_of("number", "How long the evidence must span, in seconds."),
    min_field_coverage=_share("The share of the answer's fields that must have been seen."),
    max_unseen_mass=_share("The share of requests that may be of an unseen shape."),
    max_noise=_share("The share of comparisons that may be noise."),
    max_transient=_share("The share of comparisons that may be transient."),
    max_uncompared=_share("The share of mirrors that may give nothing to compare."),
    forbid=_list("Kinds of which one mismatch blocks.", _text("A kind of difference.")),
)

_BOUND: Final = _object(
    "How large the rate of mismatches can be. Null without a gate.",
    method=_text("beta-binomial-cs: Robbins' confidence sequence, right at every look."),
    confidence=_share("How sure the ends are, over all looks together."),
    compared=_count("Comparisons that count: at most 20 per client and hour."),
    mismatches=_count("Mismatches among these."),
    lower=_share("The smallest rate that is possible."),
    upper=_share("The largest rate that is possible."),
    one_look_upper=_share("Clopper and Pearson's bound: right for who looks once."),
    limit=_share("What upper may be at most: max_mismatch."),
    needed=_count("Comparisons without a mismatch that bring upper to the limit."),
    eta=_or_null(_time("When these and the minimum duration are there at this rate.")),
)

_FIELD: Final = _object(
    "One kind of difference at one path.",
    path=_text("Where; `[*]` stands for elements of lists, `{*}` for values of maps."),
    kind=_text("What is unequal."),
    count=_count("Comparisons that have it."),
    mismatches=_count("Those of them whose verdict is a mismatch."),
    rate=_share("Count, as a share of all comparisons."),
    forbidden=_of("boolean", "Whether one mismatch of this kind blocks the gate."),
    noise=_object(
        "What the controls say: requests that legacy was asked twice.",
        b=_count("Only gRPC differed."),
        c=_count("Only legacy itself differed."),
        both=_count("Both did."),
        p=_or_null(_share("Exact one-sided binomial test of b among b + c.")),
        finding=_text(
            "Real by the tests of all fields (Benjamini-Hochberg, 1 %).",
            enum=["real", "noise", "unknown"],
        ),
    ),
    first=_time("When it was first seen."),
    last=_time("When it was last seen."),
    hint=_text("Which setting or change ends it."),
    examples=_list("Where to look closer.", _text("The id of an example.")),
)

_RULE: Final = _object(
    "One rule of the route's comparisons.",
    path=_text("Where it holds."),
    use=_text("What it does."),
    reason=_text("Why it is there."),
    expires=_or_null(_text("Its last day.", format="date")),
    hits=_count("How often it made unequal values equal."),
)

_SIDE: Final = _object(
    "The durations of one side's answers.",
    count=_count("How many were measured."),
    p50_s=_or_null(_of("number", "Half take at most this, in seconds.")),
    p95_s=_or_null(_of("number", "95 % take at most this, in seconds.")),
    p99_s=_or_null(_of("number", "99 % take at most this, in seconds.")),
)

_LATENCY: Final = _object(
    "Both sides' durations. Advice only: the mirror comes second and finds warm caches.",
    legacy=_SIDE,
    grpc=_SIDE,
    exceedance=_list(
        "How many answers of each side take longer than most of legacy's.",
        _object(
            "One bound.",
            quantile=_share("The share of legacy's answers that keep the bound at least."),
            threshold_s=_of("number", "The bound, in seconds."),
            legacy=_share("The share of legacy's answers beyond it."),
            grpc=_share("The share of gRPC's answers beyond it."),
        ),
    ),
)

_COVERAGE: Final = _object(
    "How much of the route the comparisons have seen.",
    fields=_share("The share of the answer's fields that legacy has ever filled."),
    seen=_count("These fields."),
    total=_count("All fields of the answer."),
    unseen=_list("Fields never filled, at most a hundred of them.", _text("Its path.")),
    keys=_count("Clients."),
    requests=_count("Compared requests."),
    unseen_mass=_share("Estimated share of requests of a shape that was not seen."),
)

_CEILING: Final = _object(
    "A share that may not be large.",
    name=_text("The option of the gate."),
    part=_count("How many."),
    whole=_count("Of how many."),
    share=_share("Part of whole."),
    limit=_share("What share may be at most."),
)

REPORT_SCHEMA: Final[Schema] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Report on the mirrors of one route",
    **_object(
        "What the mirrors of one route have found, and what its gate makes of it.",
        schema=_of("integer", "The version of this schema.", const=VERSION),
        route=_text("The route's name."),
        rpc=_text("The RPC that it calls."),
        stage=_text("Where it stands.", enum=["legacy", "shadow", "canary", "grpc"]),
        percent=_of("number", "The share of clients that gRPC answers, in percent."),
        depth=_or_null(_text("How far its mirrors go. Null without a mirror.")),
        mirror_percent=_or_null(_of("number", "The share of requests mirrored, in percent.")),
        config_digest=_text("What the comparisons follow from: another one begins anew."),
        server_version=_text("What the gRPC server says of itself; empty if not asked."),
        generated=_time("When the report was made."),
        window=_or_null(
            _object(
                "What the evidence spans. Null without evidence.",
                **{"from": _time("Its begin."), "to": _time("Its end.")},
            )
        ),
        verdict=_or_null(
            _text("The gate's. Null without a gate.", enum=["pass", "fail", "inconclusive", None])
        ),
        because=_list("The reasons of the verdict.", _text("In words and numbers.")),
        advice=_list("What decides nothing.", _text("In words and numbers.")),
        uncompared=_or_null(_text("Why no answers are compared. Null when they are.")),
        gate=_or_null(_GATE),
        counts=_COUNTS,
        bound=_or_null(_BOUND),
        ceilings=_list("Shares beside the bound, none without a gate.", _CEILING),
        fields=_list("All differences, those with most mismatches first.", _FIELD),
        rules=_list("The rules of the route.", _RULE),
        controls=_count("Requests that legacy was asked twice."),
        coverage=_COVERAGE,
        latency=_LATENCY,
        overflow=_of(
            "object",
            "What came beyond the caps of the evidence store, by what it is.",
            additionalProperties=_count("How many."),
        ),
    ),
}
