"""What writes the errors of routes, compiled once for all that write them alike.

Belongs here: what of a route and its shape a renderer is made from. Does not: the forms of errors
(`shape.errors`).
"""

from collections.abc import Iterator, Sequence

from google.protobuf.descriptor_pool import DescriptorPool

from proxy.config.error_values import error_options
from proxy.config.outcome_policy import outcome_options
from proxy.config.resolved_route import ResolvedRoute
from proxy.config.shape_options import shape_options
from proxy.shape.errors.fields import RequestFields
from proxy.shape.errors.options import ErrorOptions
from proxy.shape.errors.readable import LegacyPath
from proxy.shape.errors.renderer import ErrorRenderer
from proxy.shape.layout import Layouts
from proxy.shape.options import ShapeOptions
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson.options import JsonOptions


class ErrorRenderers:
    """Makes the renderers of one schema's routes; most routes share one."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._shared: dict[tuple[ErrorOptions, bool], ErrorRenderer] = {}
        self._layouts: dict[tuple[ShapeOptions, JsonOptions], Layouts] = {}

    def __repr__(self) -> str:
        return f"<ErrorRenderers {len(self._shared)} shared>"

    def of(self, bindings: Sequence[Binding], options: ResolvedRoute) -> ErrorRenderer:
        """The renderer of the route with these *bindings*."""
        keys = None if options.shape is None else options.shape.errors
        asked = error_options(options.answers, keys, reveal_upstream=options.reveal_internal_errors)
        streams = bindings[0].cardinality.response_streams
        enveloped = streams and options.answers.stream_envelope == "result"
        legacy_path = self._legacy_path(bindings, options)
        if legacy_path is not None:
            return ErrorRenderer(asked, self._pool, legacy_path, enveloped=enveloped)
        found = self._shared.get((asked, enveloped))
        if found is None:
            found = ErrorRenderer(asked, self._pool, enveloped=enveloped)
            self._shared[asked, enveloped] = found
        return found

    def _legacy_path(
        self, bindings: Sequence[Binding], options: ResolvedRoute
    ) -> LegacyPath | None:
        """Gives the paths of fields as clients know them; None where all have their proto names."""
        shape = shape_options(options.shape)
        if shape is None:
            return None
        key = shape.messages, JsonOptions(names=options.names)
        layouts = self._layouts.get(key)
        if layouts is None:
            layouts = self._layouts[key] = Layouts(*key)
        return RequestFields(layouts, bindings, _parameters(shape, options)).path


def _parameters(shape: ShapeOptions, options: ResolvedRoute) -> Iterator[tuple[str, str]]:
    """The query parameters with names of their own, and the fields that they give."""
    if shape.requests is not None:
        yield from shape.requests.query.renames
    outcomes = outcome_options(options.shape)
    if outcomes is None or outcomes.paging is None:
        return
    paging = outcomes.paging
    if paging.per_page is not None:
        yield paging.per_page, paging.size
    yield from ((paging.page, field) for field in (paging.skip, paging.token) if field is not None)
