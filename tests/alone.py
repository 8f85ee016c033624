"""Tests whose code forks, each in a process of its own that has no threads.

The runner's process has threads, its own and those of other tests: what is forked from it may wait
for ever for a lock that one of them held, and Python warns of it from 3.12 on. The parent that is
tested never has any.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Final, TypeVar

from tests.live.wire import PATIENCE_S

Test = Callable[[Path], None]
T = TypeVar("T")

#: Forks from a server that is started afresh, and does nothing else.
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_FAILURE: Final = "failure"


def alone(body: Test) -> Test:
    """Run a test of a module in a process of its own; it gets a directory and returns nothing."""

    def run(tmp_path: Path) -> None:
        process = _CONTEXT.Process(target=_run, args=(body.__module__, body.__name__, tmp_path))
        process.start()
        process.join(PATIENCE_S)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        failure = tmp_path / _FAILURE
        assert code == 0, failure.read_text() if failure.exists() else f"it ended with {code}"

    run.__name__, run.__doc__, run.__module__ = body.__name__, body.__doc__, body.__module__
    vars(run)["body"] = body
    return run


def alone_on(
    staged: Callable[[Path], AbstractContextManager[T]],
) -> Callable[[Callable[[T], None]], Test]:
    """`alone` for tests that get what *staged* gives, and that leave no process behind."""

    def decorate(test: Callable[[T], None]) -> Test:
        def body(place: Path) -> None:
            with staged(place) as stage:
                test(stage)
            assert not children(), "a process was left behind"

        body.__name__, body.__doc__, body.__module__ = test.__name__, test.__doc__, test.__module__
        return alone(body)

    return decorate


def children() -> bool:
    """Whether this process has any that it has not taken note of the end of."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _run(module: str, name: str, place: Path) -> None:
    own = os.getpid()
    try:
        vars(getattr(import_module(module), name))["body"](place)
    except BaseException:
        # What is forked in a test ends by itself; if it does not, it is not the test that fails.
        if os.getpid() == own:
            (place / _FAILURE).write_text(traceback.format_exc())
        raise
