"""The library of settings that are tried, and what the differences that are left speak for.

Belongs here: which settings, in which order. Does not: trying them (`trial`), which are taken
(`search`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.schema import fold
from proxy.shape.envelope import BodyPaths
from proxy.shape.layout import Layouts
from proxy.shaping.pairs import ABSENT, Pair, Unequal
from proxy.shaping.trial import Settings, Trial, Tried
from proxy.transcoding.protojson.kinds import Kind, element, field_kind, is_map, owner

#: Patterns that old hosts write times in.
_PATTERNS: Final = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
)
#: The forms of each kind of value, by the key that asks for them.
FORMS: Final[Mapping[str, tuple[Any, ...]]] = {
    "int64": ("number",),
    "int32": ("text",),
    "float": ("text",),
    "bool": ("number", "text", ["yes", "no"], ["Y", "N"], ["on", "off"], ["1", "0"]),
    "bytes": ("hex", "base64url", "base64url_unpadded"),
    "enum": ("number", "lower", "upper", "kebab", "camel"),
    "timestamp": ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "rfc1123", *_PATTERNS),
    "duration": ("seconds", "milliseconds", "iso8601"),
    "separator": (",", ";", " ", "|"),
    "unset": ("null", "write"),
    "zero": ("write", "null"),
    "empty_list": ("write", "null"),
    "empty_map": ("write", "null"),
    "empty_text": ("write", "null"),
}
#: The key of forms of each kind.
_KEYS: Final = {
    **dict.fromkeys((Kind.INT64, Kind.UINT64), "int64"),
    **dict.fromkeys((Kind.INT32, Kind.UINT32), "int32"),
    **dict.fromkeys((Kind.FLOAT, Kind.DOUBLE), "float"),
    Kind.BOOL: "bool",
    Kind.BYTES: "bytes",
    Kind.ENUM: "enum",
    Kind.TIMESTAMP: "timestamp",
    Kind.DURATION: "duration",
}
_CASES: Final = ("snake", "camel", "pascal", "kebab", "proto")
#: Keys and fields of one object that are held against each other.
_MOST_RENAMED: Final = 12
#: Pairs that a constant must be seen in before it is taken for one.
_CONSTANT_IN: Final = 3


def envelopes(trial: Trial) -> Iterator[Settings]:
    """What may stand around the answers, if something does."""
    message, pairs = trial.binding.method.output_type, trial.pairs
    roots = [field.name for field in message.fields if field.is_repeated]
    if any(isinstance(pair.legacy, list) for pair in pairs):
        yield from ({"answer": {"of": root}} for root in roots)
    elif pairs and all(_stands_around(pair.legacy, message) for pair in pairs):
        for key, value in pairs[0].legacy.items():
            if isinstance(value, dict | list):
                body = {key: "{}"} | dict(_around(key, pairs, message))
                if isinstance(value, list):
                    yield from ({"answer": {"body": body, "of": root}} for root in roots)
                else:
                    yield {"answer": {"body": body}}


def _stands_around(legacy: Any, message: Descriptor) -> bool:
    """Whether most members of an old answer are no fields of the message."""
    if not isinstance(legacy, dict) or not legacy:
        return False
    names = {fold(field.name) for field in message.fields}
    return sum(fold(key) in names for key in legacy) * 2 < len(legacy)


def _around(inside: str, pairs: tuple[Pair, ...], message: Descriptor) -> Iterator[tuple[str, Any]]:
    """The members beside the message that are the same in all pairs, or a field of it."""
    for key in pairs[0].legacy:
        values = [pair.legacy.get(key, ABSENT) for pair in pairs]
        if key == inside or ABSENT in values:
            continue
        field = _field_of(values, pairs, message)
        if field is not None:
            yield key, f"{{{field}}}"
        elif all(value == values[0] for value in values):
            yield key, _escaped(values[0])


def _field_of(values: list[Any], pairs: tuple[Pair, ...], message: Descriptor) -> str | None:
    """The field of the message that has these values, unless it has nothing."""
    for field in message.fields:
        given = [_member(pair.grpc, field) for pair in pairs]
        if any(given) and all(
            str(one) == str(other) for one, other in zip(given, values, strict=True)
        ):
            return str(field.name)
    return None


def _member(answer: Any, field: FieldDescriptor) -> Any:
    if not isinstance(answer, dict):
        return None
    return answer.get(field.json_name, answer.get(field.name))


def _escaped(value: Any) -> Any:
    """A constant whose braces are no holes."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    return [*map(_escaped, value)] if isinstance(value, list) else value


def general() -> Iterator[Settings]:
    """Settings of whole answers."""
    for case in _CASES:
        yield {"names": case}
    for key, forms in FORMS.items():
        for form in forms:
            yield {"forms": {key: form}}
    yield {"forms": {"enum_prefix": "strip"}}
    for case in ("lower", "kebab", "camel"):
        yield {"forms": {"enum": case, "enum_prefix": "strip"}}


