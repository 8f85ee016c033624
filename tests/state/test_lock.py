"""Taking turns, and leading."""

from pathlib import Path

import pytest

from proxy.state.errors import StateError
from proxy.state.lock import Lead, locked
from tests.state.movers import running, said


def test_a_lock_that_is_held_is_given_up_with_a_text(tmp_path: Path):
    with (
        locked(tmp_path / "lock"),
        pytest.raises(StateError, match=r"lock: another process has held the lock for 0\.01 s"),
        locked(tmp_path / "lock", 0.01),
    ):
        raise AssertionError


def test_a_lock_is_free_again_after_an_error(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with locked(tmp_path / "lock", 0.0):
        pass


def test_a_disk_that_fails_under_the_lock_is_told_as_such(tmp_path: Path):
    with (
        pytest.raises(StateError, match=r"cannot change the state: .*No such file"),
        locked(tmp_path / "lock"),
    ):
        (tmp_path / "missing").unlink()


def test_a_lock_in_no_directory_cannot_be_held(tmp_path: Path):
    with pytest.raises(StateError, match="No such file"), locked(tmp_path / "no" / "lock"):
        raise AssertionError


def test_one_leads_until_it_resigns(tmp_path: Path):
    leads = [Lead(tmp_path / "ramp.lock") for _ in range(3)]
    assert [lead.try_lead() for lead in leads] == [True, False, False]
    assert [lead.try_lead() for lead in leads] == [True, False, False]
    leads[0].resign()
    assert [lead.try_lead() for lead in reversed(leads)] == [True, False, False]
    assert "held=True" in repr(leads[2])
    leads[2].resign()


def test_the_lead_passes_on_when_its_process_is_killed(tmp_path: Path):
    directory = tmp_path / "state"
    with running("lead", directory) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        lead = Lead(directory / "ramp.lock")
        assert not lead.try_lead()
        process.kill()
        process.wait()
    assert lead.try_lead()
    lead.resign()


def test_a_fork_does_not_lead_with_its_parent(tmp_path: Path):
    assert said("fork", tmp_path) == ["parent True", "child False", "parent True"]


def test_who_locked_a_file_that_is_gone_does_not_lead(tmp_path: Path):
    old, new = Lead(tmp_path / "ramp.lock"), Lead(tmp_path / "ramp.lock")
    assert old.try_lead()
    (tmp_path / "ramp.lock").unlink()
    assert new.try_lead()
    assert not old.try_lead()
    new.resign()
    assert old.try_lead()
    old.resign()


def test_nobody_leads_in_a_directory_that_is_gone(tmp_path: Path):
    lead = Lead(tmp_path / "ramp.lock")
    assert lead.try_lead()
    (tmp_path / "ramp.lock").unlink()
    tmp_path.rmdir()
    assert not lead.try_lead()
