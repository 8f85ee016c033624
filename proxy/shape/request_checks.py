"""Whether what a shape asks of requests fits a binding, setting by setting.

Belongs here: what a binding can make of a setting. Does not: where settings are written, and that
each must fit some binding (`routing.request_shape_problems`).

Where a setting does not fit, requests are read as without it: a profile is for many routes.
"""

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from proxy.shape.options import ShapeOptions
from proxy.shape.printer_source import Steps, field_steps
from proxy.shape.request_options import FileField, RequestShape
from proxy.shape.shells import Shell
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.httpbody import is_http_body
from proxy.transcoding.protojson.kinds import (
    Kind,
    field_kind,
    is_map,
    map_entry,
    message_kind,
    message_type,
)

#: The keys that lead to a setting, and why it does not fit; None when it does.
Fit = tuple[tuple[str, ...], str | None]

_NO_TEXT: Final = frozenset({Kind.MESSAGE, Kind.ANY})


def request_fits(binding: Binding, shape: ShapeOptions, *, names_fields: bool) -> Iterator[Fit]:
    """Each setting about requests, with why it does not fit a binding.

    *names_fields* says whether parameters of its queries are fields.
    """
    requests = shape.requests or RequestShape()
    target = form_fault(binding)
    in_forms = requests.forms is not None and target is None
    takes_names = names_fields or in_forms
    unused = None if takes_names else "the rule leaves no field for a query"
    for name, path in requests.query.renames:
        fault = rename_fault(binding, path, in_forms=in_forms)
        yield ("query", "rename", name), unused or fault
    if requests.query.brackets:
        yield ("query", "brackets"), unused
    if requests.query.separator is not None:
        yield ("query", "separator"), unused
    if requests.forms is not None:
        yield ("form_bodies",), target
        for file in requests.forms.files:
            fault = target or file_fault(form_target(binding)[0], file)
            yield ("form_bodies", "files", file.part), fault
    if shape.request is not None:
        yield ("request",), shell_fault(binding, shape)


def rename_fault(binding: Binding, path: str, *, in_forms: bool) -> str | None:
    """Why a parameter cannot be the field at *path*: of a query, or with *in_forms* of a form."""
    try:
        steps = field_steps(binding.method.input_type, path)
    except ValueError as error:
        return str(error)
    if path in {variable.path for variable in binding.variables}:
        return f"{path} is given by the path"
    if steps[0] is binding.body and not in_forms:
        return f"{path} is given by the body"
    if not has_text(steps[-1]):
        return f"{path} is of a type that no parameter can give"
    return None


def has_text(field: FieldDescriptor) -> bool:
    """Whether a text can give a field, an element of it, or an entry of a map."""
    value = map_entry(field)[1] if is_map(field) else field
    return field_kind(value) not in _NO_TEXT


def form_fault(binding: Binding) -> str | None:
    """Why no form can be the body of a binding."""
    try:
        form_target(binding)
    except ValueError as error:
        return str(error)
    return None


def form_target(binding: Binding) -> tuple[Descriptor, str]:
    """The message that a form is for, and the field of the request that it is, "" for itself.

    Raises `ValueError` for a body that no form can give.
    """
    body = binding.body
    if is_raw(binding):
        raise ValueError("the body of this rule is taken as it is, of any content type")
    if isinstance(body, FieldDescriptor):
        if body.is_repeated or field_kind(body) is not Kind.MESSAGE:
            raise ValueError(f"a form cannot give the field {body.name}, which is no message")
        return message_type(body), body.name
    if body is Body.NONE:
        raise ValueError("the rule takes no body")
    if message_kind(binding.method.input_type) is not Kind.MESSAGE:
        raise ValueError("a form cannot give a message without fields of its own")
    return binding.method.input_type, ""


def file_fault(message: Descriptor, file: FileField) -> str | None:
    """Why a file cannot go where it is said to."""
    try:
        content_steps(message, file.content)
        word_steps(message, file.file_name)
        word_steps(message, file.media_type)
    except ValueError as error:
        return str(error)
    return None


def content_steps(message: Descriptor, path: str) -> Steps:
    """The fields that lead to the content of a file. Raises `ValueError`."""
    steps = field_steps(message, path)
    last = steps[-1]
    if last.is_repeated or not (field_kind(last) is Kind.BYTES or is_http_body(last.message_type)):
        raise ValueError(f"{path} is neither bytes nor an HttpBody, for a file")
    return steps


def word_steps(message: Descriptor, path: str | None) -> Steps:
    """The fields that lead to a text about a file, none without a path. Raises `ValueError`."""
    if path is None:
        return ()
    steps = field_steps(message, path)
    if steps[-1].is_repeated or field_kind(steps[-1]) is not Kind.STRING:
        raise ValueError(f"{path} is no text, for a word about a file")
    return steps


def shell_fault(binding: Binding, shape: ShapeOptions) -> str | None:
    """Why the envelope of requests cannot stand around the bodies of a binding."""
    body = binding.body
    if shape.request is None or body is Body.NONE:
        return "the rule takes no body"
    if is_raw(binding):
        return "the body of this rule is taken as it is, of any content type"
    try:
        Shell(
            binding.method.input_type,
            body if isinstance(body, FieldDescriptor) else None,
            shape.request,
        )
    except ValueError as error:
        return str(error)
    return None
