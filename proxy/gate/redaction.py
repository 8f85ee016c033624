"""What may be kept of what differs: paths, kinds, types, lengths and keyed hashes; few values.

Belongs here: the decision which text is data of somebody and which is the schema's. Does not: how
differences are found (`comparison`), where they are kept (`evidence`).

A value is kept as its type, its length and a keyed hash, so that equal values can be told. Its text
is kept only for paths that are listed to be revealed, and never below a field with `debug_redact`.
Names are data as well: the keys of maps are `{*}` in paths already, and a name that no descriptor
has is shown only if it looks like one that a programmer chose, and else hashed.

What a hash cannot hide: who has the key can try all values of a small range (a flag, an enum, a
year), and who has not can still see which of them are frequent. Keep the key as the database.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.comparison.documents import Difference, Excerpt
from proxy.comparison.legacy_plans import Asked, Found, body_of
from proxy.comparison.schema import OPEN, Described, Form, Member, Plans, Type
from proxy.gate.evidence import Finding, StoredValue

#: Characters that are kept of a revealed value: an example has room for a few such.
REVEALED_CHARACTERS: Final = 256
#: Characters of a name that no descriptor has; longer ones are no names.
NAME_CHARACTERS: Final = 40
#: Digits in such a name; more of them make a number, a key or an id.
NAME_DIGITS: Final = 4
#: Characters of a whole path: many times the usual, for schemas that are nested deeply.
PATH_CHARACTERS: Final = 512
#: Query parameters and captures that the description of a request shows.
ABOUT_PARAMETERS: Final = 16

_HASH_BYTES: Final = 8
_QUERY, _CAPTURE = "request:?", "request:/"
#: Where paths of fields begin, the longest first.
_HEADS: Final = ("request:$", _QUERY, _CAPTURE, "error:$", "$")
_STEP: Final = re.compile(
    r"""\.(?P<name>[^.\[\]{}]+) | \[(?P<quoted>"(?:[^"\\]|\\.)*")\] | \[\*\] | \.?\{\*\}""",
    re.VERBOSE,
)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_@][A-Za-z0-9_-]*")
_METHOD: Final = re.compile(r"[A-Z]{1,16}")
_MEDIA_TYPE: Final = re.compile(
    r"(?:application|audio|font|image|message|model|multipart|text|video)/[A-Za-z0-9.+-]{1,60}"
    r"(?:; ?charset=[A-Za-z0-9-]{1,20})?"
)


#: Errors and headers: nothing describes them.
_NOWHERE: Final = Found(OPEN)


class Hasher:
    """Keyed hashes: equal for equal values, and of no use to who has not the key.

    *key* has 32 to 64 bytes; raises ValueError for another length.
    """

    def __init__(self, key: bytes) -> None:
        if not 32 <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError("a hash key has 32 to 64 bytes")
        self._text = blake2b(key=key, digest_size=_HASH_BYTES, person=b"cutover-text")
        self._short = blake2b(key=key, digest_size=_HASH_BYTES, person=b"cutover-short")

    def __repr__(self) -> str:
        return "<Hasher>"

    def text(self, value: str) -> str:
        """16 hex digits for *value*, "" for nothing."""
        return _digest(self._text, value).hex() if value else ""

    def short(self, value: str) -> bytes:
        """8 bytes for *value*, unrelated to those of `text`: they tell clients and shapes apart."""
        return _digest(self._short, value)


def _digest(keyed: blake2b, value: str) -> bytes:
    digest = keyed.copy()
    digest.update(value.encode("utf-8", "surrogatepass"))
    return digest.digest()


class _Path(NamedTuple):
    """A path in parts: where it begins, and steps `.name`, `[*]` and `{*}`; *rest* is no step.

    A name that is written `["…"]` is a step `.name` here: it is shown as one, or hashed.
    """

    head: str
    steps: tuple[str, ...]
    rest: str = ""

    def __str__(self) -> str:
        text = "".join(self.steps) + self.rest
        return self.head + (text if self.head.endswith("$") else text[1:])


class _Known(NamedTuple):
    """What a member's name leads to: whether its values are private, and what is below it."""

    private: bool
    below: Described | None


class Known(NamedTuple):
    """What a parameter's name means: whether its values are private; *has_key*, a map's in it."""

    private: bool
    has_key: bool


#: What a shape knows of a parameter by its name, None for no field.
Parameters = Callable[[str], Known | None]


class _Shown(NamedTuple):
    """A path as it may be kept, and whether the values there may be."""

    path: str
    revealed: bool


