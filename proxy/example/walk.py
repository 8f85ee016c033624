"""The scripted walk: sends each step to the proxy, judges what comes back, prints a table.

It sees the proxy only from outside, as a REST client does.
"""

import json
import shlex
import time
from dataclasses import dataclass
from typing import Final

import aiohttp
from rich.table import Table
from yarl import URL

from proxy.example.expect import Answer
from proxy.example.steps import STEPS, Step

#: For one step; the largest stream takes far less than a second.
STEP_TIMEOUT_S: Final = 30

_SIDE_HEADER: Final = "x-cutover-side"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A step with its answer (None: there was none) and what is wrong; nothing when it is right."""

    step: Step
    answer: Answer | None
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How the walk went."""

    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Whether every step gave what it should; a walk of no steps shows nothing."""
        return bool(self.outcomes) and not any(one.faults for one in self.outcomes)

    @property
    def summary(self) -> str:
        """One line for people.

        >>> Report(()).summary
        '0 of 0 steps as they should be'
        """
        right = sum(not one.faults for one in self.outcomes)
        return f"{right} of {len(self.outcomes)} steps as they should be"

    def table(self) -> Table:
        """The request, side, status, time and verdict of each step."""
        table = Table("step", "request", "side", "status", "time", "verdict", title="The walk")
        table.columns[4].justify = "right"
        table.columns[1].overflow = "fold"
        for outcome in self.outcomes:
            table.add_row(*_cells(outcome), style="red" if outcome.faults else "")
        return table


async def walk(base_url: str, steps: tuple[Step, ...] = STEPS) -> Report:
    """Send *steps* to the proxy at *base_url*, one after another."""
    timeout = aiohttp.ClientTimeout(total=STEP_TIMEOUT_S)
    async with aiohttp.ClientSession(
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("accept-encoding", "content-type", "user-agent"),
    ) as session:
        return Report(tuple([await _take(session, base_url, step) for step in steps]))


def curl_lines(base_url: str, steps: tuple[Step, ...] = STEPS) -> tuple[str, ...]:
    """Shell commands for the steps that are worth a try by hand."""
    return tuple(curl(base_url, step) for step in steps if step.shown)


def curl(base_url: str, step: Step) -> str:
    """The shell command that sends *step*.

    >>> from proxy.example.steps import Side
    >>> curl("http://127.0.0.1:8080", Step("", "POST", "/hello", Side.GRPC, body="{}"))
    "curl -i -X POST -d '{}' http://127.0.0.1:8080/hello"
    """
    words = ["curl", "-i"]
    if step.method != "GET":
        words += ["-X", step.method]
    for name, value in step.headers:
        words += ["-H", f"{name}: {value}"]
    if step.body:
        words += ["-d", step.body]
    return shlex.join([*words, base_url + step.path])


async def _take(session: aiohttp.ClientSession, base_url: str, step: Step) -> Outcome:
    try:
        answer = await _send(session, base_url + step.path, step)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        return Outcome(step, None, (f"no answer: {error!r}",))
    return Outcome(step, answer, _faults(step, answer))


async def _send(session: aiohttp.ClientSession, url: str, step: Step) -> Answer:
    started = time.perf_counter()
    async with session.request(
        step.method,
        URL(url, encoded=True),
        headers=step.headers,
        data=step.body.encode() or None,
        allow_redirects=False,
    ) as response:
        body = await response.read()
        headers = tuple((name.lower(), value) for name, value in response.headers.items())
        return Answer(response.status, headers, body, (time.perf_counter() - started) * 1000)


def _faults(step: Step, answer: Answer) -> tuple[str, ...]:
    side = answer.header(_SIDE_HEADER)
    found = []
    if answer.status != step.status:
        found.append(f"status {answer.status}, not {step.status}: {_excerpt(answer.body)}")
    if side != step.side.value:
        found.append(f"answered by {side or 'an unnamed side'}, not {step.side.value}")
    return (*found, *(fault for fault in _checked(step, answer) if fault))


def _checked(step: Step, answer: Answer) -> list[str]:
    """What the checks say, which matters only for an answer with the right status."""
    if answer.status != step.status:
        return []
    try:
        return [check(answer) for check in step.checks]
    except (AttributeError, TypeError, ValueError) as error:
        return [f"the body has not the form it should have: {error}"]


def _excerpt(body: bytes) -> str:
    return json.dumps(body[:200].decode(errors="replace"))


def _cells(outcome: Outcome) -> tuple[str, str, str, str, str, str]:
    step, answer = outcome.step, outcome.answer
    verdict = "\n".join(outcome.faults) or "ok"
    request = f"{step.method} {step.path}".replace("[", r"\[")
    if answer is None:
        return step.name, request, "-", "-", "-", verdict
    side, elapsed = answer.header(_SIDE_HEADER) or "-", f"{answer.elapsed_ms:.1f} ms"
    return step.name, request, side, str(answer.status), elapsed, verdict.replace("[", r"\[")
