"""Forms in place of JSON: their inputs into the fields of a message, their files into bytes.

Belongs here: which part of a form is which field, and setting it. Does not: reading a form
(`bodies`), names and texts (`queries`).

The inputs of a form are for the message that the body is by the rule, under its legacy names. They
are bound as a query is, with the same rules about what is given twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeGuard

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from proxy.errors import RequestError
from proxy.shape.bodies import (
    MULTIPART,
    URLENCODED,
    File,
    FormLimits,
    Part,
    media_type,
    read_form,
)
from proxy.shape.printer_source import Steps
from proxy.shape.queries import ShapedQueryBinder, ShapedTables
from proxy.shape.request_checks import (
    content_steps,
    file_fault,
    form_target,
    rename_fault,
    word_steps,
)
from proxy.shape.request_options import FileField, FormBodies, QueryShape, RequestShape
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import BodyReader
from proxy.transcoding.fieldmask import JsonLeaves, Leaf
from proxy.transcoding.httpbody import fill_http_body, is_http_body
from proxy.transcoding.parameters import Parameter
from proxy.transcoding.protojson.faults import excerpt, joined
from proxy.transcoding.query import Bound
from proxy.transcoding.request_options import RequestOptions


class FormReader:
    """Puts the forms of one binding into its messages. Immutable, made at load."""

    def __init__(
        self,
        binding: Binding,
        tables: ShapedTables,
        shape: RequestShape,
        forms: FormBodies,
        options: RequestOptions,
    ) -> None:
        """Raises `ValueError` for a body that no form can give."""
        message, self._prefix = _target(binding, shape)
        names = tables.legacy_names(message, self._query(binding, shape.query))
        self._binder = ShapedQueryBinder(names, shape, bound=Bound(), options=options)
        self._kinds = frozenset(
            kind
            for kind, is_taken in ((URLENCODED, forms.urlencoded), (MULTIPART, forms.multipart))
            if is_taken
        )
        self._limits = FormLimits(forms.max_parts, options.max_parameters, forms.max_file_bytes)
        self._files = {
            each.part: _FilePlace(message, each)
            for each in forms.files
            if file_fault(message, each) is None
        }

    def __repr__(self) -> str:
        return f"<FormReader of {self._binder!r}, {len(self._files)} files>"

    def _query(self, binding: Binding, query: QueryShape) -> QueryShape:
        """The same for a form, whose fields are those inside of the body."""
        behind = f"{self._prefix}." if self._prefix else ""
        renames = (
            (name, path.removeprefix(behind))
            for name, path in query.renames
            if path.startswith(behind) and rename_fault(binding, path, in_forms=True) is None
        )
        return replace(query, renames=tuple(renames))

    def takes(self, content_type: str | None) -> bool:
        """Whether a body of this content type is a form that it reads."""
        return media_type(content_type) in self._kinds

    def fill(self, message: Any, body: bytes, content_type: str | None) -> tuple[str, ...]:
        """Put a form into a request; gives the names of no fields when these are warned of.

        Raises `RequestError` and `LimitExceeded` as `read_form` and the binder of queries do.
        """
        if self._prefix:
            message = getattr(message, self._prefix)
            message.SetInParent()
        parts = read_form(body, content_type, self._limits)
        try:
            unknown = self._binder.give(message, self._binder.meant(_texts(parts)))
            self._take(message, parts)
        except RequestError as error:
            raise self._placed(error) from error
        return unknown

    def leaves(self, body: bytes, content_type: str | None) -> Iterator[Leaf]:
        """The fields that a form gives, with its texts; of files the name."""
        parts = read_form(body, content_type, self._limits)
        for _, text, parameter in self._binder.meant(_texts(parts)):
            if parameter is not None:
                yield Leaf(parameter.path, text)
        for file in filter(_is_file, parts):
            yield Leaf(self._files[file.name].path, file.name)

    def meanings(
        self, body: bytes, content_type: str | None
    ) -> list[tuple[str, str, Parameter | None]]:
        """Name, text and field of each input but files; None for no field. Raises as `fill`."""
        return list(self._binder.meant(_texts(read_form(body, content_type, self._limits))))

    def target(self, message: Any) -> Message:
        """The part of a request that the fields of `meanings` are of."""
        found: Message = getattr(message, self._prefix) if self._prefix else message
        return found

    def _take(self, message: Any, parts: list[Part | File]) -> None:
        taken: set[str] = set()
        for file in filter(_is_file, parts):
            place = self._files.get(file.name)
            if place is None:
                raise RequestError(f"there is no file {excerpt(file.name)} in this request")
            if file.name in taken:
                raise RequestError("is given twice", field=place.path)
            taken.add(file.name)
            place.put(message, file)

    def _placed(self, error: RequestError) -> RequestError:
        """The error with its path from the request on."""
        if not self._prefix or not error.field:
            return error
        field = joined(self._prefix, error.field)
        return RequestError(error.status.message, field=field, http_status=error.http_status)


def _texts(parts: Iterable[Part | File]) -> list[tuple[str, str]]:
    return [(part.name, part.text) for part in parts if isinstance(part, Part)]


def _is_file(part: Part | File) -> TypeGuard[File]:
    return isinstance(part, File)


def _target(binding: Binding, shape: RequestShape) -> tuple[Descriptor, str]:
    """The message that a form is for; the request itself where a form names the method alone."""
    if binding.body is Body.NONE and shape.control_forms:
        return binding.method.input_type, ""
    return form_target(binding)


class _FilePlace:
    """Where one file goes: its content, its name, its media type."""

    def __init__(self, message: Descriptor, said: FileField) -> None:
        self.path = said.content
        self._content = content_steps(message, said.content)
        self._is_http_body = is_http_body(self._content[-1].message_type)
        self._file_name = word_steps(message, said.file_name)
        self._media_type = word_steps(message, said.media_type)

    def __repr__(self) -> str:
        return f"<_FilePlace {self.path}>"

    def put(self, message: Any, file: File) -> None:
        if self._is_http_body:
            body = getattr(_parent(message, self._content), self._content[-1].name)
            fill_http_body(body, file.content, file.content_type)
        else:
            setattr(_parent(message, self._content), self._content[-1].name, file.content)
        for steps, text in (
            (self._file_name, file.file_name),
            (self._media_type, file.content_type),
        ):
            if steps and text:
                setattr(_parent(message, steps), steps[-1].name, text)


def _parent(message: Any, steps: Steps) -> Any:
    for step in steps[:-1]:
        message = getattr(message, step.name)
        message.SetInParent()
    return message


class FormLeaves(JsonLeaves):
    """Finds what a form gives, or else the leaves of JSON. Immutable, made at load."""

    def __init__(self, forms: FormReader, prefix: str, leaves: JsonLeaves | None) -> None:
        super().__init__({}, prefix)
        self.forms = forms
        self._leaves = leaves

    def __repr__(self) -> str:
        return f"<FormLeaves of {self.forms!r}>"

    def of(self, body: bytes, content_type: str | None = None) -> list[Leaf]:
        """The leaves of a body that was read before, ordered by path, without the prefix."""
        if self.forms.takes(content_type):
            return sorted(set(self.forms.leaves(body, content_type)))
        return [] if self._leaves is None else self._leaves.of(body, content_type)


def form_reading(forms: FormReader, make: Callable[[], Message], other: BodyReader) -> BodyReader:
    """The reader of bodies that are forms, or else what *other* reads."""

    def read(body: bytes, content_type: str | None) -> tuple[Message, tuple[str, ...]]:
        if not body or not forms.takes(content_type):
            return other(body, content_type)
        message = make()
        return message, forms.fill(message, body, content_type)

    return read
