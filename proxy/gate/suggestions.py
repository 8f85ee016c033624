"""Rules that could be written for fields in which legacy differs from itself.

Belongs here: what to propose, by what the values look like. Does not: whether it is right. A
proposal is never applied: a person accepts it, with a reason, or mends what is wrong. It keeps as
much of the check as it can: a form rather than mere presence, and presence rather than nothing.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil, log10
from typing import Any, Final

from proxy.comparison.kinds import Kind
from proxy.gate.evidence import Example, FieldEvidence, RouteEvidence, StoredValue
from proxy.gate.noise import FieldNoise, Finding, field_noise
from proxy.gate.words import number_text

#: Comparisons in which legacy differed from itself, before a rule is proposed.
MIN_NOISY: Final = 3
#: How long a proposed rule holds: by then somebody has looked again.
HOLDS: Final = timedelta(days=90)

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_LENGTH: Final = 36
_HEX: Final = re.compile(r"[0-9a-f]{8,128}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
#: Lengths of RFC 3339 times, from whole seconds in UTC to nanoseconds with an offset.
_TIME_LENGTHS: Final = range(20, 36)
_TIME_NAME: Final = re.compile(r"(?i)(time|timestamp|date|[a-z](_at|At))$")
#: Tolerances that are proposed for times, in seconds, with their texts.
_TOLERANCES: Final = ((1.0, "1s"), (10.0, "10s"), (60.0, "1m"), (600.0, "10m"), (3600.0, "1h"))
#: Numbers further apart than this share are not two readings of one.
_MAX_RELATIVE: Final = 0.1
#: Fields by which elements of a list are usually told apart.
_KEYS: Final = ("id", "uuid", "key", "sku", "code", "name")
#: Kinds in which both sides have a value.
_BOTH_HAVE: Final = frozenset(
    {
        *(Kind.VALUE, Kind.TYPE, Kind.INT64_STRING, Kind.NUMBER_REPR, Kind.ENUM_REPR),
        *(Kind.BYTES_ENCODING, Kind.TIMESTAMP_FORMAT, Kind.LIST_LENGTH, Kind.LIST_ORDER),
    }
)

#: The options of a rule, `use` among them.
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule that could be written for *path*, and why.

    *yaml* is the entry for `compare.rules`; its reason is empty, and so refused until somebody has
    written one. *is_guess* says that a form is proposed by lengths and names alone, as the values
    are not stored: reveal the path for a while to be sure.
    """

    path: str
    kinds: tuple[Kind, ...]
    use: str
    because: str
    is_guess: bool
    yaml: str


@dataclass(frozen=True, slots=True)
class _Noisy:
    """A path at which legacy differs from itself, with the values that examples show."""

    path: str
    kinds: frozenset[Kind]
    noise: FieldNoise
    pairs: tuple[tuple[StoredValue, StoredValue], ...]
    seen_fields: frozenset[str]

    @property
    def values(self) -> Iterator[StoredValue]:
        return (value for pair in self.pairs for value in pair)

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2].removesuffix("[*]").removesuffix("{*}")

    def texts(self) -> tuple[tuple[Any, Any], ...] | None:
        """The pairs as JSON values, None when a value is hidden or no scalar."""
        try:
            return tuple((_scalar(legacy), _scalar(grpc)) for legacy, grpc in self.pairs) or None
        except ValueError:
            return None


def suggest_rules(
    evidence: RouteEvidence, examples: Sequence[Example], now_s: float
) -> tuple[Suggestion, ...]:
    """Rules for the noisy fields of a route's answer, in order of their paths.

    Nothing is proposed for a field that gRPC really gets wrong, however often it differs, nor
    before legacy was seen to differ from itself `MIN_NOISY` times. *now_s* is of the Unix clock.
    """
    expires = (datetime.fromtimestamp(now_s, UTC) + HOLDS).date()
    return tuple(_suggestion(noisy, expires) for noisy in _noisy_fields(evidence, examples))


def _noisy_fields(evidence: RouteEvidence, examples: Sequence[Example]) -> Iterator[_Noisy]:
    noise = field_noise(evidence.differences)
    for path, differences in sorted(_by_path(evidence.differences).items()):
        found = [noise[path, each.kind] for each in differences]
        most = max(found, key=lambda each: each.c + each.both)
        is_real = any(each.finding is Finding.REAL for each in found)
        # Headers, the status and requests have no rules.
        if path.startswith("$") and not is_real and most.c + most.both >= MIN_NOISY:
            kinds = frozenset(each.kind for each in differences)
            yield _Noisy(path, kinds, most, _pairs(path, examples), evidence.seen_fields)


def _by_path(differences: Iterable[FieldEvidence]) -> dict[str, list[FieldEvidence]]:
    paths: dict[str, list[FieldEvidence]] = {}
    for each in differences:
        paths.setdefault(each.path, []).append(each)
    return paths


def _pairs(path: str, examples: Sequence[Example]) -> tuple[tuple[StoredValue, StoredValue], ...]:
    return tuple(
        (finding.legacy, finding.grpc)
        for example in examples
        for finding in example.findings
        if finding.path == path
    )


