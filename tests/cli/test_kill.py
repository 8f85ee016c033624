"""The kill switch from the command line, with ever more of the rest broken."""

import json
from pathlib import Path

import pytest

from proxy.state.directory import StateDirectory
from tests.cli.operating import Shell, invoke, write_operated

WHY = ("--reason", "a test", "--who", "ann")


async def test_it_asks_the_admin_port(shell: Shell):
    on = await shell.run("kill", "on", *WHY)
    assert "all routes: kill switch off -> kill switch on (revision 1, audit 1-" in on.stdout
    assert shell.stand.control.killed
    off = await shell.run("kill", "off", *WHY, "--json")
    assert json.loads(off.stdout[off.stdout.index("{") :])["revision"] == 2
    assert not shell.stand.control.killed


async def test_it_has_an_end_and_a_revision_like_every_move(shell: Shell):
    await shell.run("kill", "on", *WHY, "--if-revision", "3", code=1)
    assert not shell.stand.control.killed
    await shell.run("kill", "on", *WHY, "--ttl", "2h", "--if-revision", "0")
    (entry,) = shell.stand.control.state.read_audit(10)
    assert entry.ttl_s == 7200


async def test_a_refusal_of_the_port_is_no_reason_to_go_around_it(shell: Shell):
    result = await shell.run("kill", "off", *WHY, code=1)
    assert result.stderr == "the kill switch is not on\n"
    assert [*shell.stand.control.state.read_audit(10)] == []


def test_with_the_port_down_it_writes_into_the_state_directory(tmp_path: Path):
    folder = write_operated(tmp_path / "mappings", "1")
    with StateDirectory(tmp_path / "state") as state:
        result = invoke(["kill", "on", *WHY, "-c", str(folder)])
        assert (result.exit_code, state.kill.exists) == (0, True)
        assert "no answer from the admin port" in result.stderr
        assert f"writing into {folder / '../state'} instead" in result.stderr
        assert result.stdout.startswith("kill switch off -> kill switch on (revision 1, audit 1-")
        assert [entry.who for entry in state.read_audit(10)] == ["ann"]


def test_with_the_port_down_and_no_directory_it_is_3(tmp_path: Path):
    folder = write_operated(tmp_path / "mappings", "1")
    result = invoke(["kill", "on", *WHY, "-c", str(folder)])
    assert result.exit_code == 3
    assert "there is no state directory to write into" in result.stderr


def test_with_the_configuration_broken_it_says_how_it_can_be_done(tmp_path: Path):
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "cutover.yaml").write_text("version: [")
    result = invoke(["kill", "on", *WHY, "-c", str(tmp_path / "mappings")])
    assert result.exit_code == 1
    assert "or with --state" in result.stderr


@pytest.mark.parametrize("content", [None, "{", '{"schema": 9}'])
def test_with_the_state_broken_too_it_is_on(tmp_path: Path, content: str | None):
    StateDirectory(tmp_path).close()
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    command = ["kill", "on", *WHY, "--state", str(tmp_path), "-c", "/nowhere"]
    result = invoke(command)
    assert (result.exit_code, (tmp_path / "kill").is_file()) == (0, True)
    if content is not None:
        assert result.stdout == "kill switch on (not in the audit log)\n"
        assert "cannot be understood" in result.stderr
    again = invoke([*command, "--ttl", "1h"])
    assert again.exit_code == 0


def test_a_broken_state_cannot_be_told_to_turn_it_off(tmp_path: Path):
    StateDirectory(tmp_path).close()
    (tmp_path / "state.json").write_text("{")
    result = invoke(["kill", "off", *WHY, "--state", str(tmp_path)])
    assert result.exit_code == 1
    assert "cannot be understood" in result.stderr


def test_a_directory_that_is_none_is_1(tmp_path: Path):
    result = invoke(["kill", "on", *WHY, "--state", str(tmp_path / "nothing")])
    assert result.exit_code == 1
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    "why", [("--who", "system", "--reason", "r"), ("--reason", " "), ("--reason", "a\nb")]
)
def test_past_the_port_the_same_words_are_refused(tmp_path: Path, why: tuple[str, ...]):
    result = invoke(["kill", "on", *why, "--state", str(tmp_path)])
    assert (result.exit_code, (tmp_path / "kill").exists()) == (1, False)


def test_a_stale_revision_is_refused_past_the_port_too(tmp_path: Path):
    given = ["--state", str(tmp_path), "--if-revision", "5"]
    result = invoke(["kill", "on", *WHY, *given])
    assert (result.exit_code, (tmp_path / "kill").exists()) == (1, False)
    assert "at revision 0 by now" in result.stderr


def test_a_switch_made_by_hand_can_be_turned_off(tmp_path: Path):
    (tmp_path / "kill").touch()
    result = invoke(["kill", "off", *WHY, "--state", str(tmp_path)])
    assert (result.exit_code, (tmp_path / "kill").exists()) == (0, False)


def test_where_not_even_the_file_can_be_made_it_is_not_on_and_says_so(tmp_path: Path):
    (tmp_path / "epoch").mkdir()
    (tmp_path / "kill").symlink_to(tmp_path / "no" / "such" / "place")
    result = invoke(["kill", "on", *WHY, "--state", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "cannot be used" in result.stderr


def test_with_all_but_the_file_broken_it_is_on_for_as_long_as_was_said(tmp_path: Path):
    (tmp_path / "epoch").mkdir()
    result = invoke(["kill", "on", *WHY, "--state", str(tmp_path), "--ttl", "1h"])
    assert result.exit_code == 0
    told = json.loads((tmp_path / "kill").read_text())
    assert told["expires_s"] - told["since_s"] == pytest.approx(3600, abs=1)
