"""W3C Trace Context: reading, checking and making `traceparent`. Pure; randomness is an argument.

`tracestate` and `baggage` are for others to read and pass untouched.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: The header, and the metadata key, that says where in a trace a call stands.
TRACEPARENT: Final = "traceparent"
_OF_TRACE: Final = frozenset({TRACEPARENT, "tracestate"})

#: Version, trace id, parent id, flags (W3C Trace Context §3.2); a later version may append more.
_TRACEPARENT: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
)
_SAMPLED: Final = 0x01
#: More than any header of a later version can need; longer ones are not looked at.
_MAX_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A position in a trace: the ids in lower-case hex and the flags.

    >>> str(TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1))
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    """

    trace_id: str
    parent_id: str
    flags: int = 0

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"

    @property
    def sampled(self) -> bool:
        """Whether the caller may have recorded this trace."""
        return bool(self.flags & _SAMPLED)


def parse_traceparent(header: str | None) -> TraceContext | None:
    """Read a `traceparent`; None when there is none or it is invalid, which starts a new trace.

    Zero ids and version ff are invalid; of a later version what version 00 has is read.

    >>> parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").sampled
    True
    >>> parse_traceparent("00-00000000000000000000000000000000-b7ad6b7169203331-01")
    """
    if header is None or len(header) > _MAX_LENGTH:
        return None
    match = _TRACEPARENT.fullmatch(header.strip(" \t"))
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["rest"]):
        return None
    if not int(match["trace"], 16) or not int(match["parent"], 16):
        return None
    return TraceContext(match["trace"], match["parent"], int(match["flags"], 16) & _SAMPLED)


def without_trace(
    metadata: tuple[tuple[str, str | bytes], ...],
) -> tuple[tuple[str, str | bytes], ...]:
    """The pairs without those of a trace; a new one carries no state of another (W3C §3.3.1).

    >>> without_trace((("tracestate", "a=1"), ("x-request-id", "7")))
    (('x-request-id', '7'),)
    """
    return tuple(pair for pair in metadata if pair[0] not in _OF_TRACE)


def start_trace(random_bytes: Callable[[int], bytes]) -> TraceContext:
    """A new trace with ids from *random_bytes*, which gives that many bytes.

    Not sampled: the flag says that somebody recorded the trace, and so far nobody
    did (W3C Trace Context §3.2.2.5).
    """
    # One draw for both ids. The last bit of an id is set where all are
    # zero, since zero ids are invalid.
    drawn = random_bytes(24).hex()
    trace_id, parent_id = drawn[:32], drawn[32:]
    return TraceContext(
        trace_id if trace_id.strip("0") else f"{1:032x}",
        parent_id if parent_id.strip("0") else f"{1:016x}",
    )
