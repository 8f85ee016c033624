"""What may be recorded of an exchange: its form, and the few values that are listed.

Belongs here: which values, names and headers stay. Does not: what stands for the others
(`placeholders`), where the lists come from (`routing`).

Nothing is kept that is not known to be harmless: names of fields that the schema or the shape has,
names of enum values, headers that are about form, literal parts of paths, and values at paths that
are listed. Names that nobody has declared may be keys of maps, which are data: they are hidden as
values are.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from proxy.recordings.exchange import Headers, Recorded, header_of
from proxy.recordings.placeholders import text_for, value_for

#: Headers whose values are about form alone. All others are hidden.
PLAIN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "allow", "cache-control"),
        *("content-encoding", "content-language", "content-type", "vary"),
        *("grpc-timeout", "retry-after", "x-cutover-side", "x-cutover-fallback"),
    }
)
#: Headers with credentials. No list reveals them.
SECRET_HEADERS: Final = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "www-authenticate"),
        *("authentication-info", "x-api-key", "x-auth-token", "x-csrf-token", "x-xsrf-token"),
        *("x-amz-security-token", "x-goog-api-key", "x-goog-iam-authorization-token"),
    }
)
#: What the name of a header with credentials has in it, whatever else.
_SECRET_WORDS: Final = re.compile(r"auth|token|secret|password|credential|session|cookie|api-?key")

_STEP: Final = re.compile(
    r"""\.(?P<name>[^.\[\]{}]+) | \["(?P<quoted>(?:[^"\\]|\\.)*)"\] | \[\*\] | \.?\{\*\}""",
    re.VERBOSE,
)
_ELEMENT, _ENTRY = "[*]", "{*}"
_REQUEST_BODY, _ANSWER_BODY = "request:$", "$"
_QUERY, _CAPTURE, _HEADER = "request:?", "request:/", "header:"

#: Where the parts of a path stand: for each segment the variable that takes it, None for a literal.
Segments = Callable[[str], list[str | None]]


def holds_credentials(name: str) -> bool:
    """Whether a header of that name, in lower case, holds credentials, or may by its name.

    >>> [holds_credentials(name) for name in ("cookie", "x-my-token", "accept")]
    [True, True, False]
    """
    return name in SECRET_HEADERS or _SECRET_WORDS.search(name) is not None


