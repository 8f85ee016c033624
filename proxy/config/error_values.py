"""What the configuration says of errors, as the value that renderers are made from.

Belongs here: rows of the dialect and keys of the shape put together. Does not: either (see
`error_dialect`, `shape_errors`).
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.config.error_dialect import ErrorDialect
from proxy.config.shape_errors import ErrorCodes, ErrorKeys, ErrorMessages, ErrorStatuses
from proxy.shape.errors.forms import JSON_CONTENT
from proxy.shape.errors.options import ErrorOptions, ErrorTemplate, Table

_NO_KEYS: Final = ErrorKeys()


def error_options(
    rows: ErrorDialect, keys: ErrorKeys | None, *, reveal_upstream: bool
) -> ErrorOptions:
    """The options of errors, of the *rows* of a route and the *keys* of its shape."""
    keys = keys or _NO_KEYS
    return ErrorOptions(
        format=rows.error_format,
        template=_template(keys),
        by_code=_pairs(rows.error_status),
        statuses=_table(keys.status),
        codes=_table(keys.codes),
        messages=_table(keys.messages),
        headers=rows.grpc_status_headers,
        reveal_upstream=reveal_upstream,
    )


def _template(keys: ErrorKeys) -> ErrorTemplate | None:
    if keys.body is None:
        return None
    content_type = keys.content_type or JSON_CONTENT
    return ErrorTemplate(keys.body, content_type, keys.violation, keys.error)


def _table(section: ErrorCodes | ErrorStatuses | ErrorMessages | None) -> Table[Any]:
    if section is None:
        return Table()
    default = section.default if isinstance(section, ErrorCodes) else None
    http = {int(key): value for key, value in section.http.items()}
    return Table(_pairs(section.reasons), _pairs(http), _pairs(section.names), default)


def _pairs(table: Mapping[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    return tuple(sorted(table.items()))