@dataclass(frozen=True, slots=True)
class Redactor:
    """Makes what is kept of a route's differences. Compiled with the route; cheap to make.

    *answer* is what stands at `$`, *request* what stands at `request:$`, in *plans*. *revealed* are
    paths. *parameters* are those of queries under a shape; without one they are fields of the
    request. *names* are those of the types that were met, and grow to those of all types below.
    """

    answer: Found
    request: Found
    plans: Plans
    revealed: frozenset[str]
    parameters: Parameters | None = None
    names: dict[Described, Mapping[str, _Known]] = field(default_factory=dict, repr=False)

    @classmethod
    def compile(
        cls,
        answer: Descriptor,
        response_body: FieldDescriptor | None,
        request: Descriptor,
        reveal: Iterable[str] = (),
    ) -> "Redactor":
        """Of an RPC's types; *response_body* is the field that the rule names, if it does.

        *reveal* are paths as differences have them, `header:NAME` and `request:…` too. Each
        reveals the scalars at that very path, and nothing below it.
        """
        plans = Plans()
        answers = body_of(plans, Asked(answer, response_body), None)
        return cls.of_bodies(answers, Found(plans.of_message(request)), reveal, plans=plans)

    @classmethod
    def of_bodies(
        cls,
        answer: Found,
        request: Found,
        reveal: Iterable[str],
        *,
        plans: Plans,
        parameters: Parameters | None = None,
    ) -> "Redactor":
        """Of what stands in bodies, in *plans*, which say it of what is below."""
        revealed = frozenset(str(_parsed(path)) for path in reveal)
        return cls(answer, request, plans, revealed, parameters)

    def finding(self, difference: Difference, hasher: Hasher) -> Finding:
        """What is kept of *difference*."""
        shown = self._show(difference.path, hasher)
        legacy, grpc = (
            _stored(each, hasher, revealed=shown.revealed or _is_public(shown.path, each))
            for each in (difference.legacy, difference.grpc)
        )
        return Finding(shown.path, difference.kind, difference.times, legacy, grpc)

    def path(self, path: str, hasher: Hasher) -> str:
        """The path of a difference as it is kept: that of its `finding`."""
        return self._show(path, hasher).path

    def about(
        self,
        http_method: str,
        template: str,
        captures: Iterable[tuple[str, str]],
        query: str,
        headers: Iterable[str],
        *,
        legacy_status: int | None,
        grpc_status: int | None,
        hasher: Hasher,
    ) -> dict[str, str]:
        """What an example shows of its request.

        *captures* are the template's variables with their texts, *query* is raw, *headers* are
        the names of those that the route compares. A status is None for a side that gave none.
        """
        about = {
            "http_method": http_method if _METHOD.fullmatch(http_method) else "other",
            "template": template,
            "headers": ", ".join(headers),
            "legacy_status": "" if legacy_status is None else str(legacy_status),
            "grpc_status": "" if grpc_status is None else str(grpc_status),
        }
        parameters = [(_CAPTURE + name, text) for name, text in captures]
        parameters += [(_QUERY + name, text) for name, text in _parameters(query)]
        for path, text in parameters[:ABOUT_PARAMETERS]:
            shown = self._show(path, hasher)
            about[shown.path] = _described(text, hasher, revealed=shown.revealed)
        return {name: text for name, text in about.items() if text}

    def _show(self, path: str, hasher: Hasher) -> _Shown:
        """*path* without names that are data, of a length that can be kept."""
        parsed = _parsed(path)
        if parsed.head == _QUERY and self.parameters is not None:
            return self._show_parameter(path, parsed, self.parameters(path[len(_QUERY) :]), hasher)
        message, hidden = self._root(path)
        steps = []
        for step in parsed.steps:
            if not step.startswith("."):
                steps.append(step)
                continue
            known = self._field(message, step[1:])
            message = None if known is None else known.below
            hidden = hidden or (known is not None and known.private)
            is_name = known is not None or _is_name(step[1:])
            steps.append(step if is_name else _masked(step, hasher))
        return self._as_shown(parsed, steps, hasher, hidden=hidden)

    def _root(self, path: str) -> tuple[Described | None, bool]:
        """What the names of a path are of, and whether nothing of it may be shown."""
        if path.startswith("request:"):
            return _below(self.request.type), self.request.private
        found = self.answer if path.startswith("$") else _NOWHERE
        return _below(found.type), found.private

    def _show_parameter(
        self, path: str, parsed: _Path, known: Known | None, hasher: Hasher
    ) -> _Shown:
        """A parameter whose name is not one of the message's."""
        hidden = known is not None and known.private
        if known is not None and not known.has_key:
            return _Shown(path, not hidden and str(parsed) in self.revealed)
        names = known is not None
        steps = [
            step if names or _is_name(step[1:]) else _masked(step, hasher) for step in parsed.steps
        ]
        return self._as_shown(parsed, steps, hasher, hidden=hidden)

    def _as_shown(
        self, parsed: _Path, steps: Iterable[str], hasher: Hasher, *, hidden: bool
    ) -> _Shown:
        rest = _masked(parsed.rest, hasher) if parsed.rest else ""
        shown = str(parsed._replace(steps=tuple(steps), rest=rest))
        if len(shown) > PATH_CHARACTERS:
            shown = shown[: PATH_CHARACTERS - 20] + _masked(shown, hasher)
        return _Shown(shown, not hidden and str(parsed) in self.revealed)

    def _field(self, message: Described | None, name: str) -> _Known | None:
        """The field that *name* means in any spelling: one in another case is no less private."""
        if message is None:
            return None
        names = self.names.get(message)
        if names is None:
            names = self.names[message] = _spellings(self.plans.message(message).members)
        return names.get(name) or names.get(_folded(name))


