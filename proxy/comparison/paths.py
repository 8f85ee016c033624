"""Paths of values in answers and requests: how they are written, read and compared.

Belongs here: the grammar, `$.items[*].id`, `$.labels{*}`, `request:?page_size`. Does not: what is
at a path (`comparison.places`), what a rule does there (`comparison.rules`).
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: One step down: `.name` for a member of an object, or one of the next two.
Step = str

ELEMENT: Final[Step] = "[*]"
VALUE: Final[Step] = "{*}"

ROOT: Final = "$"


class Part(StrEnum):
    """What a path is about, which is what it begins with."""

    ANSWER = ""
    ERROR = "error:"  # bodies of errors, which are not of the answer's message
    REQUEST = "request:"  # the body that a client sent
    QUERY = "request:?"  # one of its query parameters, by name
    CAPTURE = "request:/"  # one of the variables of its path, by name

    @property
    def is_text(self) -> bool:
        """Whether the rest of such a path is a name: there is text at it, and nothing below."""
        return self in (Part.QUERY, Part.CAPTURE)

    @property
    def is_sent(self) -> bool:
        """Whether it is about requests."""
        return self.startswith(Part.REQUEST)

    @classmethod
    def of(cls, path: str) -> "Part":
        """The part that a path is about, by how it begins."""
        longest_first = (cls.QUERY, cls.CAPTURE, cls.REQUEST, cls.ERROR)
        return next((each for each in longest_first if path.startswith(each)), cls.ANSWER)


#: The name of a parameter or variable.
_NAME: Final = re.compile(r"[^\s\x00-\x1f]{1,100}").fullmatch

#: Names that stand in a path as they are; others are in `["…"]`, as JSON writes them.
PLAIN_NAME: Final = re.compile(r"[A-Za-z_@][A-Za-z0-9_@:-]*").fullmatch
_STEP: Final = re.compile(
    r"""\.(?P<name>[A-Za-z_@][A-Za-z0-9_@:-]*)
    | \[(?P<quoted>"(?:[^"\\\x00-\x1f]|\\.)*")\]
    | (?P<all>\[\*\]|\{\*\})""",
    re.VERBOSE,
)

#: Longest name that a path repeats, in characters: names beyond the message come from the wire.
LONGEST_NAME: Final = 100
#: Most steps of a pattern; no message is nested deeper.
MOST_STEPS: Final = 100


def step_of(name: str) -> Step:
    """The step to the member of that name.

    >>> step_of("ttl"), step_of("a.b")
    ('.ttl', '["a.b"]')
    """
    if PLAIN_NAME(name) and len(name) <= LONGEST_NAME:
        return f".{name}"
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return f"[{json.dumps(shown)}]"


def name_of(step: Step) -> str:
    """The name of the member to which a step leads.

    >>> name_of(step_of("ttl")), name_of(step_of("a.b"))
    ('ttl', 'a.b')
    """
    return step[1:] if step.startswith(".") else str(json.loads(step[1:-1]))


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path as rules have it: steps from `$`, those of names in `step_of`'s one spelling.

    Of a *part* that is text the one step is a name. The order of patterns is by their length
    first: the longest that fits wins.
    """

    steps: tuple[Step, ...]
    part: Part = Part.ANSWER

    def __str__(self) -> str:
        return self.part + ("" if self.part.is_text else ROOT) + "".join(self.steps)

    @classmethod
    def parse(cls, text: str) -> "PathPattern":
        """Read a path. Raises `ValueError` with the column, counted from 1.

        >>> PathPattern.parse('$.items[*]["a.b"].labels{*}').steps
        ('.items', '[*]', '["a.b"]', '.labels', '{*}')
        >>> PathPattern.parse("request:?page.size").steps
        ('page.size',)
        >>> PathPattern.parse("$.items[0]")
        Traceback (most recent call last):
        ValueError: column 8: expected .name, ["name"], [*] or {*}, not "[0]"
        """
        part = Part.of(text)
        start = len(part)
        if part.is_text:
            if not _NAME(text, start):
                raise ValueError(f"column {start + 1}: expected a name of up to 100 characters")
            return cls((text[start:],), part)
        if not text.startswith(ROOT, start):
            raise ValueError(f"column {start + 1}: a path begins with {ROOT}")
        return cls(_steps(text, start + 1), part)


def _steps(text: str, position: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            found = json.dumps(text[position : position + 20], ensure_ascii=False)
            wanted = 'expected .name, ["name"], [*] or {*}'
            raise ValueError(f"column {position + 1}: {wanted}, not {found}")
        if len(steps) == MOST_STEPS:
            raise ValueError(f"column {position + 1}: more than {MOST_STEPS} steps")
        steps.append(match["all"] or step_of(_name(match, position)))
        position = match.end()
    return tuple(steps)


def _name(match: re.Match[str], position: int) -> str:
    if match["quoted"] is None:
        return match["name"]
    try:
        name: str = json.loads(match["quoted"])
    except json.JSONDecodeError as error:
        column = position + 1 + error.pos
        raise ValueError(f"column {column + 1}: {error.msg.lower()}") from None
    return name
