"""The form of the state on disk: what is written is read back, what is damaged is refused."""

from contextlib import suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.overrides import NOTHING_MOVED, Override, Overrides, positions
from proxy.cutover.plan import RoutePlan
from proxy.state.document import (
    AuditEntry,
    DamagedDocument,
    StateDocument,
    decode,
    encode,
    entry_line,
    parse_entry,
)
from tests.cutover.plans import histories

ENTRY = AuditEntry("7-ab", "2026-11-23T12:00:00.000Z", "kim", "why", "stage", "r", "a", "b", "d", 7)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
entries = st.builds(
    AuditEntry,
    *[texts] * 9,
    st.integers(0, 1 << 50),
    st.none() | st.floats(0.1, 1e9),
    st.none() | texts,
)


@given(histories(), st.integers(0, 1 << 50), st.none() | entries)
def test_a_document_is_read_back_as_it_was_written(
    history: tuple[RoutePlan, Overrides, float], revision: int, entry: AuditEntry | None
):
    plan, overrides, now_s = history
    kept = replace(overrides, kill=None).following(Overrides(revision, moved={"gone": 1}))
    written = StateDocument(kept, entry)
    read = decode(encode(written))
    assert read == written
    plans = {plan.name: plan}
    assert positions(plans, read.overrides, now_s) == positions(plans, overrides, now_s)


@given(entries)
def test_an_entry_is_one_line_and_read_back(entry: AuditEntry):
    line = entry_line(entry)
    assert line.count(b"\n") == 1
    assert parse_entry(line) == entry


def test_an_entry_from_before_there_were_gates_is_read_and_its_gate_was_not_asked():
    before = {name: value for name, value in ENTRY.as_json().items() if name != "gate"}
    assert parse_entry(orjson.dumps(before)).gate is None


def test_undecodable_bytes_of_a_name_do_not_stop_a_change():
    override = Override(rollback="a \udcff", who="system", reason="a \udcff")
    written = StateDocument(Overrides(1, routes={"\udcff": override}))
    assert decode(encode(written)).overrides.routes["?"].rollback == "a ?"


def test_a_document_tells_only_what_was_moved():
    document = orjson.loads(
        encode(
            StateDocument(
                Overrides(
                    3,
                    routes={"r": Override(paused=True, who="kim")},
                    moved={"r": 2, "gone": 1},
                )
            )
        )
    )
    assert document == {
        "schema": 1,
        "revision": 3,
        "routes": {"r": {"paused": True, "since_s": 0.0, "who": "kim", "reason": ""}},
        "moved": {"r": 2, "gone": 1},
        "entry": None,
    }


def document_with(**members: object) -> bytes:
    whole = {"schema": 1, "revision": 0, "routes": {}, "moved": {}, "entry": None}
    return orjson.dumps(whole | members)


def route_with(**members: object) -> bytes:
    override = {"since_s": 0.0, "who": "", "reason": ""}
    return document_with(routes={"r": override | members})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no JSON"),
        (b"[]", "the document: not an object"),
        (b'{"schema": 1', "it is no JSON"),
        (b"\0" * 100, "it is no JSON"),  # as a file system leaves it after a crash
        (document_with(schema=2), "its schema is 2; this version reads 1"),
        (b"{}", "its schema is None"),
        (document_with(revision="7"), "revision: missing, or of another type"),
        (document_with(revision=True), "revision: missing, or of another type"),
        (document_with(routes=[]), "routes: not an object"),
        (document_with(moved=None), "moved: not an object"),
        (document_with(moved={"r": "7"}), "moved.r: missing, or of another type"),
        (document_with(frozen={}), "frozen: no such key"),
        (document_with(entry={}), "entry.id: missing"),
        (document_with(entry=ENTRY.as_json() | {"ttl_s": "1h"}), "entry.ttl_s: missing, or of"),
        (document_with(entry=ENTRY.as_json() | {"gate": 1}), "entry.gate: missing, or of"),
        (document_with(routes={"r": 1}), "routes.r: not an object"),
        (document_with(routes={"r": {}}), "routes.r.since_s: missing"),
        (route_with(stage="grcp"), "routes.r.stage: 'grcp' is no stage"),
        (route_with(stage=1), "routes.r.stage: missing, or of another type"),
        (route_with(basis_points=10_001), "routes.r.basis_points: not from 0 to 10000"),
        (route_with(basis_points=5.0), "routes.r.basis_points: missing, or of another type"),
        (route_with(paused=1), "routes.r.paused: missing, or of another type"),
        (route_with(percent=5), "routes.r.percent: no such key"),
        (route_with(beneath=5), "routes.r.beneath: not an object"),
        (
            route_with(beneath={"since_s": 0, "who": "", "reason": "", "expires_s": 5}),
            "routes.r.beneath: has an end itself",
        ),
    ],
)
def test_a_damaged_document_is_refused_with_its_place(content: bytes, message: str):
    with pytest.raises(DamagedDocument, match=message):
        decode(content)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(content: bytes):
    with suppress(DamagedDocument):
        assert decode(content).overrides.routes == {}


@given(st.data())
def test_a_changed_document_is_read_or_refused(data: st.DataObject):
    override = Override(basis_points=5, who="kim", reason="r", beneath=Override(paused=True))
    content = bytearray(encode(StateDocument(Overrides(1, routes={"r": override}), ENTRY)))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] = data.draw(st.integers(0, 255))
    with suppress(DamagedDocument):
        assert len(decode(bytes(content)).overrides.routes) == 1


def test_nothing_moved_is_a_document():
    assert decode(encode(StateDocument())).overrides == NOTHING_MOVED