def _parsed(path: str) -> _Path:
    """*path* in parts. Names may have any character but those of the grammar.

    >>> _parsed("$.items[*].{*}.id").steps
    ('.items', '[*]', '{*}', '.id')
    >>> _parsed("request:?page.size")
    _Path(head='request:?', steps=('.page', '.size'), rest='')
    >>> str(_parsed("$.labels.{*}")), str(_parsed("header:etag"))
    ('$.labels{*}', 'header:etag')
    >>> _parsed('$["a.b"].c').steps
    ('.a.b', '.c')
    """
    head = next((each for each in _HEADS if path.startswith(each)), None)
    if head is None:
        return _Path(path, ())
    text = path[len(head) :] if head.endswith("$") else f".{path[len(head) :]}"
    steps, position = [], 0
    while (step := _STEP.match(text, position)) is not None:
        steps.append(_step(step))
        position = step.end()
    return _Path(head, tuple(steps), text[position:])


def _step(found: re.Match[str]) -> str:
    if found["quoted"] is not None:
        return f".{_unquoted(found['quoted'])}"
    return found[0] if found["name"] else found[0].removeprefix(".")


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text


def _masked(step: str, hasher: Hasher) -> str:
    return f".#{hasher.text(step)[:8]}"


def _is_name(name: str) -> bool:
    """Whether a name that no descriptor has looks like one that a programmer chose.

    >>> _is_name("created_at"), _is_name("ipv4Address")
    (True, True)
    >>> _is_name("kim@example.com"), _is_name("4f1c9ab2"), _is_name("user-829174")
    (False, False, False)
    """
    digits = sum(character.isdigit() for character in name)
    short = len(name) <= NAME_CHARACTERS and digits <= NAME_DIGITS
    return short and _IDENTIFIER.fullmatch(name) is not None


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _spellings(members: Iterable[Member]) -> Mapping[str, _Known]:
    """Every name of every member; where two are alike but for their case, the private one leads."""
    exact: dict[str, _Known] = {}
    folded: dict[str, _Known] = {}
    for each in sorted(members, key=lambda member: member.private):
        known = _Known(each.private, _below(each.type))
        for name in each.names:
            exact[name] = folded[_folded(name)] = known
    return folded | exact


def _below(type_: Type) -> Described | None:
    """What the members below a value, or below its elements, are of; None if none is known."""
    while type_.form in (Form.LIST, Form.MAP):
        type_ = type_.inner
    return type_.message if type_.form is Form.MESSAGE else None


def _is_public(path: str, excerpt: Excerpt) -> bool:
    """Whether everybody may see a value: statuses, and media types that are nothing else."""
    if path == "status":
        return excerpt.type == "number"
    text = excerpt.text.strip('"')
    return path == "header:content-type" and _MEDIA_TYPE.fullmatch(text) is not None


def _stored(excerpt: Excerpt, hasher: Hasher, *, revealed: bool) -> StoredValue:
    text = _readable(excerpt.text) if revealed and excerpt.text else None
    return StoredValue(excerpt.type, excerpt.length, text, hasher.text(excerpt.text))


def _described(text: str, hasher: Hasher, *, revealed: bool) -> str:
    return _readable(text) if revealed else f"string of {len(text)}, #{hasher.text(text)[:8]}"


def _readable(text: str) -> str:
    """*text* as it can be stored anywhere: short, and without what is no character."""
    whole = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return whole if len(whole) <= REVEALED_CHARACTERS else whole[:REVEALED_CHARACTERS] + "…"


def _parameters(query: str) -> Iterable[tuple[str, str]]:
    """The first parameters of a raw query: those that can be shown, and no work for the rest."""
    separated = query.split("&", ABOUT_PARAMETERS)[:ABOUT_PARAMETERS]
    return islice(parse_qsl("&".join(separated), keep_blank_values=True), ABOUT_PARAMETERS)
