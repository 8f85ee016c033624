"""Rules of comparison: what may be unequal at a path, and why.

Belongs here: rules and checks as values, and which rule holds where. Does not: when two values
agree by a check (`comparison.agreement`), reading rules from a configuration (`config`).

A rule holds at its own path. `Ignore` and `Present` hold below it too, and `Exact` ends that; the
rule with the longest path wins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

from proxy.comparison.paths import Part, PathPattern, Step
from proxy.comparison.patterns import check_pattern


@dataclass(frozen=True, slots=True)
class Exact:
    """As without a rule. It takes a path out of an `Ignore` or `Present` above it."""


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers that are not further apart than *abs*, or than *rel* times the larger one.

    A number and a text of it still differ: in their form.
    """

    abs: float = 0.0
    rel: float = 0.0


Precision: TypeAlias = Literal["s", "ms", "us", "ns"]


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Times at most *tolerance_s* seconds apart once both are cut to *precision*.

    How a text writes the time does not matter; a number and a text still differ: in their form.
    """

    tolerance_s: float = 0.0
    precision: Precision | None = None


FormatName: TypeAlias = Literal["uuid", "rfc3339", "base64", "regex"]


@dataclass(frozen=True, slots=True)
class Format:
    """Texts that both have the shape; *regex* is for the name of that kind, of the whole text."""

    name: FormatName
    regex: str = ""

    def __post_init__(self) -> None:
        if (self.name == "regex") != bool(self.regex):
            raise ValueError("the format regex, and no other, needs a regular expression")
        if self.regex:
            check_pattern(self.regex)


@dataclass(frozen=True, slots=True)
class Set:
    """A list of which neither the order nor the number of equal elements matters."""


@dataclass(frozen=True, slots=True)
class ListBy:
    """A list whose order does not matter: elements with the same *key* are compared.

    *key* names a member of the elements; None: elements are matched by all that they hold.
    """

    key: str | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Values that both are among these; None stands for null and for absence."""

    values: tuple[str | int | float | bool | None, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Both sides have something, whatever it is; null is nothing."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Whatever is there or not."""


Check: TypeAlias = Exact | Number | Timestamp | Format | Set | ListBy | OneOf | Present | Ignore

#: The words of the configuration.
USES: Final[Mapping[type, str]] = {
    Exact: "exact",
    Number: "number",
    Timestamp: "timestamp",
    Format: "format",
    Set: "set",
    ListBy: "list",
    OneOf: "one_of",
    Present: "present",
    Ignore: "ignore",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. *path* is one that `PathPattern.parse` reads; *expires* is the last good day."""

    path: str
    check: Check
    reason: str = ""
    expires: date | None = None

    @property
    def text(self) -> str:
        """What the rule is known by in counters and reports.

        >>> Rule("$.traceId", Format("uuid")).text
        '$.traceId format'
        """
        return f"{self.path} {USES[type(self.check)]}"


@dataclass(frozen=True, slots=True)
class Held:
    """A rule where it holds: its index, and its check there."""

    index: int
    check: Check

    @property
    def below(self) -> "Held | None":
        """What of it holds one step further down: all that is below may be as it likes."""
        return Held(self.index, Ignore()) if isinstance(self.check, (Ignore, Present)) else None


class RuleTree:
    """The rules below one path, by the steps to them."""

    __slots__ = ("children", "held")

    def __init__(self) -> None:
        self.held: Held | None = None
        self.children: dict[Step, RuleTree] = {}

    def __repr__(self) -> str:
        return f"<RuleTree of {len(self.children)} steps>"

    @classmethod
    def compile(cls, rules: Iterable[Rule], part: Part = Part.ANSWER) -> "RuleTree":
        """The rules of one part. Of equal paths the last."""
        root = cls()
        for index, rule in enumerate(rules):
            pattern = PathPattern.parse(rule.path)
            if pattern.part is part:
                root._add(pattern.steps, Held(index, rule.check))
        return root

    def _add(self, steps: Iterable[Step], held: Held) -> None:
        tree = self
        for step in steps:
            tree = tree.children.setdefault(step, RuleTree())
        tree.held = held
