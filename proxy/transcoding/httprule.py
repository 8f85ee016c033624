"""HTTP rules as they are written, whoever wrote them: an annotation or a service config.

Belongs here: the values, and reading the annotation of a method. Does not: what a rule means
(`transcoding.rules`), the YAML of a service config (`config.service_config`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from proxy.errors import Place

#: The number of the `google.api.http` extension of `MethodOptions`.
HTTP_OPTION_NUMBER: Final[int] = annotations_pb2.HTTP_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class Pattern:
    """The HTTP method and the template text of a rule. "*" is any method."""

    http_method: str
    template: str


@dataclass(frozen=True, slots=True)
class HttpRule:
    """A `google.api.HttpRule` as written: nothing in it has been checked.

    *pattern* is None when the rule names none; *body* and *response_body* are "" then.
    """

    selector: str
    pattern: Pattern | None
    body: str
    response_body: str
    additional: tuple["HttpRule", ...]
    place: Place


class RuleMode(Enum):
    """What the rules of a service config do to annotations of the same method."""

    OVERRIDE = "override"
    ADD = "add"


@dataclass(frozen=True, slots=True)
class ServiceConfigRules:
    """The `http` section of one service config. *name* is the file's, for people."""

    name: str
    rules: tuple[HttpRule, ...]
    fully_decode_reserved_expansion: bool = False
    mode: RuleMode = RuleMode.OVERRIDE


def annotated_rule(method: MethodDescriptor, place: Place) -> HttpRule | None:
    """The rule in the `google.api.http` annotation of *method*, None when it has none.

    In a private pool the annotation is an unknown field of the method's options, or a known one,
    depending on what was imported first. Reading the options anew with the generated class, which
    knows the extension, gives it in either case.
    """
    options = MethodOptions.FromString(method.GetOptions().SerializeToString())
    if not options.HasExtension(annotations_pb2.http):
        return None
    return _from_message(options.Extensions[annotations_pb2.http], method.full_name, place)


def _from_message(rule: http_pb2.HttpRule, selector: str, place: Place) -> HttpRule:
    return HttpRule(
        selector,
        _pattern(rule),
        rule.body,
        rule.response_body,
        tuple(_from_message(nested, selector, place) for nested in rule.additional_bindings),
        place,
    )


def _pattern(rule: http_pb2.HttpRule) -> Pattern | None:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        return None
    if kind == "custom":
        return Pattern(rule.custom.kind, rule.custom.path)
    return Pattern(kind.upper(), getattr(rule, kind))
