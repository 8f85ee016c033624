"""The settings in which peers differ about answers, and what each dialect sets.

Belongs here: a key for each row of the table, with the value of dialect `spec` as its default, and
what the other dialects have instead. Does not: what a setting does (`transcoding`, `shape`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from proxy.config.base import Section


class AnswerDialect(Section):
    """How answers are written where the field disagrees."""


#: By dialect, what it sets other than `spec`.
ANSWERS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "grpc-gateway": {"emit_defaults": True},
    }
)
