"""Where every field of a request came from: what `explain` shows to people.

Belongs here: the account of one request. Does not: binding it, which the same compiled
`RequestBuilder` does that serves requests.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from proxy.transcoding.body import is_raw
from proxy.transcoding.request import RequestBuilder

#: What can give a field. "mask" is the mask that is filled from a PATCH body.
Source = Literal["path", "query", "body", "mask"]


class FieldOrigin(NamedTuple):
    """One field that a request set. *path* is the dotted proto path, with `[key]` in a map.

    *text* is what was given: the decoded text of path and query, the JSON of a body's leaf (bare
    when it is a string), the paths of a filled mask.
    """

    path: str
    source: Source
    text: str


def explain_request(
    builder: RequestBuilder,
    captures: Sequence[str],
    query: str,
    body: bytes,
    content_type: str | None,
) -> tuple[FieldOrigin, ...]:
    """Where the fields of a request come from, by source: path, body, query, mask.

    A field that two sources gave alike is named once, for the source that wins. Raises
    `RequestError` as serving the request would.
    """
    message = builder.build(captures, query, body, content_type).message
    origins = [
        FieldOrigin(variable.parameter.path, "path", capture)
        for variable, capture in zip(builder.variables, captures, strict=True)
    ]
    taken = {origin.path for origin in origins}
    given = _from_body(builder, body, content_type)
    origins += (origin for origin in given if origin.path not in taken)
    origins += _from_query(builder, query)
    origins += _from_mask(builder, message, {origin.path for origin in origins}, body)
    return tuple(origins)


def _from_body(
    builder: RequestBuilder, body: bytes, content_type: str | None
) -> Iterator[FieldOrigin]:
    if not body:
        return
    if builder.leaves is not None:
        for leaf in builder.leaves.of(body, content_type):
            yield FieldOrigin(builder.leaves.prefix + leaf.path, "body", _text(leaf.value))
    else:
        selector = builder.binding.body
        name = selector.name if isinstance(selector, FieldDescriptor) else "*"
        raw = is_raw(builder.binding) and not builder.json_options.http_bodies
        yield FieldOrigin(name, "body", f"{len(body)} bytes" if raw else body.decode())


def _from_query(builder: RequestBuilder, query: str) -> Iterator[FieldOrigin]:
    for _, text, parameter in builder.query.meanings(query):
        if parameter is not None and not builder.query.owner(parameter):
            entry = "" if parameter.key is None else f"[{parameter.key}]"
            yield FieldOrigin(parameter.path + entry, "query", text)


def _from_mask(
    builder: RequestBuilder, message: Any, given: Collection[str], body: bytes
) -> Iterator[FieldOrigin]:
    filler = builder.mask
    if body and filler is not None and filler.name not in given:
        yield FieldOrigin(filler.name, "mask", ",".join(getattr(message, filler.name).paths))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
