"""How the bodies of a binding are written, as its route's options have it.

Belongs here: from options to what comparisons go by. Does not: comparing (`comparison`).
"""

from proxy.comparison.legacy_plans import Written
from proxy.config.resolved import ResolvedRoute
from proxy.config.shape_options import shape_options
from proxy.config.shape_programs import binding_programs
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson import JsonOptions
from proxy.transcoding.response import is_raw_answer


def written_of(
    options: ResolvedRoute, binding: Binding, json: JsonOptions | None = None
) -> Written | None:
    """How the bodies of a binding are written, None for ProtoJSON.

    *json* are the options of its codecs; without them those that names and forms follow from.
    """
    if options.shape is None:
        return None
    shape, programs = shape_options(options.shape), binding_programs(options.shape.jq)
    has_program = programs is not None and programs.answer is not None
    by_program = has_program and not is_raw_answer(binding)
    if shape is None and not by_program:
        return None
    return Written(json or _json(options), shape, by_program)


def _json(options: ResolvedRoute) -> JsonOptions:
    return JsonOptions(
        names=options.names,
        emit_defaults=options.emit_defaults,
        enums_as_numbers=options.enums_as_numbers,
        int64_as_numbers=options.int64_as_numbers,
    )
