"""Shapes in the configuration: a route's own, and named ones that routes share.

Belongs here: the section put together from its parts, and which of several values counts. Does
not: the keys, which stand with their subject.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from proxy.config.base import NonEmpty, Section
from proxy.config.shape_errors import ShapeErrors
from proxy.config.shape_outcomes import ShapeOutcomes
from proxy.config.shape_programs import ShapePrograms
from proxy.config.shape_requests import ShapeRequests
from proxy.config.shape_values import ShapeValues


class Profile(ShapeValues, ShapeRequests, ShapeOutcomes, ShapeErrors, ShapePrograms):
    """A named shape, for any number of routes."""


class Shape(Profile):
    """How the legacy JSON of routes differs from ProtoJSON."""

    profile: NonEmpty | None = Field(
        default=None,
        description="Name of one of `profiles`, whose keys count where this shape gives none.",
        examples=["cloud-v4"],
    )


def shape_of(
    route: Shape | None, defaults: Shape | None, profiles: Mapping[str, Profile]
) -> Profile | None:
    """The shape of a route, None when it has none.

    Its own keys come first, then those of its profile (or else of the profile of `defaults`), then
    those of `defaults`. Of keys that are mappings, the keys inside are taken one by one.
    """
    given = [shape for shape in (route, defaults) if shape is not None]
    name = next((shape.profile for shape in given if shape.profile is not None), None)
    profile = None if name is None else profiles.get(name)
    layers: list[Profile] = [*given]
    if profile is not None:
        layers.insert(1 if route is not None else 0, profile)
    values: dict[str, Any] = {}
    for layer in reversed(layers):
        for key in layer.model_fields_set - {"profile"}:
            values[key] = _laid_over(values.get(key), getattr(layer, key))
    return Profile().model_copy(update=values) if layers else None


def _laid_over(below: Any, above: Any) -> Any:
    """*above*, with what only *below* has where both are mappings."""
    if isinstance(below, dict) and isinstance(above, dict):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = _laid_over(below.get(key), value)
        return merged
    if isinstance(below, Section) and type(below) is type(above):
        given = {key: getattr(above, key) for key in above.model_fields_set}
        return below.model_copy(
            update={key: _laid_over(getattr(below, key), value) for key, value in given.items()}
        )
    return above
