"""The section about comparing: what two answers may differ in, and why.

Belongs here: its keys, each checked by itself. Does not: whether a path exists, which needs
descriptors (`routing`), what a rule does (`comparison`).
"""

import re
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.comparison.paths import Part, PathPattern
from proxy.comparison.patterns import check_pattern
from proxy.config.base import Distinct, NonEmpty, Section, SomeEntry
from proxy.config.canary import header_name, regular_expression
from proxy.config.scalars import Day, Number, Percent
from proxy.config.units import DURATION, Quantity

Use = Literal[
    "exact", "number", "timestamp", "format", "set", "list", "one_of", "present", "ignore"
]

#: The keys that belong to a use: those it needs one of, and those it may have beside.
_NEEDS: Final[dict[Use, tuple[str, ...]]] = {
    "number": ("abs", "rel"),
    "timestamp": ("tolerance_s", "precision"),
    "format": ("format",),
    "one_of": ("values",),
    "ignore": ("expires",),
}
_OWNERS: Final[dict[str, Use]] = {
    "abs": "number",
    "rel": "number",
    "tolerance_s": "timestamp",
    "precision": "timestamp",
    "format": "format",
    "regex": "format",
    "key": "list",
    "values": "one_of",
}
#: What a rule can do for text, in which nothing stands beside or below anything else.
_USES_OF_TEXT: Final[frozenset[Use]] = frozenset({"number", "present", "ignore"})
#: What a header may be compared by; bodies have paths.
_UNCOMPARABLE: Final = frozenset({"content-length", "date", "set-cookie", "transfer-encoding"})

#: What a header is called where values are revealed.
HEADER: Final = "header:"
_HEADER: Final = re.compile(r"header:\S+")

Scalar = str | int | float | bool


def _compared_header(name: str) -> str:
    key = header_name(name)
    if key in _UNCOMPARABLE:
        message = "must not be a header that never is the same on two sides"
        raise PydanticCustomError("compared_header", message)
    return key


def _path(text: str) -> str:
    try:
        return str(PathPattern.parse(text))
    except ValueError as error:
        message = "must be a path such as $.items[*].id ({why})"
        raise PydanticCustomError("path", message, {"why": str(error)}) from None


def _revealed(text: str) -> str:
    return text.lower() if _HEADER.fullmatch(text) else _path(text)


def _pattern(text: str) -> str:
    """An expression that matches without backtracking for ever."""
    regular_expression(text)
    try:
        check_pattern(text)
    except ValueError as error:
        message = "must be a regular expression that cannot take for ever ({why})"
        raise PydanticCustomError("regex", message, {"why": str(error)}) from None
    return text


