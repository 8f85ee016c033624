"""Codecs of legacy JSON: as those of ProtoJSON, under a shape.

Belongs here: the codecs of a pool, and what prints whole answers. Does not: the generated source
(`style`), where things stand (`layout`).
"""

from collections.abc import Callable, Mapping
from copy import copy
from types import CodeType, MappingProxyType
from typing import Any, Final

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from proxy.shape.envelope import envelope_source, values_asked
from proxy.shape.layout import Layouts
from proxy.shape.options import Envelope, ShapeOptions
from proxy.shape.shells import Shell
from proxy.shape.style import ShapedStyle
from proxy.shape.unknown import ShapedUnknown
from proxy.shape.unshape import Entries, ShapedParser
from proxy.shape.unwrap import UnwrappingCodec, unwrapping_source
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.protojson.codec import UNPRINTABLE, Values, unprintable
from proxy.transcoding.protojson.kinds import reachable

NO_VALUES: Final[Values] = MappingProxyType({})


def codecs_of(
    pool: DescriptorPool,
    options: JsonOptions,
    shape: ShapeOptions | None,
    known: Mapping[str, CodeType] = MappingProxyType({}),
) -> Codecs:
    """The codecs of a pool under a shape, those of ProtoJSON without one."""
    if shape is None:
        return Codecs(pool, options, known)
    return ShapedCodecs(pool, options, shape, known)


class ShapedCodecs(Codecs):
    """The codecs of one pool under one shape; each is made once and kept.

    Answers are printed in its envelope; bodies of messages and fields are without one.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        options: JsonOptions,
        shape: ShapeOptions,
        known: Mapping[str, CodeType] = MappingProxyType({}),
    ) -> None:
        self.layouts = Layouts(shape.messages, options)
        self._style = ShapedStyle(self.layouts)
        self._shape = shape
        self.entries = Entries(self.layouts)
        self._parser = ShapedParser(pool, options, self.entries)
        super().__init__(
            pool, options, known, self._style, self._parser, ShapedUnknown(self.entries)
        )

    def __repr__(self) -> str:
        return f"<ShapedCodecs {super().__repr__()}>"

    @property
    def shape(self) -> ShapeOptions:
        """The whole shape."""
        return self._shape

    def enclosing(self, shape: ShapeOptions) -> "ShapedCodecs":
        """The same codecs with the envelopes of *shape*, which must agree in all else."""
        if shape.messages != self._shape.messages:
            raise ValueError("the shapes differ in more than their envelopes")
        other = copy(self)
        other._shape = shape
        return other

    def answer(
        self, message: Descriptor, field: FieldDescriptor | None, *, streams: bool
    ) -> "EnvelopePrinter | None":
        """What prints answers in their envelope, None where there is none.

        Raises `ValueError` for a hole that names no field.
        """
        envelope = self._shape.answer
        if envelope is None or (streams and not envelope.each):
            return None
        return self._enclosed(message, field, envelope)

    def _enclosed(
        self, message: Descriptor, field: FieldDescriptor | None, envelope: Envelope
    ) -> "EnvelopePrinter":
        source = envelope_source(self._style, message, field, envelope)
        needs = reachable(message)
        fill = self._shared.program.function(source.name, source.text, needs)
        return EnvelopePrinter(message, envelope, fill)

    def enclosed_request(
        self, message: Descriptor, field: FieldDescriptor | None
    ) -> "EnvelopePrinter | None":
        """What prints requests as clients send them in their envelope, None where there is none."""
        return (
            None
            if self._shape.request is None
            else self._enclosed(message, field, self._shape.request)
        )

    def unwrapping(
        self, message: Descriptor, field: FieldDescriptor | None
    ) -> UnwrappingCodec | None:
        """What reads requests in their envelope, None where there is none.

        *field* is the part of the message that is the body by its rule. Raises `ValueError` for an
        envelope that cannot be taken off.
        """
        if self._shape.request is None:
            return None
        shell = Shell(message, field, self._shape.request)
        read = self._shared.program.function(
            shell.name,
            lambda refs: unwrapping_source(shell, self._style.reading(refs), refs),
            reachable(message),
            reads=True,
        )
        return UnwrappingCodec(shell, self._shared, self._parser, read)


class EnvelopePrinter:
    """Writes answers of one type in their envelope."""

    def __init__(
        self, message: Descriptor, envelope: Envelope, fill: Callable[[Message, Values], Any]
    ) -> None:
        self.asks = values_asked(envelope)
        self._name = message.full_name
        self._fill = fill

    def __repr__(self) -> str:
        return f"<EnvelopePrinter of {self._name}>"

    def print(self, answer: Message, values: Values | None = None) -> bytes:
        """The JSON of an answer. Raises `DecodeFailure` when it has none."""
        try:
            return orjson.dumps(self._fill(answer, NO_VALUES if values is None else values))
        except UNPRINTABLE as error:
            raise unprintable(self._name, error) from error
