"""Trying what is on disk before it replaces what runs."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from proxy.supervisor.upgrade import TRY_LIMIT_S, Upgrade
from tests.alone import alone_on
from tests.fakes import FakeClock


class Stage:
    """An upgrade whose trial runs *script*; *replaced* counts how often it went well."""

    def __init__(self, output: Path) -> None:
        self.clock = FakeClock()
        self.output = output
        self.busy = False
        self.replaced = 0

    def upgrade(self, script: str) -> Upgrade:
        return Upgrade(
            (sys.executable, "-c", script),
            self.output,
            is_busy=lambda: self.busy,
            replace=self._replace,
            clock=self.clock,
        )

    def _replace(self) -> None:
        self.replaced += 1

    def reap(self, upgrade: Upgrade) -> int:
        """Wait for the trial and tell of its end; its exit code."""
        pid, status = os.waitpid(-1, 0)
        code = os.waitstatus_to_exitcode(status)
        upgrade.has_ended(pid, code)
        return code


@contextmanager
def staged(place: Path) -> Iterator[Stage]:
    structlog.reset_defaults()
    yield Stage(place / "trial.log")


on_stage = alone_on(staged)


@on_stage
def test_what_is_well_replaces(stage: Stage) -> None:
    upgrade = stage.upgrade("pass")
    upgrade.begin()
    assert stage.reap(upgrade) == 0
    assert stage.replaced == 1
    assert upgrade.due_s is None


@on_stage
def test_what_is_not_well_is_told_in_its_own_words(stage: Stage) -> None:
    upgrade = stage.upgrade("import sys; print('out'); sys.exit('err')")
    with capture_logs() as told:
        upgrade.begin()
        stage.reap(upgrade)
    assert stage.replaced == 0
    assert (told[0]["how"], sorted(told[0]["problems"])) == ("exit code 1", ["err", "out"])
    stage.output.unlink()
    upgrade.begin()
    stage.output.unlink()
    with capture_logs() as told:
        stage.reap(upgrade)
    assert "No such file" in told[0]["problems"][0]


@on_stage
def test_it_waits_for_what_is_under_way_and_follows_once(stage: Stage) -> None:
    upgrade = stage.upgrade("pass")
    stage.busy = True
    with capture_logs() as told:
        upgrade.begin()
        upgrade.begin()
    assert len(told) == 2
    assert upgrade.due_s is None
    stage.busy = False
    upgrade.act()
    assert upgrade.due_s is not None
    upgrade.begin()
    stage.reap(upgrade)
    upgrade.act()
    stage.reap(upgrade)
    upgrade.act()
    assert upgrade.due_s is None
    assert stage.replaced == 2


@on_stage
def test_one_that_hangs_is_killed(stage: Stage) -> None:
    upgrade = stage.upgrade("import signal; signal.pause()")
    upgrade.begin()
    stage.clock.advance(TRY_LIMIT_S)
    upgrade.act()
    upgrade.act()
    assert stage.reap(upgrade) == -signal.SIGKILL
    assert stage.replaced == 0


@on_stage
def test_the_end_of_the_service_ends_it(stage: Stage) -> None:
    upgrade = stage.upgrade("import signal; signal.pause()")
    upgrade.begin()
    upgrade.stop()
    assert stage.reap(upgrade) == -signal.SIGKILL
    upgrade.begin()
    assert upgrade.due_s is None
    assert stage.replaced == 0


@on_stage
def test_a_service_that_has_ended_leaves_no_trial_behind(stage: Stage) -> None:
    upgrade = stage.upgrade("import signal; signal.pause()")
    upgrade.begin()
    upgrade.close()
    upgrade.close()
    with pytest.raises(ChildProcessError):
        stage.reap(upgrade)


@on_stage
def test_the_end_of_another_process_is_not_its_own(stage: Stage) -> None:
    upgrade = stage.upgrade("pass")
    upgrade.has_ended(1, 0)
    upgrade.begin()
    upgrade.has_ended(1, 0)
    assert stage.replaced == 0
    stage.reap(upgrade)


@on_stage
def test_a_program_that_is_not_there_is_told(stage: Stage) -> None:
    upgrade = Upgrade(
        ("/nowhere/python",),
        stage.output,
        is_busy=lambda: False,
        replace=lambda: None,
        clock=stage.clock,
    )
    with capture_logs() as told:
        upgrade.begin()
    assert told[0]["event"] == "nothing is replaced: it cannot be tried"
