"""The keys of a shape about programs, for what the other keys cannot say.

Belongs here: the keys, each checked by itself. Does not: what a program may do (`shape.programs`),
whether a route has a use for it, which needs descriptors (`routing`).
"""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.base import Section
from proxy.config.units import DURATION, SIZE, Quantity
from proxy.shape.programs import MAX_PROGRAM, BindingPrograms, Program, check_program


def _program(source: str) -> str:
    try:
        check_program(source)
    except ValueError as error:
        message = "must be a jq program ({why})"
        raise PydanticCustomError("program", message, {"why": str(error)}) from None
    return source


Source = Annotated[str, Field(max_length=MAX_PROGRAM), AfterValidator(_program)]


class Programs(Section):
    """Programs in the language jq, each run for one body. Every one gives exactly one value."""

    request: Source | None = Field(
        default=None,
        description=(
            "Makes of a client's JSON what the rest of the shape reads. What it refuses by "
            "`error(…)` gets 400 with its text."
        ),
        examples=[".order"],
    )
    answer: Source | None = Field(
        default=None,
        description=(
            "Makes the client's JSON of what the rest of the shape has written; of a stream, of "
            "each message. Where it fails, the client gets 502."
        ),
        examples=["{data: .}"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, "1ms", "10s")] = Field(
        default=0.1,
        alias="timeout",
        description="How long one run may take; its process is ended then.",
        examples=["500ms"],
    )
    max_bytes: Annotated[int, Quantity(SIZE, "1KiB", "64MiB")] = Field(
        default=1 << 20,
        description="The most that a program is given, and the most that it may give.",
        examples=["4MiB"],
    )

    @model_validator(mode="after")
    def _some_program(self) -> "Programs":
        if self.model_fields_set and self.request is None and self.answer is None:
            raise PydanticCustomError("no_program", "must have a program: request, answer or both")
        return self


class ShapePrograms(Section):
    """Keys about programs for what keys cannot say."""

    jq: Programs | None = Field(
        default=None,
        description="Programs in the language jq, for what the other keys cannot say.",
        examples=[{"answer": "{data: .}"}],
    )


def binding_programs(section: Programs | None) -> BindingPrograms | None:
    """The programs of a shape as values, None where it has none."""
    if section is None:
        return None
    made = (
        source and Program(source, section.timeout_s, section.max_bytes)
        for source in (section.request, section.answer)
    )
    request, answer = (each or None for each in made)
    return BindingPrograms(request, answer)
