"""Files that survive a crash: what is flushed, and in which order."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from proxy.cutover.overrides import KillSwitch
from proxy.state.directory import StateDirectory
from tests.state.test_directory import paused

CONTENT = ["write", "fsync"]
NAME = ["fsync"]


@contextmanager
def system_calls(*names: str) -> Iterator[list[str]]:
    """The calls of these functions of `os`, in their order."""
    seen: list[str] = []
    functions = {getattr(os, name): name for name in names}

    def note(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called in functions:
            seen.append(functions[called])

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def test_a_change_is_flushed_before_it_counts_and_its_name_before_it_is_told(
    state: StateDirectory,
):
    with system_calls("write", "fsync", "replace") as seen:
        paused(state)
    assert seen == [*CONTENT, "replace", *NAME, *CONTENT]


def test_the_kill_switch_is_flushed_with_its_name(state: StateDirectory):
    with system_calls("write", "fsync") as seen:
        state.kill.write(KillSwitch("kim", "to see", 1.0))
    assert seen == [*CONTENT, *NAME]
