"""Names in a case, and selectors of types and fields.

Belongs here: texts only. Does not: which field has which name (`layout`).
"""

import re
from collections.abc import Callable
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from proxy.shape.options import Case

#: The words of a name: of `create_time` and `createTime` alike.
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+|[^A-Za-z0-9_-]+")


def words(name: str) -> list[str]:
    """The words of a name in lower case.

    >>> words("create_time"), words("createTime"), words("HTTPStatus2")
    (['create', 'time'], ['create', 'time'], ['http', 'status2'])
    """
    return [word.lower() for word in _WORD.findall(_split(name))]


def _split(name: str) -> str:
    """With a mark between a run of capitals and the word that its last one begins."""
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)


def snake(name: str) -> str:
    """`create_time`."""
    return "_".join(words(name))


def kebab(name: str) -> str:
    """`create-time`."""
    return "-".join(words(name))


def pascal(name: str) -> str:
    """`CreateTime`."""
    return "".join(capitalised(word) for word in words(name))


def camel(name: str) -> str:
    """`createTime`."""
    text = pascal(name)
    return text[:1].lower() + text[1:]


def capitalised(text: str) -> str:
    """With its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


_CASES: Final[dict[str, Callable[[str], str]]] = {
    "snake": snake,
    "camel": camel,
    "pascal": pascal,
    "kebab": kebab,
}


def field_key(field: FieldDescriptor, case: Case) -> str:
    """The key of a field in a case."""
    if case == "json":
        return field.json_name
    return field.name if case == "proto" else _CASES[case](field.name)


def prefixed(prefix: str, key: str, case: Case) -> str:
    """A key behind a prefix: where words begin with capitals, its first one does, too.

    >>> prefixed("mx_", "preference", "snake"), prefixed("mx", "preference", "camel")
    ('mx_preference', 'mxPreference')
    """
    joins_words = case in ("json", "camel", "pascal") and prefix[-1:].isalnum()
    return prefix + (capitalised(key) if joins_words else key)


def selects(selector: str, descriptor: Descriptor | EnumDescriptor) -> bool:
    """Whether a selector of types means this one: its full name, or the end of it."""
    return f".{descriptor.full_name}".endswith(f".{selector}")


def selects_field(selector: str, field: FieldDescriptor) -> bool:
    """Whether a selector of fields means this one: `Record.create_time`."""
    return f".{field.full_name}".endswith(f".{selector}") and "." in selector
