"""Paths of request fields as clients know them, for whoever tells them what is wrong.

Belongs here: from paths of the request message to those of what a client sends. Does not: names of
fields (`layout`).
"""

from collections.abc import Iterable, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.layout import Layouts
from proxy.transcoding.binding import Binding, Body


class RequestFields:
    """The legacy paths of the fields of one RPC's requests, by all of its *bindings*.

    Where the body is a field of the request by its rule, clients have never heard of that field:
    paths begin inside of it. What the path captures is called as a whole, and so is everything
    where the bindings of an RPC have different bodies. *parameters* are pairs of a query parameter
    that stands for a field by no name of the layout, and of that field's proto path.
    """

    def __init__(
        self,
        layouts: Layouts,
        bindings: Sequence[Binding],
        parameters: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._layouts = layouts
        self._message: Descriptor = bindings[0].method.input_type
        self._captured = frozenset(each.path for b in bindings for each in b.variables)
        self._body = _body_of(bindings)
        has_query = any(each.body is not Body.WHOLE for each in bindings)
        self._parameters = tuple(parameters) if has_query else ()

    def __repr__(self) -> str:
        return f"<RequestFields of {self._message.full_name}>"

    def path(self, path: str) -> str:
        """The legacy path of a proto path, "" for the whole body.

        A path that leads nowhere stays as it is; so does that of a field which is dropped, or is
        itself flattened.
        """
        legacy = self._layouts.path(self._message, path) or path
        if path in self._captured:
            return legacy
        body = None if self._body is None else self._body.name
        if body is None or not _is_in(path, body):
            return self._parameter(path) or legacy
        key = self._layouts.path(self._message, body)
        if path == body:
            return ""
        return legacy[len(key) :].removeprefix(".") if key and _is_in(legacy, key) else legacy

    def _parameter(self, path: str) -> str | None:
        """The same path below the parameter that its field, or one around it, is given by."""
        for name, field in self._parameters:
            if _is_in(path, field):
                return name + path[len(field) :]
        return None


def _body_of(bindings: Sequence[Binding]) -> FieldDescriptor | None:
    """The field that is the body of every request that has one; None where there is none such."""
    bodies = [each.body for each in bindings]
    fields = {each.name: each for each in bodies if isinstance(each, FieldDescriptor)}
    if len(fields) != 1 or not all(isinstance(each, FieldDescriptor) for each in bodies):
        return None
    return next(iter(fields.values()))


def _is_in(path: str, around: str) -> bool:
    """Whether *path* is *around* or leads into it."""
    return path.startswith(around) and path[len(around) : len(around) + 1] in ("", ".", "[")
