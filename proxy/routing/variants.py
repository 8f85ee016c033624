"""The forms in which one binding answers, by what system parameters ask for, compiled at load.

Belongs here: which parts of a binding are others in which form. Does not: what a query asks for
(`transcoding.system_parameters`).
"""

from collections.abc import Callable
from dataclasses import replace

from proxy.errors import RequestError
from proxy.routing.table import RouteBinding
from proxy.transcoding.body import is_raw
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.request import RequestBuilder
from proxy.transcoding.response import ResponseRenderer
from proxy.transcoding.streams import StreamChoice
from proxy.transcoding.system_parameters import HONOURED, AnswerForm, Asked, Variants

#: Makes the builder of a binding's requests that reads JSON by some options.
MakeBuilder = Callable[[JsonOptions], RequestBuilder]


class VariantCompiler:
    """Compiles the variants of one binding.

    *codecs_of* gives the codecs for options of JSON, *builder_of* the builder of its requests.
    *by_alt* says that `google.api.HttpBody` is JSON for who asks so.
    """

    def __init__(
        self,
        target: RouteBinding,
        *,
        codecs_of: Callable[[JsonOptions], Codecs],
        builder_of: MakeBuilder,
        by_alt: bool,
    ) -> None:
        self._target = target
        self._codecs_of = codecs_of
        self._builder_of = builder_of
        self._form = AnswerForm(
            streams=target.route.cardinality.response_streams,
            has_media=target.response.raw or (by_alt and is_raw(target.binding)),
            is_media_always=target.response.raw and not by_alt,
        )

    def compile(self) -> RouteBinding:
        """The binding with its variants."""
        request = self._target.request
        by_asked = {asked: self._variant(asked) for asked in self._form.all()}
        taken = [name for name in HONOURED if _is_field(request, name)]
        limit = request.options.max_parameters
        return replace(self._target, variants=Variants(self._form, by_asked, taken, limit))

    def _variant(self, asked: Asked) -> RouteBinding:
        usual = self._target.response.options
        options = replace(
            usual,
            enums_as_numbers=usual.enums_as_numbers or asked.enums_as_numbers,
            http_bodies=asked.is_json,
        )
        response = ResponseRenderer.compile(self._target.binding, self._codecs_of(options))
        streams = StreamChoice.compile("sse", by_accept=False) if asked.as_events else None
        return replace(
            self._target,
            response=response.indented() if asked.is_indented else response,
            request=self._builder_of(options) if asked.is_json else self._target.request,
            streams_as=streams,
        )


def _is_field(request: RequestBuilder, name: str) -> bool:
    """Whether a parameter of that name gives, or was meant to give, a field of the request."""
    try:
        return request.query.meaning(name) is not None
    except RequestError:
        return True
