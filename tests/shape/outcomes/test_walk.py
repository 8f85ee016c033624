"""The way to a page, call by call, without a server."""

import asyncio
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RequestError, UpstreamError
from proxy.shape.outcomes.asked import Turn
from proxy.shape.outcomes.options import PagingOptions
from proxy.shape.outcomes.paging import Paging
from proxy.shape.outcomes.walk import Walk
from proxy.status import Code
from proxy.transcoding.binding import Binding
from proxy.transcoding.descriptors import message_class
from proxy.upstreams import Call, Reply
from proxy.upstreams.pages import read_page
from tests.fakes import FakeClock
from tests.shape.outcomes.zones import load, message, read

MAX_CALLS = 100


@cache
def binding() -> Binding:
    snapshot = asyncio.run(load(""))
    return next(each.binding for each in snapshot.bindings if each.binding.rpc.endswith("List"))


def walk_to(page: int, per_page: int, max_calls: int = MAX_CALLS) -> Walk:
    paging = Paging.compile(PagingOptions(max_calls=max_calls), binding(), safe=True)
    method = binding().method
    request = message_class(method.input_type)(page_size=per_page)
    return Walk(paging, Turn(page, per_page, 1), request, method.output_type)


def answer(ids: list[int], token: str = "", total: int = 0) -> bytes:
    records = [{"id": str(each)} for each in ids]
    return message("ListReply", records=records, next_page_token=token, total_size=total)


def ids(wire: bytes) -> list[int]:
    return [int(each["id"]) for each in read("ListReply", wire).get("records", [])]


def served(walk: Walk, total: int, sizes: Iterator[int]) -> tuple[bytes, bool]:
    """The page over a server whose answers have these *sizes*, in turn."""
    start = 0
    while True:
        end = min(start + next(sizes), total)
        page = walk.take(answer([*range(start, end)], f"t{end}" if end < total else "", total))
        if page is not None:
            return page
        start = int(read("ListRequest", walk.request)["page_token"].removeprefix("t"))
        assert start == end


@given(
    total=st.integers(0, 40),
    page=st.integers(1, 5),
    per_page=st.integers(1, 7),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=20),
)
def test_a_page_is_whole_however_its_elements_come(
    total: int, page: int, per_page: int, sizes: list[int]
):
    """Elements are neither lost nor doubled nor moved to another page, and none is left behind."""

    def in_turn() -> Iterator[int]:
        yield from sizes
        while True:
            yield 3

    wire, has_next = served(walk_to(page, per_page), total, in_turn())
    start = (page - 1) * per_page
    assert ids(wire) == [*range(min(start, total), min(start + per_page, total))]
    assert has_next >= (start + per_page < total)
    assert read("ListReply", wire).get("total_size", 0) == total


def test_a_whole_first_page_is_passed_on_as_it_came():
    wire = answer([1, 2], "t2", 9)
    assert walk_to(1, 2).take(wire) == (wire, True)


def test_a_server_that_sends_more_than_it_was_asked_for_is_cut():
    wire, has_next = served(walk_to(1, 2), 5, iter([5]))
    assert (ids(wire), has_next) == ([0, 1], True)
    assert "next_page_token" not in read("ListReply", wire)


def test_a_walk_changes_no_request_but_its_own():
    walk = walk_to(2, 2)
    assert walk.take(answer([0, 1], "t2")) is None
    assert read("ListRequest", walk.request) == {"page_size": 2, "page_token": "t2"}


def test_after_the_most_calls_the_page_is_out_of_reach():
    walk = walk_to(3, 2, max_calls=2)
    assert walk.take(answer([], "again")) is None
    with pytest.raises(RequestError) as refused:
        walk.take(answer([], "again"))
    assert (refused.value.status.code, refused.value.field) == (Code.OUT_OF_RANGE, "page")
    assert (walk.calls, repr(walk)) == (2, "<Walk to 3 after 2 calls>")


def test_bytes_that_are_no_message_are_the_server_s_fault():
    with pytest.raises(UpstreamError) as failed:
        walk_to(1, 2).take(b"\xff")
    assert failed.value.http_status == 502


async def test_all_calls_have_the_time_of_one():
    clock, left_s = FakeClock(), list[float]()

    async def make(call: Call) -> Reply:
        left_s.append(call.timeout_s)
        clock.advance(2.0)
        return Reply(answer([], "again"), (), ())

    with pytest.raises(UpstreamError) as failed:
        await read_page(walk_to(3, 2), Call("/m", b"", (), 5.0), make, clock)
    assert failed.value.status.code is Code.DEADLINE_EXCEEDED
    assert left_s == [5.0, 3.0, 1.0]
