"""What bindings with the same JSON share: codecs, and the names of fields.

Belongs here: these tables, and taking them from a snapshot before. Does not: bindings (`compiled`).
"""

from collections.abc import Mapping
from types import CodeType, MappingProxyType
from typing import Final, NamedTuple

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.shape.codecs import ShapedCodecs, codecs_of
from proxy.shape.options import ShapeOptions
from proxy.shape.requests import field_tables, request_builder
from proxy.transcoding.binding import Binding
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.texts import TextForms

_NO_CODES: Final[Mapping[str, CodeType]] = MappingProxyType({})


class TableKey(NamedTuple):
    """What the tables follow from, beside the pool."""

    json: JsonOptions
    shape: ShapeOptions | None


class JsonTables:
    """What bindings with the same JSON options share: codecs, and fields by how texts are read."""

    __slots__ = ("_fields", "codecs")

    def __init__(self, codecs: Codecs) -> None:
        self.codecs = codecs
        self._fields: dict[TextForms, FieldTables] = {}

    def __repr__(self) -> str:
        return f"<JsonTables of {self.codecs!r}>"

    def fields(self, texts: TextForms) -> FieldTables:
        """The names of fields, with readers of *texts*."""
        found = self._fields.get(texts)
        if found is None:
            found = self._fields[texts] = field_tables(self.codecs, texts)
        return found

    def builder(self, binding: Binding, options: RequestOptions) -> RequestBuilder:
        """The builder of a binding's requests."""
        return request_builder(binding, self.codecs, options, self.fields(options.texts))


class TableMaker:
    """Makes the tables of one pool, each once.

    *before* are those of an earlier snapshot with the same pool; *known* those of one with another,
    from which the code of functions is taken whose source is the same.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        before: Mapping[TableKey, JsonTables],
        known: Mapping[TableKey, JsonTables],
    ) -> None:
        self._pool = pool
        self._before = before
        self._known = known
        #: The tables that were asked for.
        self.made: dict[TableKey, JsonTables] = {}

    def __repr__(self) -> str:
        return f"<TableMaker {len(self.made)} tables>"

    def of(self, options: JsonOptions, shape: ShapeOptions | None = None) -> JsonTables:
        """The tables for the options of JSON and a shape."""
        key = TableKey(options, shape)
        tables = self.made.get(key)
        if tables is None:
            tables = self.made[key] = self._before.get(key) or JsonTables(self._codecs(key))
        return tables

    def _codecs(self, key: TableKey) -> Codecs:
        """Codecs that differ in their envelopes alone share all that is generated."""
        shape = key.shape
        if shape is not None and shape.messages != shape:
            codecs = self.of(key.json, shape.messages).codecs
            return codecs.enclosing(shape) if isinstance(codecs, ShapedCodecs) else codecs
        known = self._known.get(key)
        codes = _NO_CODES if known is None else known.codecs.codes
        return codecs_of(self._pool, key.json, shape, codes)
