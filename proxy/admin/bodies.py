"""Bodies of requests to the admin port: JSON objects, with nothing in them that is not known.

Belongs here: reading and checking them. Does not: what is done with them (`writes`, `shadow`).
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web

from proxy.cutover.moves import MoveRefused, check_words

_KINDS: Final = {str: "a text", bool: "true or false", int: "a whole number"}

T = TypeVar("T", str, bool, int)


class Malformed(Exception):
    """The body is not what it has to be; the text says what."""


async def read_body(request: web.Request, known: frozenset[str]) -> dict[str, Any]:
    """The JSON object of *request*, an absent body as an empty one. Raises `Malformed`."""
    text = await request.read()
    try:
        body = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Malformed("the body must be a JSON object")
    unknown = sorted(body.keys() - known)
    if unknown:
        raise Malformed(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    return body


def why_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What every move has."""
    ttl_s = body.get("ttl_s")
    if ttl_s is not None and (isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float)):
        raise Malformed("ttl_s must be a number of seconds")
    reason, who = required(body, "reason", str), optional(body, "who", str) or "admin"
    check_given_words(reason, who)
    return {"reason": reason, "who": who, "ttl_s": ttl_s}


def check_given_words(reason: str, who: str) -> None:
    """Check a reason and a name as moves do. Raises `Malformed`."""
    try:
        check_words(reason, who)
    except MoveRefused as error:
        raise Malformed(str(error)) from error


def required(body: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """The value of *key*. Raises `Malformed` when it is missing, or of another kind."""
    value = optional(body, key, kind)
    if value is None:
        raise Malformed(f"{key} is missing")
    return value


def optional(body: Mapping[str, Any], key: str, kind: type[T]) -> T | None:
    """The value of *key*, None when it is missing. Raises `Malformed` for another kind."""
    value = body.get(key)
    if value is None:
        return None
    # A truth value is a number to Python, and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Malformed(f"{key} must be {_KINDS[kind]}")
    return value
