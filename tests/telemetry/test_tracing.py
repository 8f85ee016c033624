"""W3C Trace Context: what is valid, and what begins a new trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.tracing import TraceContext, parse_traceparent, start_trace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{PARENT}-00", False),
        (f"00-{TRACE}-{PARENT}-01", True),
        (f" 00-{TRACE}-{PARENT}-01\t", True),
        # Flags that version 00 does not define are ignored.
        (f"00-{TRACE}-{PARENT}-fe", False),
        # Of a later version, what version 00 has is read.
        (f"cc-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", True),
    ],
)
def test_valid(header: str, sampled: bool) -> None:
    context = parse_traceparent(header)
    assert context is not None
    assert (context.trace_id, context.parent_id, context.sampled) == (TRACE, PARENT, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01-",
        f"ff-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01.more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[:-1]}g-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01\n",
        f"cc-{TRACE}-{PARENT}-01-{'x' * 1000}",
    ],
)
def test_invalid_begins_a_new_trace(header: str | None) -> None:
    assert parse_traceparent(header) is None


def test_new_trace_has_random_ids_and_nobody_recorded_it() -> None:
    context = start_trace(lambda length: bytes(range(1, length + 1)))
    assert str(context) == "00-0102030405060708090a0b0c0d0e0f10-1112131415161718-00"
    assert not context.sampled


def test_ids_are_never_zero() -> None:
    context = start_trace(bytes)
    assert parse_traceparent(str(context)) == context


@given(st.binary(min_size=24, max_size=24))
def test_what_is_made_can_be_read(random: bytes) -> None:
    context = start_trace(lambda length: random[:length])
    assert parse_traceparent(str(context)) == context


@given(st.text())
def test_no_text_raises(header: str) -> None:
    context = parse_traceparent(header)
    assert context is None or isinstance(context, TraceContext)
