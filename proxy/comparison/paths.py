"""Paths of fields in an answer: how they are written, read and compared.

Belongs here: the grammar, `$.items[*].id` and `$.labels{*}`. Does not: what is at a path
(`comparison.places`), what a rule does there (`comparison.rules`).
"""

import json
import re
from dataclasses import dataclass
from typing import Final

#: One step down: `.name` for a member of an object, or one of the next two.
Step = str

ELEMENT: Final[Step] = "[*]"
VALUE: Final[Step] = "{*}"

ROOT: Final = "$"
#: Before `$`: the path is one of error bodies, which are not of the answer's message.
ERROR: Final = "error:"

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


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path as rules have it: steps from `$`, those of names in `step_of`'s one spelling.

    *error* is True for a path of error bodies. The order of patterns is by their length first:
    the longest that fits wins.
    """

    steps: tuple[Step, ...]
    error: bool = False

    def __str__(self) -> str:
        return (ERROR if self.error else "") + ROOT + "".join(self.steps)

    @classmethod
    def parse(cls, text: str) -> "PathPattern":
        """Read a path. Raises `ValueError` with the column, counted from 1.

        >>> PathPattern.parse('$.items[*]["a.b"].labels{*}').steps
        ('.items', '[*]', '["a.b"]', '.labels', '{*}')
        >>> PathPattern.parse("$.items[0]")
        Traceback (most recent call last):
        ValueError: column 8: expected .name, ["name"], [*] or {*}, not "[0]"
        """
        start = len(ERROR) if text.startswith(ERROR) else 0
        if not text.startswith(ROOT, start):
            raise ValueError(f"column {start + 1}: a path begins with {ROOT}")
        return cls(_steps(text, start + 1), error=start > 0)


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
