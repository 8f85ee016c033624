"""Styles: which source is generated for a type, for those who write and read it otherwise.

Belongs here: the seam, and ProtoJSON's own style. Does not: the source itself (`printer_source`,
`parser_source`), other styles.
"""

from typing import Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.transcoding.protojson import parser_source, printer_source
from proxy.transcoding.protojson.options import JsonOptions
from proxy.transcoding.protojson.parser_source import References


class Style(Protocol):
    """Generates the source for ordinary message types and for the values of fields.

    What a function is made from is the type and the style alone, so that two types of two pools
    that have the same source can share what was compiled from it.
    """

    def printer(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the printer of a message type, `function(m, depth)`."""
        ...

    def expression(self, field: FieldDescriptor, refs: References) -> str:
        """Python for what a field's value `v` is written as."""
        ...

    def parser(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the parser of a message type, `function(o, m, depth)`."""
        ...

    def field_parser(self, field: FieldDescriptor, function: str, refs: References) -> str:
        """The source of the parser of one field's value, `function(v, m, depth)`."""
        ...


class ProtoJson:
    """The style of ProtoJSON under options of the codec."""

    def __init__(self, options: JsonOptions) -> None:
        self._options = options

    def __repr__(self) -> str:
        return f"<ProtoJson {self._options}>"

    def printer(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the printer of a message type."""
        return printer_source.printer_source(descriptor, function, refs, self._options)

    def expression(self, field: FieldDescriptor, refs: References) -> str:
        """Python for what a field's value `v` is written as."""
        return printer_source.expression(field, refs, self._options)

    def parser(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the parser of a message type."""
        return parser_source.parser_source(descriptor, function, refs, self._options)

    def field_parser(self, field: FieldDescriptor, function: str, refs: References) -> str:
        """The source of the parser of one field's value."""
        return parser_source.field_parser_source(field, function, refs, self._options)
