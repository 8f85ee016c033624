"""A shape from stored differences: what their kinds and types speak for, without their values.

Belongs here: kinds of difference to settings. Does not: trying them, which takes pairs (`search`).

What mirrors keep of a difference is its path, its kind and the types and lengths of both values.
So these are guesses, each with what it rests on; a file of pairs proves them or not.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.comparison.kinds import Kind
from proxy.shaping.search import merged
from proxy.shaping.trial import Settings

#: Digits of seconds, and of their thousandth parts and so on, since the epoch in our time.
_EPOCHS: Final = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
#: Words for the absence of a value, in one setting for all fields.
_NULL: Final[Settings] = {"forms": {"unset": "null"}}
_WRITE: Final[Settings] = {"forms": {"zero": "write"}}

_NOTHING: Final = {"type": "", "length": 0, "text": None}
_UNKNOWN: Final[Mapping[str, Any]] = {"legacy": _NOTHING, "grpc": _NOTHING}


@dataclass(frozen=True, slots=True)
class Seen:
    """One stored difference: of *kind* at *path*, *times*; types and lengths of both values.

    *legacy_text* is the old value as JSON where it may be shown, else None.
    """

    path: str
    kind: Kind
    times: int
    legacy_type: str
    legacy_length: int
    grpc_type: str
    legacy_text: str | None = None


@dataclass(slots=True)
class Guess:
    """A setting that some differences speak for: *times* of them, at *paths*."""

    setting: Settings
    times: int = 0
    paths: set[str] = field(default_factory=set)


def guesses(seen: Iterable[Seen]) -> tuple[Guess, ...]:
    """What the differences speak for, that which would help most of them first."""
    found: dict[str, Guess] = {}
    for each in seen:
        setting = setting_for(each)
        if setting is not None:
            guess = found.setdefault(repr(setting), Guess(setting))
            guess.times += each.times
            guess.paths.add(each.path)
    return tuple(sorted(found.values(), key=lambda guess: (-guess.times, repr(guess.setting))))


def settings_of(found: Iterable[Guess]) -> Settings:
    """The settings of all guesses together; where two contradict, the one that helps more."""
    settings: dict[str, Any] = {}
    for guess in found:
        settings = merged(guess.setting, settings)
    if "timestamp" in settings.get("forms", {}):
        settings["lossy"] = ["timestamp"]
    return settings


def setting_for(seen: Seen) -> Settings | None:
    """The setting that would make a difference vanish, None where none is known for it.

    >>> setting_for(Seen("$.id", Kind.INT64_STRING, 1, "number", 1, "string"))
    {'forms': {'int64': 'number'}}
    """
    if not seen.path.startswith("$"):
        return None
    match seen.kind:
        case Kind.INT64_STRING if seen.legacy_type == "number":
            return {"forms": {"int64": "number"}}
        case Kind.KEY_CASE:
            return _case(seen)
        case Kind.ENUM_REPR:
            return _enum(seen)
        case Kind.TIMESTAMP_FORMAT if seen.legacy_type == "number":
            word = _EPOCHS.get(seen.legacy_length)
            return None if word is None else {"forms": {"timestamp": word}}
        case Kind.NULL_VS_ABSENT if seen.legacy_type == "null":
            return _NULL
        case Kind.DEFAULT_VS_ABSENT if seen.grpc_type == "absent":
            return _WRITE
    return None


def _case(seen: Seen) -> Settings | None:
    """The case of the old key, where it may be shown; the usual one where it may not."""
    key = (seen.legacy_text or "").strip('"')
    if not key or "_" in key:
        return {"names": "snake"}
    if "-" in key:
        return {"names": "kebab"}
    return {"names": "pascal" if key[:1].isupper() else "camel"}


def _enum(seen: Seen) -> Settings | None:
    if seen.legacy_type == "number":
        return {"forms": {"enum": "number"}}
    text = (seen.legacy_text or "").strip('"')
    return {"forms": {"enum": "lower"}} if text and text.islower() else None


def seen_in(
    fields: Iterable[Mapping[str, Any]], examples: Iterable[Mapping[str, Any]]
) -> Iterator[Seen]:
    """The differences of a report's *fields*, with types and lengths from stored examples.

    Both as the admin port tells them. Examples are a sample, so that only the report counts; what
    has no example any more is counted without types.
    """
    findings: dict[tuple[str, str], Mapping[str, Any]] = {}
    for example in examples:
        for finding in example["findings"]:
            findings.setdefault((finding["path"], finding["kind"]), finding)
    for each in fields:
        finding = findings.get((each["path"], each["kind"]), _UNKNOWN)
        legacy, grpc = finding["legacy"], finding["grpc"]
        yield Seen(
            each["path"],
            Kind(each["kind"]),
            int(each["count"]),
            legacy["type"],
            int(legacy["length"]),
            grpc["type"],
            legacy["text"],
        )
