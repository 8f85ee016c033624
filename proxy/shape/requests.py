"""Builders of request messages, under a shape or without one.

Belongs here: which readers a binding's builder has. Does not: the readers themselves (`unwrap`,
`queries`, `form_bodies`), the order of sources (`transcoding.request`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from proxy.shape.codecs import ShapedCodecs
from proxy.shape.form_bodies import FormLeaves, FormReader, form_reading
from proxy.shape.leaves import shaped_leaves
from proxy.shape.queries import ShapedQueryBinder, ShapedTables
from proxy.shape.request_checks import form_fault, rename_fault, shell_fault
from proxy.shape.request_options import FormBodies, RequestShape
from proxy.shape.urls import OVERRIDABLE
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import body_reader, json_body
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.parameters import FieldTables
from proxy.transcoding.protojson import Codecs
from proxy.transcoding.query import QueryBinder
from proxy.transcoding.request import (
    Readers,
    RequestBuilder,
    names_fields,
    taken,
)
from proxy.transcoding.request_options import RequestOptions
from proxy.transcoding.texts import TextForms


def field_tables(codecs: Codecs, texts: TextForms) -> FieldTables:
    """The tables of fields for all bindings that share *codecs* and *texts*."""
    if isinstance(codecs, ShapedCodecs):
        return ShapedTables(codecs, codecs.layouts, texts)
    return FieldTables(codecs, texts)


def request_builder(
    binding: Binding,
    codecs: Codecs,
    options: RequestOptions | None = None,
    tables: FieldTables | None = None,
) -> RequestBuilder:
    """Compile the builder of a binding's requests; *tables* are of `field_tables`.

    Raises `ValueError` as `RequestBuilder.compile` does, and for a shape that does not fit.
    """
    options = options or RequestOptions()
    tables = tables or field_tables(codecs, options.texts)
    readers = None
    if isinstance(codecs, ShapedCodecs) and isinstance(tables, ShapedTables):
        readers = _readers(binding, codecs, options, tables)
    return RequestBuilder.compile(binding, codecs, options, tables, readers)


def _readers(
    binding: Binding, codecs: ShapedCodecs, options: RequestOptions, tables: ShapedTables
) -> Readers:
    shape = codecs.shape.requests or RequestShape()
    message, body = binding.method.input_type, binding.body
    field = body if isinstance(body, FieldDescriptor) else None
    fits = shell_fault(binding, codecs.shape) is None
    unwrapping = codecs.unwrapping(message, field) if fits else None
    if unwrapping is None:
        read = body_reader(binding, codecs, options)
    else:
        read = json_body(binding, unwrapping.parse, options)
    shell = None if unwrapping is None else unwrapping.shell
    leaves = shaped_leaves(binding, codecs.entries, shell)
    taken_forms = shape.forms if form_fault(binding) is None else None
    if body is Body.NONE and shape.control_forms and binding.http_method in OVERRIDABLE:
        taken_forms = FormBodies()
    if taken_forms is not None:
        forms = FormReader(binding, tables, shape, taken_forms, options)
        make: Callable[[], Any] = message_class(message)
        read = form_reading(forms, make, read)
        leaves = FormLeaves(forms, "" if field is None else f"{field.name}.", leaves)
    return Readers(read, _query(binding, shape, options, tables), leaves)


def _query(
    binding: Binding, shape: RequestShape, options: RequestOptions, tables: ShapedTables
) -> QueryBinder:
    message = binding.method.input_type if names_fields(binding, options) else None
    renames = [each for each in shape.query.renames if _fits(binding, each[1])]
    names = tables.legacy_names(message, replace(shape.query, renames=tuple(renames)))
    return ShapedQueryBinder(names, shape, bound=taken(binding, options), options=options)


def _fits(binding: Binding, path: str) -> bool:
    return rename_fault(binding, path, in_forms=False) is None
