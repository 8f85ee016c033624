"""The keys of a shape about the JSON of messages: names, forms and places of fields, envelopes.

Belongs here: the keys, each checked by itself. Does not: what they mean for a message, which needs
descriptors (`shape`).
"""

from typing import Literal

from pydantic import Field

from proxy.config.base import Section

CaseNames = Literal["json", "proto", "snake", "camel", "pascal", "kebab"]


class ShapeValues(Section):
    """Keys about the JSON of messages."""

    names: CaseNames | None = Field(
        default=None,
        description="The case of field names; without it as the option `names` of the route says.",
        examples=["snake"],
    )