def unknown_segments(path: str) -> list[str | None]:
    """The segments of a path whose template is not known."""
    return [""] * path.count("/")


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What is harmless in the exchanges of one binding.

    *names* are those of fields, *words* texts that the schema declares, as the names of enum
    values. *private* are names of fields whose values the schema forbids to show, whatever is
    listed. *kept* are paths as differences have them. *segments* says of a raw path which variable
    takes each segment, "" where that is not known; *verb* is what its last one may end in.
    """

    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    segments: Segments = field(default=unknown_segments, repr=False)
    verb: str = ""


class _Kept:
    """Paths that are listed, as a tree of steps; the leaves say that values there stay."""

    __slots__ = ("below", "is_end")

    def __init__(self) -> None:
        self.below: dict[str, _Kept] = {}
        self.is_end = False

    @classmethod
    def of(cls, paths: Iterable[str], head: str) -> "_Kept":
        """The tree of those of *paths* that begin with *head*."""
        root = cls()
        for path in paths:
            if path.startswith(head):
                root._add(_steps(path[len(head) :]))
        return root

    def _add(self, steps: Iterable[str]) -> None:
        node = self
        for step in steps:
            node = node.below.setdefault(step, _Kept())
        node.is_end = True


def _steps(path: str) -> Iterator[str]:
    for found in _STEP.finditer(path):
        name = found["name"] or found["quoted"]
        yield f".{name}" if name else found[0].removeprefix(".")


def redacted(recorded: Recorded, rules: RedactionRules) -> Recorded:
    """The exchange as it may be kept. Raises nothing, whatever the exchange is."""
    redaction = _Redaction(rules)
    return replace(
        recorded,
        target=redaction.target(recorded),
        request_headers=redaction.headers(recorded.request_headers),
        request_body=redaction.body(recorded.request_body, recorded.request_headers, _REQUEST_BODY),
        answer_headers=redaction.headers(recorded.answer_headers),
        answer_body=redacted_answer(recorded.answer_body, recorded.answer_headers, rules),
        redacted=True,
        kept=rules.kept,
    )


def redacted_answer(body: bytes, headers: Headers, rules: RedactionRules) -> bytes:
    """The body of an answer as it may be kept."""
    return _Redaction(rules).body(body, headers, _ANSWER_BODY)


class _Redaction:
    """One redaction by *rules*."""

    def __init__(self, rules: RedactionRules) -> None:
        self._rules = rules
        self._kept = frozenset(rules.kept)
        queries = (path for path in rules.kept if path.startswith(_QUERY))
        self._parameters_kept = frozenset(path.removeprefix(_QUERY) for path in queries)

    # --- path, query, headers

    def target(self, recorded: Recorded) -> str:
        path = self._path(recorded.path)
        query = "&".join(map(self._parameter, filter(None, recorded.query.split("&"))))
        return f"{path}?{query}" if query else path

    def _path(self, path: str) -> str:
        verb = f":{self._rules.verb}" if self._rules.verb else ""
        verb = verb if path.endswith(verb) else ""
        given = path.removesuffix(verb).split("/")[1:]
        owners = self._rules.segments(path)
        if len(owners) != len(given):
            owners = [""] * len(given)
        shown = (self._segment(*each) for each in zip(given, owners, strict=True))
        return "".join(f"/{each}" for each in shown) + verb

    def _segment(self, segment: str, owner: str | None) -> str:
        if owner is None or (owner and _CAPTURE + owner in self._kept):
            return segment
        return quote(text_for(unquote_plus(segment)), safe="@:")

    def _parameter(self, piece: str) -> str:
        name, equals, value = piece.partition("=")
        plain = unquote_plus(name)
        if plain in self._parameters_kept:
            return piece
        is_name = all(self._is_name(part) for part in re.split(r"[.\[\]]+", plain) if part)
        shown = name if is_name else quote(text_for(plain), safe="")
        text = unquote_plus(value)
        hidden = text if text in self._rules.words else text_for(text)
        return f"{shown}{equals}{quote(hidden, safe='@,:')}"

    def headers(self, headers: Headers) -> Headers:
        return tuple((name, self._header(name.lower(), value)) for name, value in headers)

    def _header(self, name: str, value: str) -> str:
        is_shown = name in PLAIN_HEADERS or _HEADER + name in self._kept
        return value if is_shown and not holds_credentials(name) else text_for(value)

    # --- bodies

    def body(self, body: bytes, headers: Headers, head: str) -> bytes:
        """A body of any type: JSON and streams of it by their values, others by their bytes."""
        if not body:
            return body
        media_type = header_of(headers, "content-type").partition(";")[0].strip().lower()
        kept = _Kept.of(self._rules.kept, head)
        if media_type == "application/x-www-form-urlencoded":
            text = body.decode("utf-8", "replace")
            return "&".join(map(self._parameter, text.split("&"))).encode()
        if media_type == "application/x-ndjson":
            return b"\n".join(self._document(line, kept, _ELEMENT) for line in body.split(b"\n"))
        if media_type == "text/event-stream":
            return b"\n".join(self._event(line, kept) for line in body.split(b"\n"))
        return self._document(body, kept)

    def _event(self, line: bytes, kept: _Kept) -> bytes:
        name, colon, rest = line.partition(b":")
        if name != b"data":
            return line
        blank = b" " if rest.startswith(b" ") else b""
        return name + colon + blank + self._document(rest[len(blank) :], kept, _ELEMENT)

    def _document(self, text: bytes, kept: _Kept, within: str = "") -> bytes:
        """One JSON document, an element of *within*; what is none becomes bytes of no meaning."""
        if not text.strip():
            return text
        nodes = [kept] if not within else [kept.below[within]] if within in kept.below else []
        try:
            value = json.loads(text)
            return json.dumps(self._value(value, nodes), ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return _bytes_for(text)

    def _value(self, value: Any, kept: list[_Kept]) -> Any:
        if isinstance(value, dict):
            return dict(self._members(value, kept))
        if isinstance(value, list):
            inside = [node.below[_ELEMENT] for node in kept if _ELEMENT in node.below]
            return [self._value(each, inside) for each in value]
        if any(node.is_end for node in kept):
            return value
        if isinstance(value, str) and value in self._rules.words:
            return value
        return value_for(value)

    def _members(self, value: dict[str, Any], kept: list[_Kept]) -> Iterator[tuple[str, Any]]:
        names = self._names(value)
        for key, inner in value.items():
            steps = (f".{key}", _ENTRY)
            inside = [node.below[step] for node in kept for step in steps if step in node.below]
            if key in self._rules.private:
                inside = []
            yield names[key], self._value(inner, inside)

    def _names(self, keys: Iterable[str]) -> dict[str, str]:
        """What each key is shown as: in an order of their own, since that of members means nothing.

        Of two answers with the same keys both then have the same names for them.
        """
        shown: dict[str, str] = {}
        given: set[str] = set()
        for key in sorted(keys):
            shown[key] = key if self._is_name(key) else _another(text_for(key), given)
            given.add(shown[key])
        return shown

    def _is_name(self, key: str) -> bool:
        return key in self._rules.names


def _another(key: str, given: set[str]) -> str:
    """*key*, or one like it that is not *given* yet: no member may be lost."""
    shown, number = key, 1
    while shown in given:
        number += 1
        shown = f"{key}-{number}"
    return shown


def _bytes_for(body: bytes) -> bytes:
    """Bytes that stand for a body which is no JSON: as many, and text for text."""
    try:
        return text_for(body.decode("utf-8")).encode()
    except UnicodeDecodeError:
        return bytes(len(body))
