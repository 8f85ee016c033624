"""One HTTP rule against one RPC method: a `Binding`, or everything that is wrong with the rule.

Belongs here: template, HTTP method, path variables and body selectors of a single rule. Does
not: which rules count for a method (`transcoding.rules`).
"""

import re
from dataclasses import replace
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from proxy.transcoding.binding import Binding, Body, BoundVariable
from proxy.transcoding.fields import FieldError, bind_variable, check_disjoint, top_level_field
from proxy.transcoding.httprule import HttpRule, Pattern
from proxy.transcoding.template import PathTemplate, TemplateError, parse_template

#: A method token (RFC 9110 §5.6.2); "*" is one too.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class RuleError(ValueError):
    """A rule cannot be bound to its method. *reasons* are all that were found."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def bind_rule(
    method: MethodDescriptor, rule: HttpRule, pattern: Pattern, *, fully_decode: bool
) -> Binding:
    """Bind *rule*, without its additional bindings, to *method*; *pattern* is the rule's.

    Raises `RuleError`.
    """
    reader = _Reader(method)
    binding = Binding(
        method=method,
        http_method=reader.http_method(pattern.http_method),
        template=(template := reader.template(pattern.template)),
        variables=(variables := reader.variables(template)),
        body=(body := reader.body(rule.body)),
        response_body=reader.response_body(rule.response_body),
        fully_decode_reserved_expansion=fully_decode,
        origin=str(replace(rule.place, path="")),
    )
    reader.check_disjoint(variables, body)
    if reader.reasons:
        raise RuleError(tuple(reader.reasons))
    return binding


class _Reader:
    """Reads the parts of one rule. A part that is wrong gives a reason and a stand-in value."""

    def __init__(self, method: MethodDescriptor) -> None:
        self._method = method
        self.reasons: list[str] = []

    def http_method(self, text: str) -> str:
        if not _TOKEN.fullmatch(text):
            self.reasons.append(f"custom kind {text!r} is neither an HTTP method nor '*'")
        return text

    def template(self, text: str) -> PathTemplate:
        try:
            return parse_template(text)
        except TemplateError as error:
            self.reasons.append(f"path template {text!r}, {error}")
            return PathTemplate(text, (), "", ())

    def variables(self, template: PathTemplate) -> tuple[BoundVariable, ...]:
        bound = []
        for variable in template.variables:
            try:
                bound.append(bind_variable(self._method.input_type, variable))
            except FieldError as error:
                self.reasons.append(f"path template {template.text!r}: {error}")
        return tuple(bound)

    def body(self, name: str) -> Body | FieldDescriptor:
        if name == Body.WHOLE.value:
            return Body.WHOLE
        return self._field(self._method.input_type, name, "body") or Body.NONE

    def response_body(self, name: str) -> FieldDescriptor | None:
        return self._field(self._method.output_type, name, "response_body")

    def _field(self, message: Descriptor, name: str, selector: str) -> FieldDescriptor | None:
        if not name:
            return None
        try:
            return top_level_field(message, name, selector)
        except FieldError as error:
            self.reasons.append(str(error))
            return None

    def check_disjoint(
        self, variables: tuple[BoundVariable, ...], body: Body | FieldDescriptor
    ) -> None:
        try:
            check_disjoint(variables, None if isinstance(body, Body) else body)
        except FieldError as error:
            self.reasons.append(str(error))
