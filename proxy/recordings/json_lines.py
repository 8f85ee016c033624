"""Lines of JSON: one exchange on each, so that a file can grow and be cut anywhere.

Belongs here: a line both ways, and telling such a file from HAR. Does not: HAR (`har`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from proxy.recordings.bodies import body_members, body_of, time_of, time_text
from proxy.recordings.exchange import Headers, NoRecording, Recorded, plain_headers
from proxy.recordings.har import har_entries, har_exchange

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def json_line(recorded: Recorded) -> bytes:
    """An exchange as one line, its end included."""
    return orjson.dumps(as_values(recorded), option=orjson.OPT_APPEND_NEWLINE)


def as_values(recorded: Recorded) -> dict[str, Any]:
    """An exchange as JSON values."""
    return {
        "at": time_text(recorded.at_s),
        "duration_s": round(recorded.duration_s, 6),
        "route": recorded.route,
        "rpc": recorded.rpc,
        "side": recorded.side,
        "redacted": recorded.redacted,
        "kept": list(recorded.kept),
        "request": {
            "method": recorded.http_method,
            "target": recorded.target,
            "headers": [list(pair) for pair in recorded.request_headers],
            **body_members(recorded.request_body, "body", "encoding"),
        },
        "answer": {
            "status": recorded.http_status,
            "headers": [list(pair) for pair in recorded.answer_headers],
            **body_members(recorded.answer_body, "body", "encoding"),
        },
    }


def of_values(values: Any) -> Recorded:
    """The exchange of a line. Raises `NoRecording`."""
    if not isinstance(values, Mapping):
        raise NoRecording("is no object")
    request, answer = values.get("request"), values.get("answer")
    if not isinstance(request, Mapping) or not isinstance(answer, Mapping):
        raise NoRecording("has no request and answer")
    method, target = request.get("method"), request.get("target")
    if not isinstance(method, str) or not isinstance(target, str) or not target.startswith("/"):
        raise NoRecording("has no method and target")
    status, duration_s = answer.get("status"), values.get("duration_s")
    if not isinstance(status, int):
        raise NoRecording("has no status")
    return Recorded(
        method.upper(),
        target,
        _headers(request.get("headers")),
        body_of(request, "body", "encoding"),
        status,
        _headers(answer.get("headers")),
        body_of(answer, "body", "encoding"),
        time_of(values.get("at")),
        float(duration_s) if isinstance(duration_s, int | float) else 0.0,
        route=str(values.get("route") or ""),
        rpc=str(values.get("rpc") or ""),
        side=str(values.get("side") or ""),
        redacted=values.get("redacted") is True,
        kept=tuple(map(str, values.get("kept") or ())),
    )


def read_recording(data: bytes) -> Iterator[Recorded | NoRecording]:
    """The exchanges of a file of either kind; bad ones as what is wrong with them.

    Raises `NoRecording` when it is neither.
    """
    text = data.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text:
        return
    whole = _document(text)
    if isinstance(whole, Mapping) and "log" in whole:
        yield from (_or_fault(har_exchange, entry) for entry in har_entries(whole))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found = _or_fault(_of_line, line)
            yield found if isinstance(found, Recorded) else NoRecording(f"line {number} {found}")


def _document(text: bytes) -> Any:
    """The one document that a file is; None of a file of lines."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if text.count(b"\n") and _is_object(text.partition(b"\n")[0]):
            return None
        raise NoRecording(f"is neither HAR nor lines of JSON: {error.msg}") from error


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _of_line(line: bytes) -> Recorded:
    try:
        return of_values(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        raise NoRecording(f"is no JSON: {error.msg}") from error


def _or_fault(read: Any, value: Any) -> Recorded | NoRecording:
    try:
        recorded: Recorded = read(value)
    except NoRecording as fault:
        return fault
    return recorded


def _headers(value: Any) -> Headers:
    pairs = value if isinstance(value, list) else []
    named = [each for each in pairs if isinstance(each, list) and len(each) == 2]
    return plain_headers(tuple((str(name), str(text)) for name, text in named))
