"""The walk's own judgement. The legacy host stands in for the proxy: it gives the same answers."""

import asyncio
import io
import shlex
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from rich.console import Console

from proxy.example.expect import (
    Answer,
    Check,
    body_starts,
    fails_with,
    has_header,
    has_pages,
    has_records,
    holds,
    is_array_of,
    is_empty,
    is_events_of,
    is_json,
    is_lines_of,
    lacks,
    mentions,
    result_holds,
)
from proxy.example.legacy import make_application
from proxy.example.seed import seeded_store
from proxy.example.steps import STEPS, Side, Step
from proxy.example.walk import Report, curl_lines, walk

#: The walk without its large streams, where it does not matter what is asked for.
SHORT = tuple(step for step in STEPS if "large.example" not in step.path)


@asynccontextmanager
async def standing_in(sides: Iterable[Side]) -> AsyncIterator[str]:
    """A host that names *sides* in its answers, one after another."""
    waiting = list(sides)

    async def name_side(_: web.Request, response: web.StreamResponse) -> None:
        if waiting:
            response.headers["x-cutover-side"] = waiting.pop(0).value

    application = make_application(seeded_store())
    application.on_response_prepare.append(name_side)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def printed(report: Report) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(report.table())
    return console.export_text()


def faults(report: Report) -> dict[str, tuple[str, ...]]:
    return {one.step.name: one.faults for one in report.outcomes if one.faults}


async def test_walk_passes_when_every_step_gives_what_it_should() -> None:
    async with standing_in(step.side for step in STEPS) as url:
        report = await walk(url)
    assert faults(report) == {}
    assert report.passed
    assert report.summary == f"{len(STEPS)} of {len(STEPS)} steps as they should be"
    assert printed(report).count(" ok ") == len(STEPS)


async def test_walk_can_be_walked_again() -> None:
    async with standing_in([step.side for step in SHORT] * 2) as url:
        await walk(url, SHORT)
        assert faults(await walk(url, SHORT)) == {}


async def test_one_answer_from_the_wrong_side_fails_the_walk() -> None:
    sides = [step.side for step in SHORT]
    sides[0] = Side.LEGACY
    async with standing_in(sides) as url:
        report = await walk(url, SHORT)
    assert faults(report) == {SHORT[0].name: ("answered by legacy, not grpc",)}
    assert not report.passed
    assert "answered by legacy, not grpc" in printed(report)


async def test_answer_that_names_no_side_fails_every_step() -> None:
    async with standing_in([]) as url:
        report = await walk(url, SHORT)
    assert len(faults(report)) == len(SHORT)


async def test_wrong_status_is_a_fault_that_shows_the_body() -> None:
    step = Step("x", "GET", "/nothing", Side.LEGACY, checks=(holds(a=1),))
    async with standing_in([Side.LEGACY]) as url:
        [outcome] = (await walk(url, (step,))).outcomes
    assert len(outcome.faults) == 1
    assert outcome.faults[0].startswith("status 404, not 200: ")
    assert "No route for that URI" in outcome.faults[0]


async def test_body_of_another_form_is_a_fault() -> None:
    step = Step("x", "GET", "/v4/zones/example.com/file", Side.GRPC, checks=(holds(a=1),))
    async with standing_in([Side.GRPC]) as url:
        [outcome] = (await walk(url, (step,))).outcomes
    assert "has not the form" in outcome.faults[0]


async def test_no_answer_is_a_fault_and_the_walk_goes_on() -> None:
    async with standing_in([]) as url:
        pass
    report = await walk(url, STEPS[:2])
    assert [one.answer for one in report.outcomes] == [None, None]
    assert all("no answer" in one.faults[0] for one in report.outcomes)
    assert "no answer" in printed(report)


def test_walk_of_no_steps_proves_nothing() -> None:
    assert not Report(()).passed


