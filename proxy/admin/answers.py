"""The admin port's answers: JSON, indented for people."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

_INDENTED: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def answer(
    value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer with *value* as JSON."""
    body = orjson.dumps(value, option=_INDENTED)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that says why not."""
    return answer({"error": message}, status, headers)
