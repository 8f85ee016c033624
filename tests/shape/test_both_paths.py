"""The fast and the strict path of legacy JSON: what the fast one takes, both understand alike."""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import RequestError
from proxy.shape.codecs import ShapedCodecs
from proxy.transcoding.protojson.codec import GIVE_UP, TwoPaths
from tests.shape.corpus_pairs import snapshot_of

#: A shape with something of everything that is read otherwise than ProtoJSON.
SHAPE = """{
  names: snake,
  forms: {int64: number, int32: text, float: text, bool: [1, "N"], bytes: hex,
          timestamp: epoch_ms, duration: seconds},
  enums: {Urgency: {URGENCY_UNSPECIFIED: 0, URGENCY_LOW: low, URGENCY_VERY_HIGH: 20}},
  fields: {
    Ticket.due_time: {name: due, also: [deadline], timestamp: "%Y-%m-%d %H:%M:%S",
                      unset: {as: "0000-00-00 00:00:00"}},
    Ticket.comment: {unset: {as: 0}},
    Ticket.labels: {separator: ","},
    Ticket.rooms: {separator: " "},
    Ticket.person: {flatten: p_},
    Ticket.opened_by: {flatten: true},
    Ticket.digest: {drop: true}},
  nest: {Ticket: {meta: [open_time, score]}},
  add: {Ticket: {href: "/t/{id}"}},
  request: {body: {data: "{}", version: 1}},
  lossy: [timestamp, separator]}"""

KEYS = (
    *("id", "subject_line", "urgency", "meta", "open_time", "score", "due", "deadline", "done"),
    *("labels", "rooms", "seen", "tags", "full_name", "age", "p_full_name", "p_age", "mail"),
    *("anonymous", "watchers", "parent", "comment", "grace_time", "href", "digest", "dueTime"),
)
SCALARS = st.sampled_from(
    [
        *(None, True, False, 0, 1, 2, 20, -1, 1.0, 1.5, -0.0, 2**53 + 1, 2**63, 10**15),
        *("", "a", "1", "1.5", "low", "20", "N", "URGENCY_LOW", "1,2", "1 2", "0", 'é\\"x'),
        *("0000-00-00 00:00:00", "2024-02-29 12:00:00", "2023-02-29 12:00:00", "1e3", "-0"),
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "k"]), inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)


@cache
def codecs(unknown: str) -> ShapedCodecs:
    options = f"rpc: desk.v1.Desk.Answer, unknown_fields: {unknown}"
    snapshot = snapshot_of(f"routes: [{{{options}, shape: {SHAPE}}}]\n")
    inputs, _ = next(
        each
        for each in snapshot.compiled.bindings.items()
        if each[1].route.rpc == "desk.v1.Desk.Answer"
    )
    found = next(
        tables.codecs
        for key, tables in snapshot.compiled.tables.items()
        if key.shape == inputs.shape
    )
    assert isinstance(found, ShapedCodecs)
    return found


def ticket(unknown: str) -> TwoPaths:
    request = snapshot_type()
    return codecs(unknown).message(request.fields_by_name["ticket"].message_type)


def snapshot_type() -> Any:
    snapshot = snapshot_of("")
    binding = next(each for each in snapshot.bindings if each.route.rpc == "desk.v1.Desk.Answer")
    return binding.binding.method.input_type


def outcome(read: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return read(body)
    except RequestError as error:
        return error.field, str(error)


@pytest.mark.parametrize("unknown", ["reject", "warn", "ignore"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(document=BODIES)
def test_what_the_fast_path_takes_the_strict_path_takes_alike(
    unknown: str, document: dict[str, Any]
) -> None:
    codec, body = ticket(unknown), orjson.dumps(document)
    try:
        fast = codec.parse_fast(body)
    except GIVE_UP:
        return
    assert fast == codec.parse_strictly(body)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(document=VALUES)
def test_no_json_makes_reading_fail_otherwise_than_as_a_refusal(document: Any) -> None:
    body = orjson.dumps(document)
    outcome(ticket("warn").parse, body)
    field = snapshot_type().fields_by_name["others"]
    outcome(codecs("warn").field(field).parse, body)
    unwrapping = codecs("warn").unwrapping(snapshot_type(), None)
    assert unwrapping is not None
    outcome(unwrapping.parse, orjson.dumps({"data": document}))


PLAIN = {
    "id": 7,
    "subject_line": "s",
    "urgency": "low",
    "meta": {"open_time": 1500, "score": "1.5"},
    "due": "2024-02-29 12:00:00",
    "labels": "a,b",
    "rooms": "1 2",
    "seen": ["low", 20],
    "done": 1,
    "full_name": "Ann",
    "p_age": "7",
    "watchers": [{"full_name": "Bob"}],
    "parent": {"id": 8, "due": "0000-00-00 00:00:00", "comment": 0},
    "grace_time": 60,
    "href": "/t/7",
}


def test_what_a_well_behaved_client_sends_is_read_on_the_fast_path() -> None:
    codec, body = ticket("reject"), orjson.dumps(PLAIN)
    assert codec.parse_fast(body) == codec.parse_strictly(body)
    unwrapping = codecs("reject").unwrapping(snapshot_type(), None)
    assert unwrapping is not None
    enveloped = orjson.dumps({"data": {"ticket": PLAIN, "text": "t"}, "version": 2})
    assert unwrapping.parse_fast(enveloped) == unwrapping.parse_strictly(enveloped)


@pytest.mark.parametrize("unknown", ["warn", "ignore"])
def test_unknown_members_do_not_leave_the_fast_path(unknown: str) -> None:
    codec = ticket(unknown)
    body = orjson.dumps(
        {**PLAIN, "new": {"a": ["b"]}, "meta": {"other": "x"}, "watchers": [{"y": 1}]}
    )
    fast = codec.parse_fast(body)
    assert fast == codec.parse_strictly(body)
    assert set(fast[1]) == ({"new", "meta.other", "watchers[0].y"} if unknown == "warn" else set())


def nested(levels: int) -> bytes:
    return b'{"parent":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_depth_is_limited_on_both_paths() -> None:
    codec = ticket("reject")
    assert codec.parse(nested(40))[0].ByteSize()
    with pytest.raises(RequestError, match="nested"):
        codec.parse(nested(101))
    with pytest.raises(GIVE_UP):
        codec.parse_fast(nested(101))


def test_an_object_of_too_many_keys_is_refused() -> None:
    many = orjson.dumps({f"k{index}": 0 for index in range(1001)})
    with pytest.raises(RequestError, match="more than 1000 keys"):
        ticket("ignore").parse(many)
    in_a_group = orjson.dumps({"meta": {f"k{index}": 0 for index in range(1001)}})
    with pytest.raises(RequestError, match="more than 1000 keys"):
        ticket("ignore").parse(in_a_group)
