"""`cutover demo`: the walk as it ends, and the demo that stays until it is told to go."""

import io
import logging
import os
import re
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout

import pytest
import structlog
from click.testing import CliRunner

from proxy.cli import main
from proxy.config.sections import Listen
from proxy.example.seeded import SEEDED
from proxy.example.traffic import planned


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Undo what a command does to its process: logging and signal handlers."""
    root, numbers = logging.getLogger(), (signal.SIGINT, signal.SIGTERM)
    before = root.handlers[:], root.level, [signal.getsignal(number) for number in numbers]
    yield
    root.handlers[:], level, handlers = before
    root.setLevel(level)
    structlog.reset_defaults()
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


class Lines(io.TextIOBase):
    """A text stream that calls *watch* with each whole line that is written to it."""

    def __init__(self, watch: Callable[[str], None]) -> None:
        self._watch = watch
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._watch(line)
        return len(text)


class Demo:
    """A demo in this process: asks its proxy once and ends it, as soon as it says that it is up."""

    def __init__(self, *arguments: str) -> None:
        self.lines: list[str] = []
        self.answer = b""
        self.exit_code: object = None
        with redirect_stdout(Lines(self._line)), redirect_stderr(io.StringIO()):  # type: ignore[type-var]
            try:
                main(["demo", *arguments])
            except SystemExit as end:
                self.exit_code = end.code

    @property
    def url(self) -> str:
        (line,) = (line for line in self.lines if line.startswith("proxy "))
        return line.split()[1]

    def _line(self, line: str) -> None:
        self.lines.append(line)
        if line == "Ctrl-C ends it.":
            threading.Thread(target=self._ask_and_end).start()

    def _ask_and_end(self) -> None:
        try:
            with urllib.request.urlopen(f"{self.url}/hello/Ada") as response:  # noqa: S310
                self.answer = response.read()
        finally:
            os.kill(os.getpid(), signal.SIGINT)


def test_the_walk_passes_and_ends_with_reports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    result = CliRunner().invoke(main, ["demo", "--once", "--port", str(port)])
    assert result.exit_code == 0, result.output
    assert f"proxy        http://127.0.0.1:{port}\n" in result.stdout
    assert re.search(r"^(\d+) of \1 steps as they should be$", result.stdout, re.MULTILINE)
    check_reports(result.stdout)


def check_reports(printed: str) -> None:
    """Fail unless the demo ends with reports that find what is seeded, and nothing else."""
    total = sum(planned().values())
    found = f"{len(SEEDED)} of {len(SEEDED)} seeded differences found in {total} requests"
    assert printed.endswith(f"{found}, and nothing else\n")
    # The reports come before the table, which says nothing that they do not.
    reports, _, _ = printed.partition("Differences that are seeded")
    for one in SEEDED:
        assert re.search(rf"^{re.escape(one.path)} +{one.kind} ", reports, re.MULTILINE), one
        assert f"{one.route}  fail" in reports


def test_it_stays_until_it_is_interrupted() -> None:
    demo = Demo("--port", "0")
    assert demo.exit_code == 0
    assert b'"result":{}' in demo.answer
    shown = [line for line in demo.lines if line.startswith("  curl ")]
    assert len(shown) > 3
    assert all(demo.url in line for line in shown)


def test_it_shows_how_to_see_what_mirrors_find() -> None:
    demo = Demo("--port", "0")
    assert f"  curl -i {demo.url}/v4/zones/example.com/statistics" in demo.lines
    shown = [line.split() for line in demo.lines if line.startswith("  cutover ")]
    assert {words[1] for words in shown} == {"report", "gate", "examples"}
    (admin,) = {words[-1] for words in shown}
    assert admin.startswith("http://127.0.0.1:")


def test_without_a_port_it_takes_a_free_one_when_the_usual_one_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", Listen().port))
            taken.listen()
        except OSError:
            pass  # Somebody else has it: as good.
        demo = Demo()
    assert demo.exit_code == 0
    assert b'"result":{}' in demo.answer
    assert not demo.url.endswith(f":{Listen().port}")


def test_a_port_that_is_taken_exits_with_3_and_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["demo", "--port", str(port)])
    assert result.exit_code == 3
    assert f"cannot listen on 127.0.0.1:{port}: " in result.stderr
