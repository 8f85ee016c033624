"""Stream framing, and the choice of a format by Accept."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.transcoding.streams import ARRAY, FORMATS, NDJSON, SSE, StreamFormat, choose_format

STEADY: Final = settings(derandomize=True, deadline=None)

VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def framed(stream_format: StreamFormat, bodies: list[bytes]) -> bytes:
    chunks = [stream_format.opening]
    if bodies:
        chunks.append(stream_format.first(bodies[0]))
        chunks += [stream_format.next(body) for body in bodies[1:]]
    return b"".join([*chunks, stream_format.closing])


def events(stream: str) -> list[tuple[str, str]]:
    """(type, data) of server-sent events, read as WHATWG HTML section 9.2.6 says."""
    found, kind, data = [], "message", list[str]()
    for line in stream.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                found.append((kind, "\n".join(data)))
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
    return found


MESSAGES: Final = st.lists(VALUES, max_size=4)


@STEADY
@given(MESSAGES)
def test_array_reads_back_as_one_json_list(messages: list[Any]) -> None:
    assert json.loads(framed(ARRAY, [compact(message) for message in messages])) == messages


@STEADY
@given(MESSAGES)
def test_ndjson_reads_back_line_by_line(messages: list[Any]) -> None:
    stream = framed(NDJSON, [compact(message) for message in messages])
    assert [json.loads(line) for line in stream.split(b"\n")[:-1]] == messages
    assert stream == b"" or stream.endswith(b"\n")


@STEADY
@given(MESSAGES, st.booleans())
def test_server_sent_events_read_back_one_by_one(messages: list[Any], idle: bool) -> None:
    assert SSE.keep_alive is not None
    alive = SSE.keep_alive if idle else b""
    stream = alive + framed(SSE, [compact(message) for message in messages]) + alive
    read = events(stream.decode("utf-8", "surrogatepass"))
    assert [(kind, json.loads(data)) for kind, data in read] == [
        ("message", message) for message in messages
    ]


@pytest.mark.parametrize(
    ("name", "content_type", "empty"),
    [
        ("array", "application/json", b"[]"),
        ("ndjson", "application/x-ndjson", b""),
        ("sse", "text/event-stream", b""),
    ],
)
def test_stream_without_messages_is_complete(name: str, content_type: str, empty: bytes) -> None:
    assert FORMATS[name].content_type == content_type
    assert framed(FORMATS[name], []) == empty


def test_late_error_is_a_frame_that_is_no_message() -> None:
    status = b'{"code":8,"message":"full","details":[]}'
    assert NDJSON.error(status) == b'{"error":' + status + b"}\n"
    frame = SSE.error(status)
    assert frame is not None
    assert events(frame.decode()) == [("error", status.decode())]


def test_array_has_no_late_error_and_only_sse_has_a_keep_alive() -> None:
    assert ARRAY.error(b"{}") is None
    assert ARRAY.keep_alive is NDJSON.keep_alive is None


# The default is in the second place; where it matters both are tried.
@pytest.mark.parametrize(
    ("accept", "default", "chosen"),
    [
        ("", ARRAY, ARRAY),
        ("", SSE, SSE),
        ("*/*", ARRAY, ARRAY),
        ("*/*", NDJSON, NDJSON),
        ("application/json", NDJSON, ARRAY),
        ("application/x-ndjson", ARRAY, NDJSON),
        ("text/event-stream", ARRAY, SSE),
        ("Text/Event-Stream", ARRAY, SSE),
        ("text/*", ARRAY, SSE),
        ("application/*", ARRAY, ARRAY),
        ("application/*", NDJSON, NDJSON),
        # Quality decides first, the exact name second, the default third, the order last.
        ("application/json;q=0.5, application/x-ndjson", ARRAY, NDJSON),
        ("application/json;q=0.501, application/x-ndjson;q=0.5", NDJSON, ARRAY),
        ("application/json; Q=0.5 , text/event-stream ; q=0.6", ARRAY, SSE),
        ("*/*, application/x-ndjson", ARRAY, NDJSON),
        ("application/*, text/event-stream", ARRAY, SSE),
        ("application/x-ndjson, application/json", ARRAY, ARRAY),
        ("application/x-ndjson, text/event-stream", ARRAY, NDJSON),
        ("text/event-stream, application/x-ndjson", ARRAY, SSE),
        ("application/x-ndjson, text/event-stream", SSE, SSE),
        # The most exact range decides for a type, not the most generous one.
        ("application/json;q=0.1, */*;q=0.9, application/x-ndjson;q=0.2", ARRAY, SSE),
        ("text/event-stream;q=0, */*", SSE, ARRAY),
        ("application/x-ndjson;q=0, application/*;q=0.5", NDJSON, ARRAY),
        ("application/json;q=0.2, application/json, application/x-ndjson;q=0.5", NDJSON, ARRAY),
        # What browsers and common clients send.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ARRAY, ARRAY),
        ("application/json, text/plain, */*", NDJSON, ARRAY),
        ("application/json; charset=utf-8", NDJSON, ARRAY),
        ('application/x-ndjson;profile="a,b;q=0;\\"";q=0.9, application/json;q=0.8', ARRAY, NDJSON),
        ("text/event-stream;q=0.9;ext=1, application/json;q=0.8", ARRAY, SSE),
        # No 406.
        ("application/xml", ARRAY, ARRAY),
        ("application/json;q=0", ARRAY, ARRAY),
        ("*/*;q=0", NDJSON, NDJSON),
        # Elements that cannot be read are ignored, the others count.
        ("application/x-ndjson;q=2, text/event-stream;q=0.1", ARRAY, SSE),
        ("application/x-ndjson;q=, text/event-stream", ARRAY, SSE),
        ("application/x-ndjson;q=0.1234, text/event-stream;q=0.1", ARRAY, SSE),
        ("application/x-ndjson;q=-1, text/event-stream;q=0.1", ARRAY, SSE),
        ("application/x-ndjson;q=nan, text/event-stream;q=0.1", ARRAY, SSE),
        ("*/x-ndjson, text/event-stream;q=0.1", ARRAY, SSE),
        ("ndjson, , ;q=1, text/event-stream;q=0.1,", ARRAY, SSE),
        ('application/x-ndjson;a="never closed, text/event-stream', ARRAY, NDJSON),
        ("application /x-ndjson", ARRAY, ARRAY),
        (",", ARRAY, ARRAY),
        ("\udcff/\udcff", ARRAY, ARRAY),
    ],
)
def test_accept_chooses_the_format(
    accept: str, default: StreamFormat, chosen: StreamFormat
) -> None:
    assert choose_format(accept, default) is chosen


@STEADY
@given(
    st.text(alphabet='*/,;q=0.15 "\\aé', max_size=30),
    st.sampled_from([ARRAY, NDJSON, SSE]),
)
def test_any_accept_chooses_some_format(accept: str, default: StreamFormat) -> None:
    assert choose_format(accept, default) in FORMATS.values()
