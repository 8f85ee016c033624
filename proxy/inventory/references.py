"""References within a document: `{"$ref": "#/components/schemas/Zone"}`.

Belongs here: following them, and which are refused. Does not: what stands at their ends.
"""

from collections.abc import Iterator
from typing import Any, Final

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from proxy.config.documents import Document
from proxy.errors import ConfigError, Problem

REF: Final = "$ref"

#: Keys below which stands data of the API and not of the document.
_DATA: Final = frozenset({"default", "enum", "example", "examples", "const"})


class References:
    """Follows the references of one document."""

    def __init__(self, document: Document) -> None:
        """Raises `ConfigError` with every reference that leads out of the document, or nowhere."""
        resource: Resource[Any] = Resource.opaque(document.value)
        registry: Registry[Any] = Registry()
        self._resolver = registry.with_resource("", resource).resolver()
        if problems := [*self._problems(document)]:
            raise ConfigError(problems)

    def __repr__(self) -> str:
        return f"<References by {self._resolver!r}>"

    def follow(self, node: Any) -> Any:
        """What *node* stands for: itself, or what is at the end of its references.

        References that go round in a circle stand for nothing: an empty mapping.
        """
        seen: set[str] = set()
        while isinstance(node, dict) and isinstance(reference := node.get(REF), str):
            if reference in seen:
                return {}
            seen.add(reference)
            node = self._at(reference)
        return node

    def _at(self, reference: str) -> Any:
        try:
            return self._resolver.lookup(reference).contents
        except (Unresolvable, ValueError):
            return {}

    def _problems(self, document: Document) -> Iterator[Problem]:
        """Every bad reference once, in the order of the document."""
        waiting: list[tuple[Any, tuple[str | int, ...]]] = [(document.value, ())]
        seen: set[int] = set()
        while waiting:
            node, steps = waiting.pop()
            if not isinstance(node, dict | list) or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, dict) and isinstance(node.get(REF), str):
                message = self._fault(node[REF])
                if message:
                    yield Problem(document.place(*steps, REF), message)
            waiting += reversed([(value, (*steps, step)) for step, value in _inside(node)])

    def _fault(self, reference: str) -> str:
        if not reference.startswith("#"):
            return (
                f"{reference!r} is in another document, and none is fetched; put all into one"
                " document first (a bundler does that)"
            )
        try:
            self._resolver.lookup(reference)
        except (Unresolvable, ValueError):
            return f"{reference!r} leads nowhere"
        return ""


def name_of(reference: object) -> str:
    """The last step of a reference, which is what people call its end.

    >>> name_of("#/components/schemas/Zone"), name_of(None)
    ('Zone', '')
    """
    return reference.rpartition("/")[2] if isinstance(reference, str) else ""


def _inside(node: dict[str, Any] | list[Any]) -> Iterator[tuple[str | int, Any]]:
    if isinstance(node, list):
        yield from enumerate(node)
        return
    for key, value in node.items():
        if key not in _DATA and not key.startswith("x-"):
            yield key, value
