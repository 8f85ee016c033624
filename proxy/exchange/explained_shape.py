"""What the shape of a route does to a request, to its answer and to its errors, for people.

Belongs here: the steps in the order in which an exchange takes them. Does not: layouts in words
(`shape.described`), the rest of an explanation (`explanation`).
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson
from google.protobuf.descriptor import Descriptor

from proxy.config.base import Section
from proxy.config.resolved import Config, ResolvedRoute
from proxy.config.shape import Profile
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import Found, RouteBinding
from proxy.shape.described import (
    Part,
    ShapeStep,
    document_text,
    envelope_step,
    layout_steps,
    text_with_holes,
)
from proxy.shape.holes import Document, Text
from proxy.shape.layout import Layouts
from proxy.shape.options import ShapeOptions
from proxy.shape.outcomes.paging import Paging
from proxy.transcoding.body import takes_json

#: Keys of a shape about the status, headers and pages of answers.
_OUTCOMES: Final = ("status", "headers", "etag", "paging", "base_url")
#: How errors are written where nobody asks for another form.
_USUAL_ERRORS: Final = "status"


def shape_steps(snapshot: Snapshot, found: Found, query: str) -> tuple[ShapeStep, ...]:
    """What the route's settings make of the JSON and HTTP that ProtoJSON and `spec` would have.

    *query* is the request's, raw. Nothing where nothing is mapped.
    """
    binding = found.binding
    if binding is None:
        return ()
    options = snapshot.config.options_for(binding.route.rpc)
    return (
        *_profile(snapshot.config, options),
        *(ShapeStep("request", "urls", "", str(quirk)) for quirk in found.quirks),
        *_request(binding, query),
        *_answer(binding, options.shape),
        *_errors(options),
    )


def _profile(config: Config, options: ResolvedRoute) -> Iterator[ShapeStep]:
    """The profile that the shape is of, if it is of one."""
    settings = config.settings
    entries = (each.shape for each in settings.routes if each.rpc == options.rpc)
    layers = (next(entries, None), settings.defaults.shape)
    name = next((each.profile for each in layers if each is not None and each.profile), None)
    if name is not None and options.shape is not None:
        yield ShapeStep("request", "profile", "", name)


def _request(binding: RouteBinding, query: str) -> Iterator[ShapeStep]:
    builder = binding.request
    if binding.programs is not None and binding.programs.request is not None:
        yield ShapeStep("request", "jq", "", binding.programs.request.source)
    if isinstance(builder.shape, ShapeOptions) and takes_json(binding.binding):
        layouts = Layouts(builder.shape.messages, builder.json_options)
        yield from envelope_step("request", builder.shape.request)
        yield from layout_steps("request", layouts, binding.binding.method.input_type)
    for name, _, parameter in builder.query.meanings(query):
        if parameter is not None and parameter.key is None:
            usual = _spellings(binding.binding.method.input_type, parameter.path)
            if name not in usual:
                yield ShapeStep("request", "query", name, parameter.path)
    if binding.outcomes is not None and binding.outcomes.paging is not None:
        yield from _paging(binding.outcomes.paging, query)


def _paging(paging: Paging, query: str) -> Iterator[ShapeStep]:
    """What becomes of the parameters of pages that a query has."""
    place = paging.fields.skip or paging.fields.token
    fields = {paging.options.page: place, paging.options.per_page: paging.fields.size}
    for name in dict.fromkeys(unquote_plus(part.partition("=")[0]) for part in query.split("&")):
        field = fields.get(name)
        if field is not None:
            is_read = paging.walks and field is place
            text = "by reading the pages before it" if is_read else field.leaf.name
            yield ShapeStep("request", "paging", name, text)


def _spellings(message: Descriptor, path: str) -> tuple[str, str]:
    """How the two names of a field at a proto path are written in a query without a shape."""
    names, at = list[str](), message
    for name in path.split("."):
        field = at.fields_by_name[name]
        names.append(field.json_name)
        at = field.message_type or at
    return path, ".".join(names)


def _answer(binding: RouteBinding, profile: Profile | None) -> Iterator[ShapeStep]:
    renderer = binding.response
    if isinstance(renderer.shape, ShapeOptions) and not renderer.raw:
        layouts = Layouts(renderer.shape.messages, renderer.options)
        yield from layout_steps("answer", layouts, binding.binding.method.output_type)
        yield from envelope_step("answer", renderer.shape.answer)
    if binding.programs is not None and binding.programs.answer is not None:
        yield ShapeStep("answer", "jq", "", binding.programs.answer.source)
    if profile is not None and binding.outcomes is not None:
        yield from _given("answer", profile, _OUTCOMES)


def _errors(options: ResolvedRoute) -> Iterator[ShapeStep]:
    keys = None if options.shape is None else options.shape.errors
    if keys is None or keys.body is None:
        form = options.answers.error_format
        if form != _USUAL_ERRORS:
            yield ShapeStep("error", "error_format", "", form)
    if keys is not None:
        yield from _given("error", keys, type(keys).model_fields)


def _given(part: Part, section: Section, names: Any) -> Iterator[ShapeStep]:
    """Those keys of a section that are given, each with its value as JSON."""
    for name in names:
        value = getattr(section, name)
        if name in section.model_fields_set and value is not None:
            yield ShapeStep(part, name, "", _text(value))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(_plain(value)).decode()


def _plain(value: Any) -> Any:
    """A value of the configuration as JSON, of a section what is given."""
    if isinstance(value, Document):
        return orjson.loads(document_text(value))
    if isinstance(value, Text):
        return text_with_holes(value)
    if isinstance(value, Section):
        given = sorted(value.model_fields_set)
        return {name: _plain(getattr(value, name)) for name in given}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [*map(_plain, value)] if isinstance(value, tuple | list | frozenset) else value
