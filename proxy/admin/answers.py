"""The admin port's answers: JSON, indented for people."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

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


@web.middleware
async def told_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say what the server refuses by itself (404, 405, 413) as handlers say it."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        allow = error.headers.get("Allow")
        return refusal(error.status, error.reason.lower(), {"Allow": allow} if allow else None)