def _suggestion(noisy: _Noisy, expires: date) -> Suggestion:
    options = next(found for propose in _PROPOSALS if (found := propose(noisy)) is not None)
    noise = noisy.noise
    controlled = noise.b + noise.c + noise.both
    because = (
        f"legacy differed from itself in {number_text(noise.c + noise.both)} of "
        f"{number_text(controlled)} controls with a difference there"
    )
    return Suggestion(
        noisy.path,
        tuple(sorted(noisy.kinds)),
        options["use"],
        because,
        is_guess=options["use"] == "format" and noisy.texts() is None,
        yaml=_yaml({"path": noisy.path, **options, "reason": ""}, expires),
    )


def _yaml(rule: Options, expires: date) -> str:
    """One entry of a list, in flow style; a JSON string is a YAML string too."""
    keys = ", ".join(f"{key}: {_yaml_value(key, value)}" for key, value in rule.items())
    return f"- {{{keys}, expires: {expires.isoformat()}}}"


def _yaml_value(key: str, value: object) -> str:
    plain = key in ("use", "format", "tolerance")
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


# --- proposals, the strictest first; each gives None when it does not fit


def _of_lists(noisy: _Noisy) -> Options | None:
    if noisy.kinds != {Kind.LIST_ORDER}:
        return None
    inside = f"{noisy.path}[*]."
    members = {
        field.removeprefix(inside) for field in noisy.seen_fields if field.startswith(inside)
    }
    if not members:
        return {"use": "set"}
    key = next((each for each in _KEYS if each in members), None)
    return {"use": "list", "key": key} if key else {"use": "list"}


def _of_times(noisy: _Noisy) -> Options | None:
    times = _times(noisy)
    if not times:
        return None
    gap_s = max(abs((grpc - legacy).total_seconds()) for legacy, grpc in times)
    text = next((text for tolerance_s, text in _TOLERANCES if gap_s <= tolerance_s / 2), None)
    return {"use": "timestamp", "tolerance": text} if text else _RFC3339


def _times(noisy: _Noisy) -> list[tuple[datetime, datetime]]:
    pairs = noisy.texts()
    if not pairs or not all(_is_text(each, _TIME) for pair in pairs for each in pair):
        return []
    try:
        return [(datetime.fromisoformat(one), datetime.fromisoformat(two)) for one, two in pairs]
    except ValueError:  # as of a thirteenth month
        return []


def _of_numbers(noisy: _Noisy) -> Options | None:
    pairs = noisy.texts()
    if not pairs or not all(_is_number(each) for pair in pairs for each in pair):
        return None
    apart = max(abs(one - two) / (max(abs(one), abs(two)) or 1) for one, two in pairs)
    # Twice as far as any that was seen, as one digit: 0.0123 makes 0.03.
    return {"use": "number", "rel": _one_digit_up(2 * apart)} if apart <= _MAX_RELATIVE else None


def _of_forms(noisy: _Noisy) -> Options | None:
    pairs = noisy.texts()
    if not pairs:
        return None
    texts = [each for pair in pairs for each in pair]
    if all(_is_text(each, _UUID) for each in texts):
        return {"use": "format", "format": "uuid"}
    lengths = {len(each) for each in texts if isinstance(each, str)}
    if len(lengths) == 1 and all(_is_text(each, _HEX) for each in texts):
        return {"use": "format", "format": "regex", "regex": f"[0-9a-f]{{{lengths.pop()}}}"}
    return None


def _of_hidden_forms(noisy: _Noisy) -> Options | None:
    values = tuple(noisy.values)
    if not values or not noisy.kinds <= _BOTH_HAVE or any(each.text is not None for each in values):
        return None
    if any(each.type != "string" for each in values):
        return None
    if all(each.length == _UUID_LENGTH for each in values):
        return {"use": "format", "format": "uuid"}
    if _TIME_NAME.search(noisy.name) and all(each.length in _TIME_LENGTHS for each in values):
        return _RFC3339
    return None


def _of_presence(noisy: _Noisy) -> Options | None:
    return {"use": "present"} if noisy.kinds <= _BOTH_HAVE else None


def _of_nothing(_: _Noisy) -> Options:
    return {"use": "ignore"}


_RFC3339: Final[Options] = {"use": "format", "format": "rfc3339"}
_PROPOSALS: Final[tuple[Callable[[_Noisy], Options | None], ...]] = (
    *(_of_lists, _of_times, _of_numbers, _of_forms, _of_hidden_forms, _of_presence, _of_nothing),
)


def _scalar(value: StoredValue) -> Any:
    """The value of a stored scalar. Raises ValueError when it is hidden, cut or no scalar."""
    if not value.text:
        raise ValueError(value.type)
    # Integers as floats: a rule's tolerance needs no more, and none is too long.
    return json.loads(value.text, parse_int=float)


def _is_text(value: object, form: re.Pattern[str]) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_digit_up(value: float) -> float:
    """The smallest number of one digit that is not below *value*.

    >>> _one_digit_up(0.0123), _one_digit_up(0.0)
    (0.02, 0.0)
    """
    if value <= 0:
        return 0.0
    unit = 10.0 ** ceil(log10(value) - 1 + 1e-12)
    return float(f"{ceil(value / unit - 1e-9) * unit:.1g}")
