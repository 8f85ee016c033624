"""Codecs of legacy JSON: as those of ProtoJSON, under a shape.

Belongs here: the codecs of a pool, and what prints whole answers. Does not: the generated source
(`style`), where things stand (`layout`).
"""

from collections.abc import Callable, Mapping
from types import CodeType, MappingProxyType
from typing import Any, Final

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.shape.envelope import envelope_source
from proxy.shape.layout import Layouts
from proxy.shape.options import Envelope, ShapeOptions
from proxy.shape.style import ShapedStyle
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.protojson.codec import UNPRINTABLE, unprintable
from proxy.transcoding.protojson.kinds import children

#: Values of holes that are no fields, by their names: `@page`.
Values = Mapping[str, Any]
NO_VALUES: Final[Values] = MappingProxyType({})


class ShapedCodecs(Codecs):
    """The codecs of one pool under one shape; each is made once and kept."""

    def __init__(
        self,
        pool: DescriptorPool,
        options: JsonOptions,
        shape: ShapeOptions,
        known: Mapping[str, CodeType] = MappingProxyType({}),
    ) -> None:
        self.layouts = Layouts(shape.messages, options)
        self._style = ShapedStyle(self.layouts)
        super().__init__(pool, options, known, self._style)
        self.shape = shape.messages

    def __repr__(self) -> str:
        return f"<ShapedCodecs {super().__repr__()}>"

    def enveloped(
        self, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
    ) -> Callable[[Message, Values | None], bytes]:
        """What prints an answer in its envelope: the message, or its field *field*.

        Raises `ValueError` for a hole that names no field.
        """
        source = envelope_source(self._style, message, field, envelope)
        fill = self._shared.program.function(
            source.name, source.text, [*children(message), message]
        )

        def print_enveloped(answer: Message, values: Values | None = None) -> bytes:
            try:
                return orjson.dumps(fill(answer, values or NO_VALUES))
            except UNPRINTABLE as error:
                raise unprintable(message.full_name, error) from error

        return print_enveloped