def test_walk_goes_to_every_side_and_over_every_kind_of_request() -> None:
    assert {step.side for step in STEPS} == set(Side)
    assert {step.method for step in STEPS} == {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"}
    assert {step.status for step in STEPS} >= {200, 201, 202, 204, 301, 400, 404, 405, 409, 412}


def test_names_of_steps_tell_them_apart() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


def answer(body: bytes = b"", **headers: str) -> Answer:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(200, named, body, 1.0)


def succeeded(result: bytes) -> bytes:
    return b'{"success":true,"errors":[],"messages":[],"result":' + result + b"}"


def failed(error: bytes) -> bytes:
    return b'{"success":false,"errors":[' + error + b'],"messages":[],"result":null}'


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (holds(a={"b": 1}), answer(b'{"a":{"b":1,"c":2}}'), answer(b'{"a":{"b":2}}')),
        (holds(a={"b": 1}), answer(b'{"a":{"b":1}}'), answer(b'{"a":1}')),
        (holds(a=1), answer(b'{"a":1}'), answer(b"{}")),
        (holds(a=1), answer(b'{"a":1}'), answer(b"[]")),
        (lacks("a"), answer(b'{"result":{}}'), answer(b'{"result":{"a":1}}')),
        (result_holds(a=1), answer(succeeded(b'{"a":1,"b":2}')), answer(succeeded(b'{"a":2}'))),
        (result_holds(), answer(succeeded(b"{}")), answer(failed(b""))),
        (fails_with(7), answer(failed(b'{"code":7}')), answer(failed(b'{"code":8}'))),
        (fails_with(7), answer(failed(b'{"code":7}')), answer(succeeded(b"null"))),
        (
            fails_with(7, field="a"),
            answer(failed(b'{"code":7,"field":"a"}')),
            answer(failed(b'{"code":7}')),
        ),
        (
            has_pages(1, 2, 3),
            answer(b'{"result_info":{"page":1,"per_page":2,"total_count":3,"count":2}}'),
            answer(b'{"result_info":{"page":2,"per_page":2,"total_count":3}}'),
        ),
        (is_json([]), answer(b"[]"), answer(b"{}")),
        (has_header("a-b", "x"), answer(a_b="wxy"), answer(a="x")),
        (body_starts("a"), answer(b"ab"), answer(b"ba")),
        (mentions("b"), answer(b"abc"), answer(b"ac")),
        (is_empty, answer(), answer(b"x")),
        (has_records(1), answer(b'{"result":[{"name":"x"}]}'), answer(b"{}")),
        (is_array_of(1), answer(b'[{"name":"x"}]'), answer(b'[{"error":"x"}]')),
        (is_lines_of(2), answer(b'{"name":"x"}\n{"name":"y"}\n'), answer(b'{"name":"x"}\n')),
        (is_events_of(1), answer(b'data: {"name":"x"}\n\n'), answer(b": alive\n\n")),
    ],
)
def test_check_tells_right_from_wrong(check: Check, right: Answer, wrong: Answer) -> None:
    assert check(right) == ""
    assert check(wrong) != ""


def test_repeated_header_is_joined() -> None:
    found = Answer(200, (("set-cookie", "a=1"), ("set-cookie", "b=2")), b"", 1.0)
    assert found.header("set-cookie") == "a=1, b=2"


def test_curl_line_says_what_its_step_sends() -> None:
    shown = [step for step in STEPS if step.shown]
    assert len(shown) >= 6
    for line, step in zip(curl_lines("http://h"), shown, strict=True):
        words = shlex.split(line)
        options = dict(zip(words[2:-1:2], words[3:-1:2], strict=True))
        headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
        sent = (options.get("-X", "GET"), words[-1], options.get("-d", ""), headers)
        assert sent == (step.method, f"http://h{step.path}", step.body, dict(step.headers))


async def test_curl_lines_do_what_they_say_where_curl_is_installed() -> None:
    shown = [step for step in STEPS if step.shown]
    async with standing_in(step.side for step in shown) as url:
        for line, step in zip(curl_lines(url), shown, strict=True):
            process = await asyncio.create_subprocess_shell(line, stdout=-1, stderr=-1)
            said, _ = await process.communicate()
            if process.returncode == 127:
                pytest.skip("curl is not installed")
            assert said.split(b" ", 2)[1] == str(step.status).encode(), line
