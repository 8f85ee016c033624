"""Errors by a template: a document with holes that each error fills.

Belongs here: the names of the holes, and their values. Does not: reading documents (`holes`).
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

from proxy.shape.errors.forms import Entity, phrase
from proxy.shape.errors.options import ErrorTemplate
from proxy.shape.errors.readable import Info, ReadableError, Violation
from proxy.shape.holes import Document, Lookup

_METADATA: Final = "metadata."
#: What a template shows that has a list of violations and does not say what each is.
_VIOLATION: Final = Document.parse({"field": "{field}", "description": "{description}"})

#: The lists, which only a body may hold: each of their elements is a document of its own.
LISTS: Final = frozenset({"violations", "errors"})


class Filling:
    """The values of the holes for one error."""

    __slots__ = ("_info", "error", "http_status", "legacy_code")

    def __init__(
        self, error: ReadableError, http_status: int, legacy_code: int | str | None
    ) -> None:
        self.error = error
        self.http_status = http_status
        self.legacy_code = legacy_code
        self._info: Info | None = None

    def __repr__(self) -> str:
        return f"<Filling of {self.error.code.name} {self.http_status}>"

    @property
    def info(self) -> Info:
        """What the error's `ErrorInfo` says, read once."""
        if self._info is None:
            self._info = self.error.info
        return self._info

    def value(self, name: str) -> Any:
        """The value of a hole that `is_value`, of the first violation where it is of one."""
        if name.startswith(_METADATA):
            return self.info.metadata.get(name.removeprefix(_METADATA))
        if name in _OF_VIOLATIONS:
            return _OF_VIOLATIONS[name](self, self.first)
        return _VALUES[name](self)

    def of(self, violation: Violation | None) -> Lookup:
        """The values within an element of a list: of one violation, or None for the whole."""
        own = {name: value(self, violation) for name, value in _OF_VIOLATIONS.items()}
        return lambda name: own[name] if name in own else self.value(name)

    @property
    def first(self) -> Violation | None:
        """What an old host that tells of one fault only would tell of."""
        return next(iter(self.error.violations), None)


#: The values that are of one violation; without one, of the whole error.
_OF_VIOLATIONS: Final[Mapping[str, Callable[[Filling, Violation | None], Any]]] = MappingProxyType(
    {
        "field": lambda _, violation: None if violation is None else violation.field or None,
        "description": lambda filling, violation: (
            filling.error.message if violation is None else violation.description
        ),
    }
)


#: The values that need nothing but the error and its HTTP status; null where there is none.
_VALUES: Final[Mapping[str, Callable[[Filling], Any]]] = MappingProxyType(
    {
        "code": lambda filling: int(filling.error.code),
        "name": lambda filling: filling.error.code.name,
        "message": lambda filling: filling.error.message,
        "http_status": lambda filling: filling.http_status,
        "title": lambda filling: phrase(filling.http_status),
        "reason": lambda filling: filling.info.reason or None,
        "domain": lambda filling: filling.info.domain or None,
        "metadata": lambda filling: dict(filling.info.metadata),
        "details": lambda filling: filling.error.printed(),
        "trace_id": lambda filling: filling.error.context.trace_id or None,
        "request_id": lambda filling: filling.error.context.request_id or None,
        "path": lambda filling: filling.error.context.path or None,
        "legacy_code": lambda filling: filling.legacy_code,
    }
)

#: All names that a body may have, but for those of single values of `metadata`.
OF_BODIES: Final = frozenset(_VALUES) | frozenset(_OF_VIOLATIONS) | LISTS


def is_value(name: str) -> bool:
    """Whether a hole of this name has a value in every document.

    >>> is_value("message"), is_value("metadata.zone"), is_value("errors"), is_value("")
    (True, True, False, False)
    """
    if name in _VALUES or name in _OF_VIOLATIONS:
        return True
    return name.startswith(_METADATA) and len(name) > len(_METADATA)


class TemplateForm:
    """Writes errors by one template."""

    def __init__(self, template: ErrorTemplate) -> None:
        self._template = template
        self._violation = template.violation or _VIOLATION

    def __repr__(self) -> str:
        return f"<TemplateForm {self._template.content_type}>"

    def entity(self, filling: Filling) -> Entity:
        """The body for one error."""
        return Entity(self._template.content_type, orjson.dumps(self.document(filling)))

    def document(self, filling: Filling) -> Any:
        """The body as JSON values."""

        def value(name: str) -> Any:
            return list(self._listed(name, filling)) if name in LISTS else filling.value(name)

        return self._template.body.fill(value)

    def _listed(self, name: str, filling: Filling) -> Iterator[Any]:
        """The elements of a list; of `{errors}` there is one at least, which is the whole."""
        violations = filling.error.violations
        if name == "violations":
            for each in violations:
                yield self._violation.fill(filling.of(each))
        elif self._template.error is not None:
            for one in violations or (None,):
                yield self._template.error.fill(filling.of(one))