class Left:
    """What the differences that are left under *tried* speak for."""

    def __init__(self, trial: Trial, tried: Tried) -> None:
        shape = trial.options_of(tried.settings)
        binding = trial.binding
        self._root = binding.method.output_type
        self._layouts = Layouts(shape.messages)
        self._paths = BodyPaths(self._layouts, self._root, binding.response_body, shape.answer)
        self._tried = tried
        self._found = [each for of_pair in tried.differences for each in of_pair]

    def __repr__(self) -> str:
        return f"<Left of {len(self._found)} differences>"

    def settings(self) -> Iterator[Settings]:
        """Settings of single fields."""
        yield from self._forms()
        yield from self._renames()
        yield from self._drops()
        yield from self._constants()

    def _forms(self) -> Iterator[Settings]:
        """Other forms of the fields that differ in their values."""
        for path in dict.fromkeys(each.path for each in self._found):
            field = self._field(path)
            if field is not None:
                yield from ({"fields": {_selector(field): form}} for form in _forms_of(field))

    def _renames(self) -> Iterator[Settings]:
        """Names for fields that stand in an object which has a key that no field has."""
        lacking, surplus = self._keys()
        for parent, keys in lacking.items():
            named = [
                (key, self._field(f"{parent}.{name}"))
                for key in keys
                for name in surplus.get(parent, ())
            ]
            fitting = [(key, field) for key, field in named if field is not None]
            fitting.sort(key=lambda each: -_likeness(each[0], each[1].name))
            for key, field in fitting[: _MOST_RENAMED * _MOST_RENAMED]:
                for form in ({}, *_forms_of(field)):
                    yield {"fields": {_selector(field): {"name": key, **form}}}

    def _keys(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """By the path of an object: keys that gRPC lacks, and keys that legacy lacks."""
        lacking: defaultdict[str, list[str]] = defaultdict(list)
        surplus: defaultdict[str, list[str]] = defaultdict(list)
        for each in self._found:
            parent, dot, key = each.path.rpartition(".")
            side = lacking if each.grpc is ABSENT else surplus
            one_sided = each.grpc is ABSENT or each.legacy is ABSENT
            if dot and one_sided and key not in side[parent]:
                side[parent].append(key)
        return dict(lacking), dict(surplus)

    def _drops(self) -> Iterator[Settings]:
        """Leaving out what legacy never has."""
        never = {each.path for each in self._found if each.legacy is ABSENT}
        never -= {each.path for each in self._found if each.legacy is not ABSENT}
        for path in sorted(never):
            field = self._field(path)
            if field is not None:
                yield {"fields": {_selector(field): {"drop": True}}}

    def _constants(self) -> Iterator[Settings]:
        """Members that always have the same value, and no field."""
        values: defaultdict[str, list[Any]] = defaultdict(list)
        for each in self._found:
            if each.grpc is ABSENT and not isinstance(each.legacy, dict | list):
                values[each.path].append(each.legacy)
        for path, given in values.items():
            parent, _, key = path.rpartition(".")
            about = self._type(parent)
            same = all(_is_one(value, given[0]) for value in given)
            if about is not None and same and len(given) >= _CONSTANT_IN:
                yield {"add": {str(about.name): {key: _escaped(given[0])}}}

    def _field(self, path: str) -> FieldDescriptor | None:
        """The field at a path of the printed answer."""
        steps = self._steps(path)
        return steps[-1] if steps else None

    def _type(self, path: str) -> Descriptor | None:
        """The type of the object at a path of the printed answer."""
        proto = self._paths.proto_path(path.removeprefix("$").removeprefix("."))
        if proto is None:
            return None
        steps = self._walk(proto)
        if not steps:
            return self._root if not proto else None
        return element(steps[-1]).message_type

    def _steps(self, path: str) -> list[FieldDescriptor]:
        proto = self._paths.proto_path(path.removeprefix("$").removeprefix("."))
        return self._walk(proto) if proto else []

    def _walk(self, proto: str) -> list[FieldDescriptor]:
        steps: list[FieldDescriptor] = []
        at: Descriptor | None = self._root
        for name in proto.replace("[*]", "").split("."):
            field = None if at is None else at.fields_by_name.get(name)
            if field is None:
                return []
            steps.append(field)
            at = None if is_map(field) else field.message_type
        return steps


def _selector(field: FieldDescriptor) -> str:
    return f"{owner(field).name}.{field.name}"


def _forms_of(field: FieldDescriptor) -> Iterator[dict[str, Any]]:
    """The forms that the values of a field can have."""
    key = _KEYS.get(field_kind(element(field)))
    if key is not None:
        yield from ({key: form} for form in FORMS[key])
    if field.has_presence:
        yield from ({"unset": word} for word in FORMS["unset"])
    elif not field.is_repeated:
        yield from ({"zero": word} for word in FORMS["zero"])
    elif field.message_type is None:
        yield from ({"separator": text} for text in FORMS["separator"])


def _likeness(key: str, name: str) -> float:
    return SequenceMatcher(None, fold(key), fold(name), autojunk=False).ratio()


def _is_one(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def groups_of(trial: Trial, tried: Tried) -> Iterator[Iterator[Settings]]:
    """All settings that may be worth a try now, the more general groups of them first.

    One setting for all fields says more of an API than one for each, which any old answer has.
    """
    if "answer" not in tried.settings:
        yield envelopes(trial)
    yield general()
    yield Left(trial, tried).settings()


def is_of(difference: Unequal) -> str:
    """What kind of difference it is, in a word.

    >>> is_of(Unequal("$.a", ABSENT, 1)), is_of(Unequal("$.a", 1, "1"))
    ('only gRPC has it', 'another type')
    """
    if difference.legacy is ABSENT:
        return "only gRPC has it"
    if difference.grpc is ABSENT:
        return "only legacy has it"
    same = type(difference.legacy) is type(difference.grpc)
    return "another value" if same else "another type"
