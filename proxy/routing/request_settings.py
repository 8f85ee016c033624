"""The settings of a route's requests, from the words of the configuration to what is compiled.

Belongs here: one value from the other. Does not: what a setting does (`transcoding`,
`routing.trie`), the words (`config.request_dialect`).
"""

from typing import NamedTuple

from proxy.config.resolved import ResolvedRoute
from proxy.routing.table import Manners
from proxy.transcoding.binding import Binding
from proxy.transcoding.percent import Unescape
from proxy.transcoding.request_options import RequestOptions
from proxy.transcoding.texts import TextForms


def request_options(route: ResolvedRoute, max_parameters: int) -> RequestOptions:
    """How the builders of a route read requests."""
    rows = route.requests
    return RequestOptions(
        unknown_parameters=rows.unknown_parameters or route.unknown_fields,
        max_parameters=max_parameters,
        plus_is_space=rows.plus == "space",
        keeps_bad_escapes=rows.bad_escapes == "keep",
        drops_flags=rows.flag_parameters == "drop",
        takes_last=rows.repeated_parameter == "last",
        merges_query=rows.body_and_query == "merge",
        ignores_collisions=rows.collisions == "ignore",
        any_content_type=rows.content_type == "any",
        unexpected_body=rows.unexpected_body,
        makes_absent_body=rows.absent_body == "empty",
        fill_mask=rows.fill_mask,
        validates=route.validates,
        texts=text_forms(route),
    )


def text_forms(route: ResolvedRoute) -> TextForms:
    """How a route's values are written in path and query."""
    rows = route.requests
    return TextForms(
        bools=rows.bool_texts,
        numbers=rows.number_texts,
        durations=rows.duration_texts,
        masks=rows.mask_paths,
        values=rows.value_texts,
        enums=rows.enum_texts,
        enum_numbers=rows.enum_numbers,
        maps=rows.maps_in_query == "accept",
        inside_well_known=rows.well_known_fields == "accept",
    )


def manners(route: ResolvedRoute) -> Manners:
    """What a route does with methods that it has no binding for, and with client timeouts."""
    rows = route.requests
    return Manners(
        mismatch_status=rows.method_mismatch,
        answers_options=rows.options == "allow",
        honours_timeout=rows.client_timeout == "honour",
    )


def takes_forms(route: ResolvedRoute, binding: Binding) -> bool:
    """Whether a POST with a form may stand for a request of *binding*."""
    mode, http_method = route.requests.method_override, binding.http_method
    return http_method == "GET" if mode == "get" else mode == "any" and http_method != "POST"


class PathSettings(NamedTuple):
    """How a route's paths are matched: the arguments of `MatcherBuilder.add`."""

    unescape: Unescape
    ignore_trailing_slash: bool
    keeps_bad_escapes: bool
    decodes_first: bool
    answers_head: bool


def path_settings(route: ResolvedRoute, binding: Binding) -> PathSettings:
    """The settings of one binding of a route."""
    rows = route.requests
    decodes_first = rows.unescape == "before_split"
    unescape = Unescape.ALL if decodes_first else Unescape(rows.unescape)
    return PathSettings(
        unescape=unescape.with_full_expansion(binding.fully_decode_reserved_expansion),
        ignore_trailing_slash=route.trailing_slash == "ignore",
        keeps_bad_escapes=rows.bad_escapes == "keep",
        decodes_first=decodes_first,
        answers_head=rows.head == "get",
    )
