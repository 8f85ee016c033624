"""What the holes of headers, entity tags and envelopes name, and where their values are.

Belongs here: the names, and a value for each of them. Does not: documents with holes
(`shape.holes`), what becomes of their text.

A name without `@` is a field of the answer's message, by its dotted proto path. The others:

| name | value |
|---|---|
| `@request.FIELD` | a field of the request's message |
| `@metadata.KEY` | the first value of that response metadata, or trailer |
| `@status` | the HTTP status of the answer |
| `@origin` | what `base_url` comes to: scheme and host |
| `@page`, `@per_page` | which page was asked for, and its size |
| `@count` | how many elements it has |
| `@total`, `@total_pages` | how many there are in all, where the API says so |
| `@next_page`, `@prev_page` | the numbers of the pages beside it, where there are such |
"""

from collections.abc import Callable, Collection
from typing import Any, Final

from google.protobuf.message import Message

from proxy.shape.outcomes.asked import Asked, Replied
from proxy.shape.outcomes.fields import FieldAt, fitting, scalar_at
from proxy.shape.outcomes.options import Misfit
from proxy.transcoding.binding import Binding
from proxy.transcoding.protojson import Codecs

REQUEST: Final = "@request."
METADATA: Final = "@metadata."
STATUS: Final = "@status"
ORIGIN: Final = "@origin"
#: The names that only `paging` gives a value.
OF_PAGES: Final = frozenset(
    {"@page", "@per_page", "@count", "@total", "@total_pages", "@next_page", "@prev_page"}
)
#: Those that need the API's own number of elements.
OF_TOTALS: Final = frozenset({"@total", "@total_pages"})


def is_name(name: str) -> bool:
    """Whether a hole may be called *name*, whatever fields there are.

    >>> is_name("record.id"), is_name("@metadata.etag"), is_name("@pages"), is_name("")
    (True, True, False, False)
    """
    if not name.startswith("@"):
        return bool(name)
    return name in OF_PAGES or name in (STATUS, ORIGIN) or _has_part(name)


def _has_part(name: str) -> bool:
    return any(name.startswith(prefix) and name != prefix for prefix in (REQUEST, METADATA))


class Subject:
    """An answer that is being made: what it is for, what came back, and what is known by now."""

    __slots__ = ("_message", "_parse", "asked", "http_status", "origin", "pages", "replied")

    def __init__(
        self,
        asked: Asked,
        replied: Replied,
        parse: Callable[[bytes], Message],
        origin: str,
    ) -> None:
        self.asked = asked
        self.replied = replied
        self.origin = origin
        self.http_status = 200
        self.pages: dict[str, Any] = {}
        self._parse = parse
        self._message: Message | None = None

    def __repr__(self) -> str:
        return f"<Subject {self.http_status} of {self.asked.client.path}>"

    @property
    def message(self) -> Message:
        """The message of the answer, read when it is first asked for."""
        if self._message is None:
            self._message = self._parse(self.replied.wire)
        return self._message


Value = Callable[[Subject], Any]


def value_of(
    name: str,
    binding: Binding,
    codecs: Codecs | None,
    *,
    pages: Collection[str],
    key: tuple[str, ...],
) -> Value:
    """What gives the value of a name; it gives None for nothing. Raises `Misfit` at *key*.

    *pages* are those names of `OF_PAGES` that have a value here.
    """
    if name.startswith(REQUEST):
        path = name.removeprefix(REQUEST)
        field = fitting(key, lambda: scalar_at(binding.method.input_type, path, codecs))
        return lambda subject: _of_request(field, subject)
    if name.startswith(METADATA):
        return _metadata(name.removeprefix(METADATA).lower())
    if name == STATUS:
        return lambda subject: subject.http_status
    if name == ORIGIN:
        return lambda subject: subject.origin
    if name in OF_PAGES:
        if name not in pages:
            raise Misfit(key, f"{{{name}}} needs paging{'.total' if pages else ''}")
        return lambda subject: subject.pages.get(name)
    found = fitting(key, lambda: scalar_at(binding.method.output_type, name, codecs))
    return lambda subject: found.value(subject.message)


def _of_request(field: FieldAt, subject: Subject) -> Any:
    message = subject.asked.message
    return None if message is None else field.value(message)


def _metadata(key: str) -> Value:
    def of(subject: Subject) -> str | None:
        for name, value in (*subject.replied.metadata, *subject.replied.trailers):
            if name == key and isinstance(value, str):
                return value
        return None

    return of
