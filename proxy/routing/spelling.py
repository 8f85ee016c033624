"""Settings in words, as they would stand in a file.

Belongs here: the text of one value. Does not: which values are told (`routing.differences`).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from proxy.config.base import Section
from proxy.config.units import duration_text, size_text
from proxy.cutover.percent import percent_text

#: What a section or a value that is not there is called.
ABSENT: Final = "off"
#: Keys of values that nobody must see, in no place.
_HIDDEN: Final = frozenset({"secret"})

#: A key's path and its value in words.
Leaf = tuple[str, str]


def leaves(section: Section, path: str = "") -> Iterator[Leaf]:
    """All values of *section* and of the sections in it, each with its dotted key."""
    for name, field in type(section).model_fields.items():
        key = f"{path}.{field.alias or name}".removeprefix(".")
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from leaves(value, key)
        else:
            yield key, spelled(name, value)


def spelled(name: str, value: object) -> str:
    """The text of the setting called *name* in the code, by its unit.

    >>> spelled("timeout_s", 1.5), spelled("max_header_bytes", 16384), spelled("retries", False)
    ('1500ms', '16KiB', 'false')
    >>> spelled("steps", (100, 2500)), spelled("compress_min_bytes", None)
    ('[1 %, 25 %]', 'off')
    """
    if name in _HIDDEN and value is not None:
        return "(hidden)"
    if isinstance(value, dict):
        # Headers to set: their values may be credentials.
        return f"[{', '.join(sorted(value))}]"
    if isinstance(value, (tuple, frozenset)):
        items = value if isinstance(value, tuple) else sorted(value)
        return f"[{', '.join(spelled(name, item) for item in items)}]"
    if isinstance(value, Section):
        return _inline(value)
    if value is None or isinstance(value, bool):
        return {None: ABSENT, True: "true", False: "false"}[value]
    return _number(name, value) if isinstance(value, (int, float)) else str(value)


def _inline(section: Section) -> str:
    """What a section sets, on one line."""
    given = {
        key: value for key, value in leaves(section) if key.partition(".")[0] in _given(section)
    }
    return braced(given)


def braced(values: Mapping[str, str]) -> str:
    """A mapping on one line."""
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


def _given(section: Section) -> frozenset[str]:
    fields = type(section).model_fields
    return frozenset(fields[name].alias or name for name in section.model_fields_set)


def _number(name: str, value: float) -> str:
    if name.endswith("_s"):
        return duration_text(value)
    if name.endswith("_bytes"):
        return size_text(int(value))
    if name == "steps" or name.endswith("basis_points"):
        return percent_text(int(value))
    return f"{value:g}"
