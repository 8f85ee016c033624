"""What a step of the walk expects: an answer, and checks that say what is wrong with one.

Checks know answers, not steps; they judge and send nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names in lower case, the body inflated, the time to its last byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    elapsed_ms: float

    def header(self, name: str) -> str:
        """The values of a header, joined as HTTP does; "" when it is not there."""
        return ", ".join(value for key, value in self.headers if key == name)

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is not."""
        return json.loads(self.body)


Check = Callable[[Answer], str]
"""Says what is wrong with an answer; "" when nothing is."""


def holds(**expected: object) -> Check:
    """The JSON has these members with these values, at whatever else it has."""
    return lambda answer: _difference(expected, answer.json(), "")


def result_holds(**expected: object) -> Check:
    """The envelope is that of a success, and its result has these members with these values."""
    return holds(success=True, errors=[], messages=[], result=expected)


def fails_with(*codes: int, field: str | None = None) -> Check:
    """The envelope is that of a failure with errors of these codes, the first about *field*."""
    return lambda answer: _failure(answer.json(), [*codes], field)


def has_pages(page: int, per_page: int, total_count: int) -> Check:
    """The envelope tells of page number *page*."""
    return holds(result_info={"page": page, "per_page": per_page, "total_count": total_count})


def lacks(name: str) -> Check:
    """The result has no such member."""
    return lambda answer: f"{name} is still there" if name in answer.json()["result"] else ""


def is_json(expected: object) -> Check:
    """The JSON is just that."""
    return lambda answer: "" if answer.json() == expected else f"not {expected}"


def has_header(name: str, part: str) -> Check:
    """The header has *part* in it."""
    return lambda answer: "" if part in answer.header(name) else f"{name}: no {part!r}"


def body_starts(text: str) -> Check:
    """The body begins with *text*."""
    return lambda answer: "" if answer.body.startswith(text.encode()) else f"no {text!r} at first"


def mentions(text: str) -> Check:
    """The body says *text* somewhere."""
    return lambda answer: "" if text.encode() in answer.body else f"does not mention {text!r}"


def is_empty(answer: Answer) -> str:
    """The answer has no body."""
    return f"a body of {len(answer.body)} bytes" if answer.body else ""


def has_records(count: int) -> Check:
    """The result is a list of so many records."""
    return lambda answer: _counted(answer.json().get("result", []), count)


def is_array_of(count: int) -> Check:
    """The body is a JSON array of so many records."""
    return lambda answer: _counted(answer.json(), count)


def is_lines_of(count: int) -> Check:
    """The body is NDJSON of so many records."""
    return lambda answer: _counted([json.loads(line) for line in answer.body.splitlines()], count)


def is_events_of(count: int) -> Check:
    """The body is server-sent events with so many records."""
    return lambda answer: _counted(_events(answer.body), count)


def _counted(records: list[Mapping[str, Any]], count: int) -> str:
    if len(records) != count:
        return f"{len(records)} records where {count} must be"
    return "" if all("name" in record for record in records) else "an item is not a record"


def _failure(body: Mapping[str, Any], codes: list[int], field: str | None) -> str:
    whole = _difference({"success": False, "messages": [], "result": None}, body, "")
    if whole:
        return whole
    found = [error["code"] for error in body["errors"]]
    if found != codes:
        return f"codes {found}, not {codes}"
    return _difference(field, body["errors"][0].get("field"), ".field")


def _events(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


def _difference(expected: object, found: object, path: str) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        inner = (_difference(expected[key], found.get(key), f"{path}.{key}") for key in expected)
        return next((text for text in inner if text), "")
    return "" if expected == found else f"{path[1:]} is {found!r}, not {expected!r}"
