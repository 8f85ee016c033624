"""The style of a shape: the source that codecs of legacy JSON are generated from.

Belongs here: which source is made by whom. Does not: the source (`printer_source`,
`parser_source`).
"""

from dataclasses import replace

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.layout import Layouts
from proxy.shape.parser_source import ParserSource
from proxy.shape.printer_source import PrinterSource
from proxy.transcoding.protojson.parser_source import References
from proxy.transcoding.protojson.style import ProtoJson


class ShapedStyle(ProtoJson):
    """Writes and reads messages by their layouts."""

    def __init__(self, layouts: Layouts) -> None:
        super().__init__(layouts.json)
        self._layouts = layouts
        # Layouts have taken these in: what is left over is ProtoJSON's own form.
        self._plain = replace(layouts.json, int64_as_numbers=False, enums_as_numbers=False)

    def __repr__(self) -> str:
        return f"<ShapedStyle {self._layouts!r}>"

    def source(self, refs: References) -> PrinterSource:
        """What makes the source of printers."""
        return PrinterSource(self._layouts, self._plain, refs)

    def reading(self, refs: References) -> ParserSource:
        """What makes the source of parsers."""
        return ParserSource(self._layouts, self._plain, refs)

    def printer(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the printer of a message type."""
        return self.source(refs).printer(descriptor, function)

    def parser(self, descriptor: Descriptor, function: str, refs: References) -> str:
        """The source of the parser of a message type."""
        return self.reading(refs).parser(descriptor, function)

    def field_parser(self, field: FieldDescriptor, function: str, refs: References) -> str:
        """The source of the parser of one field's value."""
        return self.reading(refs).field_parser(field, function)

    def expression(self, field: FieldDescriptor, refs: References) -> str:
        """Python for what a field's value `v` is written as."""
        return self.source(refs).value(field)
