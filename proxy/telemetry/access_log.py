"""One JSON line per request, written in batches.

Belongs here: what a line holds, batching, and counting the lines that were lost. Does not: where
the bytes go (`sink`).

No body and no query is ever logged: both carry what people trust us with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import orjson

#: Lines that are written at once at the latest; 256 lines are about 100 KiB.
MAX_LINES: Final = 256
#: Seconds that a line may wait for others.
MAX_DELAY_S: Final = 0.2
#: Characters of a path that are kept; a longer one ends in an ellipsis.
MAX_PATH_LENGTH: Final = 1024


@dataclass(slots=True)
class AccessEntry:
    """What is said about one request, or about *count* that were refused alike without a look.

    *path* is raw, as sent; *grpc_code* the name of the status code, of a refusal or a failure of
    the proxy too, "" when the legacy host answered. Bytes are those of the bodies. *upstream_s*
    is the part of *duration_s* in which an upstream was waited for, until its answer began.
    *bucket* and *percent* are those of a decision by them; *fallback* is why legacy answered for
    gRPC, "" when it did not. *legacy_url* names what was legacy about the request's URL;
    *page_calls* is how many calls its page took, 0 for one that is not read so.
    """

    http_method: str
    path: str
    http_status: int
    duration_s: float
    route: str = ""
    rpc: str = ""
    side: str = ""
    reason: str = ""
    grpc_code: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    upstream_s: float = 0.0
    trace_id: str = ""
    client: str = ""
    unknown_fields: tuple[str, ...] = ()
    error: str = ""
    count: int = 1
    bucket: int | None = None
    percent: float = 0.0
    fallback: str = ""
    legacy_url: tuple[str, ...] = ()
    page_calls: int = 0


class Timer(Protocol):
    """A pending call, as `loop.call_later` gives it."""

    def cancel(self) -> None:
        """Do not make the call."""
        ...


class AccessLog:
    """Collects lines and gives them to *write*, many at a time.

    *write* takes whole lines and must not block. When it raises OSError or ValueError (a full
    queue, a full disk, a closed file) the lines are lost and counted in `dropped`; a request never
    notices. *clock* is seconds since the epoch; *call_later* is the event loop's.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
        max_lines: int = MAX_LINES,
        max_delay_s: float = MAX_DELAY_S,
    ) -> None:
        self._write = write
        self._clock = clock
        self._call_later = call_later
        self._max_lines = max_lines
        self._max_delay_s = max_delay_s
        # One buffer and not a list of lines: orjson makes its results in a large block, and giving
        # back the rest of it for each line that is kept costs more than making the line.
        self._buffer = bytearray()
        self._waiting = 0
        self._timer: Timer | None = None
        self.written = 0
        self.dropped = 0

    def __repr__(self) -> str:
        return f"AccessLog(written={self.written}, waiting={self._waiting}, dropped={self.dropped})"

    def add(self, entry: AccessEntry) -> None:
        """Log one request; never raises for what *entry* holds."""
        self._buffer += self._line(entry)
        self._waiting += 1
        if self._waiting >= self._max_lines:
            self.flush()
        elif self._timer is None:
            self._timer = self._call_later(self._max_delay_s, self.flush)

    def flush(self) -> None:
        """Write the lines that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        count, batch = self._waiting, bytes(self._buffer)
        self._waiting = 0
        self._buffer.clear()
        if not count:
            return
        try:
            self._write(batch)
        except (OSError, ValueError):
            self.dropped += count
        else:
            self.written += count

    def _line(self, entry: AccessEntry) -> bytes:
        try:
            return orjson.dumps(self._fields(entry), option=_OPTIONS)
        except orjson.JSONEncodeError:
            return orjson.dumps(_cleaned(self._fields(entry)), option=_OPTIONS)

    def _fields(self, entry: AccessEntry) -> dict[str, object]:
        path = entry.path
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(self._clock(), UTC),
            "method": entry.http_method,
            "path": path if len(path) <= MAX_PATH_LENGTH else f"{path[:MAX_PATH_LENGTH]}…",
            "route": entry.route,
            "rpc": entry.rpc,
            "side": entry.side,
            "reason": entry.reason,
            "status": entry.http_status,
            "grpc_code": entry.grpc_code,
            "bytes_in": entry.bytes_in,
            "bytes_out": entry.bytes_out,
            "duration_ms": round(entry.duration_s * 1000, 3),
            "upstream_ms": round(entry.upstream_s * 1000, 3),
            "trace_id": entry.trace_id,
            "client": entry.client,
        }
        if entry.bucket is not None:
            fields["bucket"], fields["percent"] = entry.bucket, entry.percent
        if entry.fallback:
            fields["fallback"] = entry.fallback
        if entry.legacy_url:
            fields["legacy_url"] = entry.legacy_url
        if entry.page_calls:
            fields["page_calls"] = entry.page_calls
        if entry.unknown_fields:
            fields["unknown_fields"] = entry.unknown_fields
        if entry.error:
            fields["error"] = entry.error
        if entry.count > 1:
            fields["count"] = entry.count
        return fields


_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


def _cleaned(fields: dict[str, object]) -> dict[str, object]:
    """The fields without what JSON has no form for: bytes of a header that are not UTF-8."""
    return {name: _clean(value) for name, value in fields.items()}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return [_clean(item) for item in value] if isinstance(value, tuple) else value
