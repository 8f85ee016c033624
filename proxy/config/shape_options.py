"""From the keys of a shape to the options that codecs are made with.

Belongs here: the conversion. Does not: keys (`shape_values`), what they mean (`shape.layout`).
"""

from typing import Any

from proxy.config.shape import Profile
from proxy.config.shape_requests import request_shape
from proxy.config.shape_values import FieldKeys, FormKeys, UnsetAs, Wrapping
from proxy.shape.holes import Document
from proxy.shape.options import (
    Addition,
    EnumTable,
    Envelope,
    FieldShape,
    Forms,
    Group,
    ShapeOptions,
    Substitute,
)


def shape_options(profile: Profile | None) -> ShapeOptions | None:
    """What a shape says of the JSON of messages; None when that is ProtoJSON."""
    if profile is None:
        return None
    options = ShapeOptions(
        names=profile.names,
        forms=_forms(profile.forms),
        fields=tuple(_field(selector, keys) for selector, keys in profile.fields_.items()),
        enums=tuple(EnumTable(name, tuple(t.items())) for name, t in profile.enums.items()),
        groups=tuple(
            Group(selector, key, fields)
            for selector, groups in profile.nest.items()
            for key, fields in groups.items()
        ),
        additions=tuple(
            Addition(selector, key, Document.parse(document))
            for selector, documents in profile.add.items()
            for key, document in documents.items()
        ),
        lossy=frozenset(profile.lossy),
        answer=_envelope(profile.answer),
        request=_envelope(profile.request),
        requests=request_shape(profile),
    )
    return None if options == ShapeOptions() else options


def _forms(keys: FormKeys) -> Forms:
    given: dict[str, Any] = {name: getattr(keys, name) for name in FormKeys.model_fields}
    if isinstance(keys.unset, UnsetAs):
        given["unset"] = Substitute(keys.unset.value)
    return Forms(**given)


def _field(selector: str, keys: FieldKeys) -> FieldShape:
    flatten = {True: "", False: None}[keys.flatten] if isinstance(keys.flatten, bool) else None
    if isinstance(keys.flatten, str):
        flatten = keys.flatten
    return FieldShape(selector, keys.name, keys.also, keys.drop, flatten, _forms(keys))


def _envelope(keys: Wrapping | None) -> Envelope | None:
    if keys is None:
        return None
    return Envelope(Document.parse(keys.body), keys.of, each=getattr(keys, "each", False))
