"""Suggestions as files: a service config with HTTP rules, and routes with a shape.

Belongs here: YAML, and remarks in it. Does not: what is proposed (`suggestions`, `skeleton`).

Names come from a document that others wrote: in comments control characters are spelled, and
values are written as JSON, which is YAML.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from proxy.inventory.legacy import Operation
from proxy.inventory.skeleton import RouteShape, Skeleton, constant_body
from proxy.inventory.suggestions import Match, Suggestions

#: Characters of a comment's line; the rest of a reason is cut.
_MAX_COMMENT: Final = 300
_PROFILE: Final = "legacy"
_OK: Final = 200


def rules_text(suggestions: Suggestions) -> str:
    """The service config: sure matches as rules, all others as comments."""
    return "".join(f"{line}\n" for line in _rules(suggestions))


def routes_text(suggestions: Suggestions, skeleton: Skeleton) -> str:
    """The routes of sure matches and their shape, as a file of the configuration."""
    return "".join(f"{line}\n" for line in _routes(suggestions, skeleton))


def as_values(suggestions: Suggestions, skeleton: Skeleton) -> dict[str, Any]:
    """All of it as JSON values, `version` first."""
    return {
        "version": 1,
        "document": suggestions.api.name,
        "sure": [_match_values(each) for each in suggestions.sure],
        "unsure": [_match_values(each) for each in suggestions.unsure],
        "unmatched": [each.key for each in suggestions.unmatched],
        "mapped": [each.key for each in suggestions.mapped],
        "methods_left": [each.full_name for each in suggestions.left],
        "shape": {
            "names": skeleton.names,
            "forms": skeleton.forms,
            "fields": skeleton.fields,
            "answer": skeleton.envelope and constant_body(skeleton.envelope),
            "remarks": list(skeleton.remarks),
        },
    }


def _match_values(match: Match) -> dict[str, Any]:
    return {
        "operation": match.fit.operation.key,
        "rpc": match.fit.method.full_name,
        "score": round(match.score.value, 3),
        "reasons": [each._asdict() for each in match.score.reasons],
        "doubt": match.doubt,
        "others": [{"rpc": rpc, "score": round(score, 3)} for rpc, score in match.others],
        "rule": _rule_values(match),
    }


def _rule_values(match: Match) -> dict[str, str]:
    rule = {match.fit.operation.http_method.lower(): match.fit.template}
    rule |= {"body": match.fit.body} if match.fit.body else {}
    rule |= {"response_body": match.fit.response_body} if match.fit.response_body else {}
    return rule


# --- rules


def _rules(suggestions: Suggestions) -> Iterator[str]:
    yield _comment(f"HTTP rules proposed from {suggestions.api.name}. Read them before use.")
    yield "type: google.api.Service"
    yield "http:"
    yield "  rules:" if suggestions.sure else "  rules: []"
    by_rpc: defaultdict[str, list[Match]] = defaultdict(list)
    for match in suggestions.sure:
        by_rpc[match.fit.method.full_name].append(match)
    for rpc, matches in by_rpc.items():
        yield from _rule(rpc, matches)
    for match in suggestions.unsure:
        yield from _unsure(match)
    yield from _listed("No method was found for", suggestions.unmatched)


def _rule(rpc: str, matches: list[Match]) -> Iterator[str]:
    first, *others = matches
    yield _comment(f"{first.fit.operation.key}, {first.score}", "  ")
    yield f"  - selector: {rpc}"
    yield from _entries(first, "    ")
    if others:
        yield "    additional_bindings:"
    for match in others:
        yield _comment(f"{match.fit.operation.key}, {match.score}", "    ")
        entry, *rest = _entries(match, "      ")
        yield f"    - {entry.lstrip()}"
        yield from rest


def _entries(match: Match, indent: str) -> Iterator[str]:
    for key, value in _rule_values(match).items():
        yield f"{indent}{key}: {_scalar(value)}"


def _unsure(match: Match) -> Iterator[str]:
    yield ""
    yield _comment(f"Not sure, {match.doubt}: {match.fit.operation.key}, {match.score}", "  ")
    for rpc, score in match.others:
        yield _comment(f"or {rpc}, {score:.2f}", "  ")
    yield f"  # - selector: {match.fit.method.full_name}"
    for line in _entries(match, "    "):
        yield f"  #{line.removeprefix(' ')}"


def _listed(title: str, operations: Iterable[Operation]) -> Iterator[str]:
    keys = [each.key for each in operations]
    if keys:
        yield ""
        yield _comment(f"{title}:")
        yield from (_comment(f"  {key}") for key in keys)


# --- routes


def _routes(suggestions: Suggestions, skeleton: Skeleton) -> Iterator[str]:
    yield _comment(f"Routes and their shape, proposed from {suggestions.api.name}.")
    yield _comment("A key stands in one file of the folder only: merge this into yours.")
    for remark in skeleton.remarks:
        yield _comment(f"Look at: {remark}")
    profile = [*_profile(skeleton)]
    if profile:
        yield "profiles:"
        yield f"  {_PROFILE}:"
        yield from profile
    rpcs = dict.fromkeys(match.fit.method.full_name for match in suggestions.sure)
    if rpcs:
        yield "routes:"
    for rpc in rpcs:
        yield f"- rpc: {rpc}"
        yield from _route(skeleton, skeleton.routes[rpc], has_profile=bool(profile))


def _profile(skeleton: Skeleton) -> Iterator[str]:
    if skeleton.names is not None:
        yield f"    names: {skeleton.names}"
    if skeleton.forms:
        yield f"    forms: {_flow(skeleton.forms)}"
    if skeleton.lossy:
        yield f"    lossy: {_flow(list(skeleton.lossy))}"
    if skeleton.fields:
        yield "    fields:"
        for selector, keys in skeleton.fields.items():
            yield f"      {selector}: {_flow(keys)}"
    if skeleton.envelope is not None:
        yield f"    answer: {_flow({'body': constant_body(skeleton.envelope)})}"


def _route(skeleton: Skeleton, own: RouteShape, *, has_profile: bool) -> Iterator[str]:
    """A route's own part of the shape, beside the profile."""
    shape: dict[str, Any] = {"profile": _PROFILE} if has_profile else {}
    if own.of and skeleton.envelope is not None:
        shape["answer"] = {"of": own.of}
    if own.status != _OK:
        shape["status"] = {"code": own.status}
    query: dict[str, Any] = {"separator": own.separator} if own.separator else {}
    query |= {"brackets": True} if own.brackets else {}
    if own.is_raw:
        shape = {}
    if query:
        shape["query"] = query
    if shape:
        yield f"  shape: {_flow(shape)}"
    for remark in own.remarks:
        yield _comment(remark, "  ")


# --- YAML


def _scalar(text: str) -> str:
    """A text of YAML: plain where it can be read as nothing else."""
    plain = text.startswith("/") and not any(each in text for each in " #{}") and text.isprintable()
    return text if plain or text.isidentifier() else json.dumps(text, ensure_ascii=False)


def _flow(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str, indent: str = "") -> str:
    shown = text if len(text) <= _MAX_COMMENT else f"{text[: _MAX_COMMENT - 1]}…"
    safe = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown
    )
    return f"{indent}# {safe}"
