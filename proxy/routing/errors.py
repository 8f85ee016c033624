"""What writes the errors of routes, compiled once for all that write them alike.

Belongs here: what of a route and its shape a renderer is made from. Does not: the forms of errors
(`shape.errors`).
"""

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.config.error_values import error_options
from proxy.config.resolved_route import ResolvedRoute
from proxy.config.shape_options import shape_options
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

    def of(self, binding: Binding, options: ResolvedRoute) -> ErrorRenderer:
        """The renderer of the route of *binding*, which any of its bindings may be."""
        keys = None if options.shape is None else options.shape.errors
        asked = error_options(options.answers, keys, reveal_upstream=options.reveal_internal_errors)
        streams = binding.cardinality.response_streams
        enveloped = streams and options.answers.stream_envelope == "result"
        legacy_path = self._legacy_path(binding.method.input_type, options)
        if legacy_path is not None:
            return ErrorRenderer(asked, self._pool, legacy_path, enveloped=enveloped)
        found = self._shared.get((asked, enveloped))
        if found is None:
            found = ErrorRenderer(asked, self._pool, enveloped=enveloped)
            self._shared[asked, enveloped] = found
        return found

    def _legacy_path(self, message: Descriptor, options: ResolvedRoute) -> LegacyPath | None:
        """Gives the paths of fields of *message* as clients know them; None where none differs."""
        shape = shape_options(options.shape)
        if shape is None:
            return None
        key = shape.messages, JsonOptions(names=options.names)
        layouts = self._layouts.get(key)
        if layouts is None:
            layouts = self._layouts[key] = Layouts(*key)
        # A field that is dropped has no legacy path, and one that is flattened none of its own.
        return lambda path: layouts.path(message, path) or path
