"""The page about recordings goes as it is shown: its commands, and what they print."""

import asyncio
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.cli.test_record import ZONE, configured, served
from tests.document_examples import ROOT, blocks, commands, output_pattern

PAGE = ROOT / "docs" / "recording.md"
COMMANDS = [each for block in blocks(PAGE, "console") for each in commands(block)]


def write_files(base: Path) -> None:
    for block in (*blocks(PAGE, "proto"), *blocks(PAGE, "yaml")):
        path = base / block.words
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def shown(name: str) -> list[tuple[str, str]]:
    """The commands of a kind with what they print."""
    return [each for each in COMMANDS if shlex.split(each[0])[:2] == ["cutover", name]]


def run(command: str, *more: str, **environment: str) -> Result:
    return CliRunner().invoke(main, [*shlex.split(command)[1:], *more], env=environment)


async def test_what_is_recorded_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path)
    section = yaml.safe_load((tmp_path / "mappings" / "record.yaml").read_text())["record"]
    (tmp_path / "mappings" / "record.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    [(record, recorded)], [(replay, replayed)] = shown("record"), shown("replay")
    written = yaml.safe_dump(section, default_flow_style=True).strip()
    async for stand in served(configured(tmp_path / "mappings", written)):
        reached = ("--admin", stand.service.admin_url)
        command = asyncio.ensure_future(
            asyncio.to_thread(run, record, *reached, **stand.environment)
        )
        await stand.begins(command)
        await stand.get(ZONE)
        await stand.get(ZONE)
        result = await command
        assert output_pattern(recorded).fullmatch(result.output), result.output
        result = await asyncio.to_thread(run, replay, **stand.environment)
        assert output_pattern(replayed).fullmatch(result.output), result.output


def test_a_shape_is_found_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    [pairs] = [output for command, output in COMMANDS if command == "cat pairs.jsonl"]
    Path("pairs.jsonl").write_text(pairs)
    [(command, output)] = shown("shape")
    result = run(command)
    assert output_pattern(output).fullmatch(result.output), result.output
    file = Path("shop/cutover.yaml")
    file.write_text(file.read_text() + result.output)
    assert run("cutover check -c shop").exit_code == 0