class Rule(Section):
    """What two values may differ in at one path. The longest path that fits a value counts."""

    path: Annotated[str, AfterValidator(_path)] = Field(
        description=(
            "Where: `$` is the answer's body and `error:$` that of an error, `[*]` all elements "
            "of a list, `{*}` all values of a map. Fields go by their JSON or proto names; a field "
            "that the message has not is refused. `request:$` is the request's message, of which "
            "the body fills all or one field, `request:?NAME` a query parameter, `request:/NAME` "
            "a variable of the path; there `ignore` may name what no message has, as clients may."
        ),
        examples=["$.order.items[*].price"],
    )
    use: Use = Field(
        description=(
            "How values are compared. `exact`: as without a rule, below another one. `number`, "
            "`timestamp`: with a tolerance. `format`: not with each other, each by its form. "
            "`set`: a list in any order, without regard to repetition. `list`: a list in any "
            "order, by a key of its elements. `one_of`: both are among `values`. `present`: both "
            "are there. `ignore`: not at all. The last two hold below the path too."
        ),
        examples=["number"],
    )
    reason: NonEmpty = Field(
        description="Why this is no mistake: for who reads it in a year.",
        examples=["prices are rounded since 2024"],
    )
    expires: Annotated[date, Day()] | None = Field(
        default=None,
        description=(
            "The last day of the rule, in UTC. Afterwards the route's gate fails, and `check` and "
            "reloads are refused; a process that starts only says so. `ignore` needs it."
        ),
        examples=["2099-12-31"],
    )
    legacy_only: bool = Field(
        default=False,
        description=(
            "The field is one that legacy has and the message has not: without this its path is "
            "refused as a mistake."
        ),
        examples=[True],
    )
    abs: Annotated[float, Number(0, 1e15)] | None = Field(
        default=None,
        description="Largest difference of two numbers.",
        examples=[0.01],
    )
    rel: Annotated[float, Number(0, 1)] | None = Field(
        default=None,
        description="Largest difference of two numbers, as a share of the larger one.",
        examples=[0.001],
    )
    tolerance_s: Annotated[float, Quantity(DURATION, "0s", "365d")] | None = Field(
        default=None,
        alias="tolerance",
        description="Largest difference of two times.",
        examples=["1s"],
    )
    precision: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None,
        description="What times are cut to before they are compared.",
        examples=["ms"],
    )
    format: Literal["uuid", "rfc3339", "base64", "regex"] | None = Field(
        default=None, description="The form that each value must have.", examples=["uuid"]
    )
    regex: Annotated[NonEmpty, AfterValidator(_pattern)] | None = Field(
        default=None,
        description="With `format: regex`: what each whole value matches, in Python's syntax.",
        examples=["ord-[0-9]+"],
    )
    key: NonEmpty | None = Field(
        default=None,
        description="With `use: list`: the field that tells elements apart. Without it: any order.",
        examples=["sku"],
    )
    values: Annotated[tuple[Scalar, ...], SomeEntry] | None = Field(
        default=None,
        description="With `use: one_of`: the values, any of which may stand for any other.",
        examples=[["OPEN", "PENDING"]],
    )

    @model_validator(mode="after")
    def _keys_of_its_use(self) -> "Rule":
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        for name in sorted(given & _OWNERS.keys()):
            if _OWNERS[name] != self.use:
                raise _fault(f"has {_key(name)}, which belongs to use: {_OWNERS[name]}")
        needed = _NEEDS.get(self.use, ())
        if needed and not given & {*needed}:
            named = " or ".join(map(_key, needed))
            raise _fault(f"must have {named} beside use: {self.use}")
        part = Part.of(self.path)
        if part.is_text and self.use not in _USES_OF_TEXT:
            raise _fault(f"must have use: number, present or ignore for {part}NAME")
        if part.is_sent and self.legacy_only:
            raise _fault("must not have legacy_only: it is about requests, which legacy has whole")
        if (self.regex is not None) != (self.format == "regex"):
            raise _fault("must have regex with format: regex, and only then")
        return self

    @property
    def text(self) -> str:
        """What the rule is called: `path use`."""
        return f"{self.path} {self.use}"


def _key(name: str) -> str:
    """The key by which files know a field."""
    return Rule.model_fields[name].alias or name


def _fault(message: str) -> PydanticCustomError:
    # Not as a template: nothing in it came from a file.
    return PydanticCustomError("rule_keys", "{message}", {"message": message})


class Noise(Section):
    """How it is told what legacy shows against itself. Only for routes whose `safety` is `safe`."""

    control_basis_points: Annotated[int, Percent()] = Field(
        default=0,
        alias="control_percent",
        description=(
            "Share of the mirrored requests for which legacy is asked a second time: where it "
            "differs from itself, gRPC is not to blame."
        ),
        examples=[5],
    )
    reverify_after_s: Annotated[float | None, Quantity(DURATION, "10ms", "1m", can_be_off=True)] = (
        Field(
            default=None,
            alias="reverify_after",
            description=(
                "How long after a mismatch both sides are asked once more; if they agree then, it "
                "was transient. `off`: never."
            ),
            examples=["2s"],
        )
    )


class Compare(Section):
    """How the two answers of a mirrored request are compared, and what may be kept of them."""

    status: Literal["exact", "class"] = Field(
        default="exact",
        description="`exact`: 200 and 201 differ. `class`: they do not, 200 and 404 do.",
        examples=["class"],
    )
    headers: Annotated[tuple[Annotated[str, AfterValidator(_compared_header)], ...], Distinct] = (
        Field(
            default=(),
            description="Response headers that are compared, and may be kept in examples.",
            examples=[["content-type", "etag"]],
        )
    )
    reveal: Annotated[tuple[Annotated[str, AfterValidator(_revealed)], ...], Distinct] = Field(
        default=(),
        description=(
            "Paths of fields whose values may be kept and shown; of all others only type, length "
            "and a keyed hash are. `request:$` is the request's message, `request:?NAME` a query "
            "parameter, `request:/NAME` a variable of the path, `header:NAME` a header of "
            "`headers`. What the proto marks with `debug_redact` is never shown."
        ),
        examples=[["$.order.status"]],
    )
    rules: tuple[Rule, ...] = Field(
        default=(),
        description=(
            "What values may differ in. An entry's rules take the place of those of `defaults`, "
            "which hold wherever an answer has their paths."
        ),
        examples=[[{"path": "$.traceId", "use": "format", "format": "uuid", "reason": "random"}]],
    )
    noise: Noise = Field(
        default=Noise(),
        description="How it is told what legacy shows against itself.",
        examples=[{"control_percent": 5, "reverify_after": "2s"}],
    )
