"""The kill switch as a file."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.cutover.overrides import KillSwitch
from proxy.state.kill_file import KillFile


@pytest.fixture
def kill(tmp_path: Path) -> KillFile:
    return KillFile(tmp_path / "kill")


def test_it_is_off_while_there_is_no_file(kill: KillFile):
    assert (kill.exists, kill.read()) == (False, None)
    kill.remove()


def test_an_empty_file_made_by_hand_is_enough(kill: KillFile):
    kill.path.touch()
    assert kill.exists
    assert kill.read() == KillSwitch(since_s=kill.path.stat().st_mtime)


def test_a_text_made_by_hand_is_the_reason(kill: KillFile):
    kill.path.write_text("incident 42\n")
    assert kill.read() == KillSwitch(reason="incident 42", since_s=kill.path.stat().st_mtime)


@pytest.mark.parametrize(
    "switch",
    [
        KillSwitch("kim", "incident 42", 1_795_435_200.123456, 1_795_435_300.0),
        KillSwitch("kim", "a \u2028 line", 5.0),
    ],
)
def test_what_is_written_is_read_back(kill: KillFile, switch: KillSwitch):
    kill.path.write_text("something longer that somebody wrote by hand before" * 10)
    kill.write(switch)
    assert kill.read() == switch
    kill.remove()
    assert not kill.exists


def test_a_switch_with_an_end_that_somebody_touches_has_none_any_more(kill: KillFile):
    written = KillSwitch("kim", "for ten minutes", 1_000.0, 1_600.0)
    kill.write(written)
    kill.path.touch()
    assert kill.read() == replace(written, expires_s=None)
    kill.write(written)
    assert kill.read() == written


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"\xff\xfe",
        b'{"who": 5, "reason": [], "since_s": true, "expires_s": "soon"}',
        b"{",
        b"x" * (1 << 20),
        b'{"expires_s": 1e999}',
    ],
)
def test_whatever_is_inside_it_is_on_without_an_end(kill: KillFile, content: bytes):
    kill.path.write_bytes(content)
    switch = kill.read()
    assert switch is not None
    assert switch.holds(1e12)
    assert len(switch.reason) <= 1000


def test_what_cannot_be_read_is_on(kill: KillFile):
    kill.path.mkdir()
    assert kill.exists
    switch = kill.read()
    assert switch is not None
    assert "kill is there, but: Is a directory" in switch.reason


def test_without_room_for_who_and_why_it_is_on_all_the_same(kill: KillFile):
    kill.path.symlink_to("/dev/full")
    kill.write(KillSwitch("kim", "incident 42"))
    assert kill.exists
