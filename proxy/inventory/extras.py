"""What a shape takes from requests beside members and parameters that are named as fields.

Belongs here: pages, tags, files of forms, and the fields that these fill. Does not: names of fields
(`names`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.config.shape import Profile
from proxy.transcoding.binding import Binding, Body

#: How a place that is metadata begins.
_METADATA: Final = "@"


@dataclass(frozen=True, slots=True)
class Extras:
    """Those of one route.

    *parameters* of the query are no fields, such as a page; *files* are inputs of multipart forms,
    with the fields that they go into; *fields* are proto paths of the request that are filled by
    such means.
    """

    parameters: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()

    @classmethod
    def of(cls, shape: Profile | None, binding: Binding) -> "Extras":
        """Those of a route with this *shape*."""
        if shape is None:
            return cls()
        parameters = frozenset(filter(None, _parameters(shape)))
        within = "" if isinstance(binding.body, Body) else f"{binding.body.name}."
        forms = {} if shape.form_bodies is None else shape.form_bodies.files
        of_files = (
            f"{within}{path}"
            for each in forms.values()
            for path in (each.into, each.file_name, each.media_type)
            if path is not None
        )
        files = {name: each.into for name, each in forms.items()}
        return cls(parameters, files, frozenset({*_fields(shape), *of_files}))


def _parameters(shape: Profile) -> Iterator[str | None]:
    if shape.paging is not None:
        yield from (shape.paging.page, shape.paging.per_page)
    if shape.urls is not None and shape.urls.method_override is not None:
        yield shape.urls.method_override.parameter


def _fields(shape: Profile) -> Iterator[str]:
    if shape.paging is not None:
        place = shape.paging.skip or shape.paging.token
        yield from (shape.paging.size, place)
    tag = None if shape.etag is None else shape.etag.if_match
    if tag is not None and not tag.startswith(_METADATA):
        yield tag
