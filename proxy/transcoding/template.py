"""Path templates: the grammar of `google/api/http.proto`, parsed.

Belongs here: text to `PathTemplate` and back. Does not: matching (`routing.trie`), fields
(`transcoding.binding`), two variables for one field (`transcoding.rules`).

The grammar, with the prose of http.proto worked in:

    Template  = "/" | "/" Segments [ Verb ]
    Segments  = Segment { "/" Segment }            nothing but the verb follows a "**"
    Segment   = "*" | "**" | LITERAL | Variable
    Variable  = "{" FieldPath [ "=" Segments ] "}"  no variable inside a variable
    FieldPath = IDENT { "." IDENT }
    Verb      = ":" LITERAL

A LITERAL is one or more of the characters that RFC 3986 allows in a path segment, without ":"
and "*", which mean something here, and with every other character percent-encoded.
"""

import re
from dataclasses import dataclass
from typing import Final


class TemplateError(ValueError):
    """A text is no path template. *column* is 1-based and points at the first wrong character."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column
        self.message = message


@dataclass(frozen=True, slots=True)
class Variable:
    """A template variable: which field it fills, and which segments it covers.

    It covers segments *start* up to, not including, *end*. When *end* is negative it counts from
    the end of the request's path: -1 includes the last segment.
    """

    field_path: tuple[str, ...]
    start: int
    end: int

    @property
    def wildcard_tail(self) -> bool:
        """Whether the variable contains `**`."""
        return self.end < 0

    @property
    def single_segment(self) -> bool:
        """Whether the variable is exactly one segment: `{x}`, `{x=*}`, `{x=literal}`.

        The template decides, not the request: `{x=**}` is multi-segment even where it matched
        one segment only. Decoding depends on it (`transcoding.percent`).
        """
        return self.end - self.start == 1


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed path template. `{x}` counts as the segment `*`; *verb* is "" when there is none."""

    text: str
    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]

    def __str__(self) -> str:
        return self.text


def parse_template(text: str) -> PathTemplate:
    """Parse a path template. Raises `TemplateError`.

    Literals and the verb stay as written, escapes included.

    >>> template = parse_template("/v1/{name=zones/*}:verify")
    >>> template.segments, template.verb
    (('v1', 'zones', '*'), 'verify')
    >>> template.variables
    (Variable(field_path=('name',), start=1, end=3),)
    >>> parse_template("/v1/{name=**}/records")
    Traceback (most recent call last):
        ...
    proxy.transcoding.template.TemplateError: column 14: nothing but a verb may follow "**"
    """
    return _Parser(text).template()


_WILDCARD: Final = re.compile(r"\*\*?")
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

#: Characters that stand for themselves in an error message; all others have to be encoded.
_PUNCTUATION: Final = "/*{}:"

_AFTER_SEGMENT: Final = 'expected "/", ":" or the end (a segment is text, a wildcard or a variable)'
_AFTER_VERB: Final = "a verb is literal text and ends the template; write a literal colon as %3A"
_AFTER_INNER_SEGMENT: Final = 'expected "/" or "}"'


class _Parser:
    """Recursive descent over one text, one method per production. Used once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._segments: list[str] = []
        self._variables: list[Variable] = []
        self._inside_variable = False

    def template(self) -> PathTemplate:
        if not self._take("/"):
            raise self._error('expected "/" at the start')
        verb = ""
        if self._next:
            self._read_segments()
            verb = self._read_verb()
        if self._next:
            raise self._misplaced(_AFTER_VERB if verb else _AFTER_SEGMENT)
        return PathTemplate(self._text, tuple(self._segments), verb, tuple(self._variables))

    def _read_segments(self) -> None:
        self._read_segment()
        while self._next == "/":
            if self._segments[-1] == "**":
                raise self._error('nothing but a verb may follow "**"')
            self._take("/")
            self._read_segment()

    def _read_segment(self) -> None:
        if self._next == "{":
            self._read_variable()
            return
        segment = self._match(_WILDCARD) or self._match(_LITERAL)
        if not segment:
            raise self._misplaced('expected a segment: text, "*", "**" or a variable')
        self._segments.append(segment)

    def _read_variable(self) -> None:
        if self._inside_variable:
            raise self._error("a variable may not contain another variable")
        self._inside_variable = True
        self._take("{")
        field_path, start = self._read_field_path(), len(self._segments)
        if self._take("="):
            self._read_segments()
        else:
            self._segments.append("*")
        if not self._take("}"):
            raise self._misplaced(_AFTER_INNER_SEGMENT)
        self._inside_variable = False
        end = -1 if self._segments[-1] == "**" else len(self._segments)
        self._variables.append(Variable(field_path, start, end))

    def _read_field_path(self) -> tuple[str, ...]:
        names = [self._read_identifier()]
        while self._take("."):
            names.append(self._read_identifier())
        if self._next not in ("=", "}"):
            raise self._error('expected ".", "=" or "}" after a field name')
        return tuple(names)

    def _read_identifier(self) -> str:
        name = self._match(_IDENTIFIER)
        if not name:
            raise self._error("expected a field name (letters, digits and _, no digit first)")
        return name

    def _read_verb(self) -> str:
        if not self._take(":"):
            return ""
        verb = self._match(_LITERAL)
        if not verb:
            raise self._misplaced('expected a verb after ":"')
        return verb

    @property
    def _next(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self, character: str) -> bool:
        found = self._next == character
        self._position += found
        return found

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._position)
        if found is None:
            return ""
        self._position = found.end()
        return found.group()

    def _error(self, message: str) -> TemplateError:
        return TemplateError(self._position + 1, message)

    def _misplaced(self, expected: str) -> TemplateError:
        """An error in literal text; a character that no literal may contain says it better."""
        found = self._next
        if found == "%":
            return self._error('"%" must be followed by two hexadecimal digits')
        if found and found not in _PUNCTUATION and not _LITERAL.match(found):
            return self._error(f"{found!r} must be percent-encoded in a path template")
        return self._error(expected)
