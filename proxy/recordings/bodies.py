"""Bodies in files: texts as they are, other bytes as base64.

Belongs here: that choice, both ways. Does not: the files (`har`, `json_lines`).
"""

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, Final

from proxy.recordings.exchange import NoRecording

BASE64: Final = "base64"


def body_members(body: bytes, text_key: str, encoding_key: str) -> dict[str, str]:
    r"""The members that hold *body*: a text, and its encoding where it is base64.

    >>> body_members(b"ok", "text", "encoding"), body_members(b"\xff", "text", "encoding")
    ({'text': 'ok'}, {'text': '/w==', 'encoding': 'base64'})
    """
    try:
        return {text_key: body.decode("utf-8")}
    except UnicodeDecodeError:
        return {text_key: b64encode(body).decode(), encoding_key: BASE64}


def body_of(members: Any, text_key: str, encoding_key: str) -> bytes:
    """The body that members hold, empty where there is none. Raises `NoRecording`."""
    if not isinstance(members, dict):
        return b""
    text = members.get(text_key) or ""
    if not isinstance(text, str):
        raise NoRecording("has a body that is no text")
    if members.get(encoding_key) != BASE64:
        return text.encode("utf-8", "surrogatepass")
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise NoRecording("has a body that is no base64") from None


def time_text(at_s: float | None) -> str:
    """RFC 3339 in UTC with milliseconds; of no time the beginning of the epoch.

    >>> time_text(1795384561.822), time_text(None)
    ('2026-11-22T21:56:01.822Z', '1970-01-01T00:00:00.000Z')
    """
    at = datetime.fromtimestamp(at_s or 0.0, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(text: Any) -> float | None:
    """Seconds since the epoch; None of what is no time, and of its beginning.

    >>> time_of("2026-11-22T21:56:01.822Z"), time_of("soon"), time_of("1970-01-01T00:00:00.000Z")
    (1795384561.822, None, None)
    """
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() or None
