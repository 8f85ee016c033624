"""The corpus: pairs of answers, and the differences between them that a person would name.

Each file of `corpus/` is a list of cases. An answer is its body, or an object with `status`,
`type`, `headers`, `encoding` and `body`. `expect` is all that may be found; `hits` are the rules'.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Document
from proxy.comparison.rules import (
    Check,
    Exact,
    Format,
    Ignore,
    ListBy,
    Number,
    OneOf,
    Present,
    Rule,
    Set,
    Timestamp,
)
from tests.comparison.messages import comparator

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Case:
    """One pair; *expect* is sorted."""

    id: str
    comparator: Comparator
    legacy: Document
    grpc: Document
    expect: list[tuple[str, str, int]]
    hits: dict[int, int]


def cases() -> list[Case]:
    return [
        case(f"{path.stem}: {entry['name']}", entry)
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


def case(name: str, entry: dict[str, Any]) -> Case:
    known = {*KEYS, "name", "of", "of_field", "streams", "rules"}
    assert entry.keys() <= known | {"legacy", "grpc", "expect", "hits"}, name
    options = {key: tuple(value) if key == "headers" else value for key, value in entry.items()}
    chosen = comparator(
        *(rule(each) for each in entry.get("rules", ())),
        of=entry.get("of", "Order"),
        of_field=entry.get("of_field", ""),
        streams=entry.get("streams", False),
        **{key: options[key] for key in KEYS if key in options},
    )
    return Case(
        name,
        chosen,
        document(entry["legacy"]),
        document(entry["grpc"]),
        sorted((path, kind, times) for path, kind, times in entry["expect"]),
        entry.get("hits", {}),
    )


#: Keys that are fields of `CompareOptions`.
KEYS = ("status", "headers", "max_messages")


def document(entry: Any) -> Document:
    given = entry if isinstance(entry, dict) else {"body": entry}
    kind = given.get("type", "application/json")
    headers = (("Content-Type", kind), *given.get("headers", {}).items())
    body = given["body"].encode(given.get("encoding", "utf-8"))
    return Document(given.get("status", 200), headers, body)


def rule(entry: dict[str, Any]) -> Rule:
    return Rule(entry["path"], CHECKS[entry["use"]](entry), reason="for the test")


CHECKS: dict[str, Any] = {
    "exact": lambda _: Exact(),
    "number": lambda entry: Number(entry.get("abs", 0.0), entry.get("rel", 0.0)),
    "timestamp": lambda entry: Timestamp(entry.get("tolerance", 0.0), entry.get("precision")),
    "format": lambda entry: Format(entry["format"], entry.get("regex", "")),
    "set": lambda _: Set(),
    "list": lambda entry: ListBy(entry.get("key")),
    "one_of": lambda entry: OneOf(tuple(entry["values"])),
    "present": lambda _: Present(),
    "ignore": lambda _: Ignore(),
}


def checks() -> list[Check]:
    """One check of each kind."""
    return [
        *(Exact(), Number(abs=1.0), Timestamp(1.0), Format("uuid"), Set(), ListBy()),
        *(OneOf(("a", None)), Present(), Ignore()),
    ]
