"""The page about old APIs goes as it is shown: its files, its commands, what they print."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.inventory.findings import FindingKind
from proxy.inventory.mapping import Standing
from proxy.inventory.scoring import _WEIGHTS
from proxy.inventory.suggestions import MARGIN, SURE
from tests.document_examples import ROOT, blocks, commands, output_pattern, table_rows

PAGE = ROOT / "docs" / "old-api.md"
RULES = "- service_config: suggested_rules.yaml\n"


def write_files(base: Path) -> None:
    for block in (*blocks(PAGE, "proto"), *blocks(PAGE, "yaml")):
        path = base / block.words
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def run(command: str, shown: str) -> str:
    """What a command prints. A file that is shown and not there yet is the reader's own."""
    words = shlex.split(command)
    if words[0] == "cat":
        path = Path(words[1])
        if not path.exists():
            path.write_text(shown)
        return path.read_text()
    assert words[0] == "cutover"
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    if "suggest" in words:
        config = Path("mappings/cutover.yaml")
        source = "- proto_path: ../proto\n"
        config.write_text(config.read_text().replace(source, source + RULES))
    return result.stdout


def test_the_page_goes_as_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    shown = [each for block in blocks(PAGE, "console") for each in commands(block)]
    assert len(shown) == 7
    for command, output in shown:
        printed = run(command, output)
        assert output_pattern(output).fullmatch(printed), printed
    assert Path("survey.html").read_text().startswith("<!DOCTYPE html>")


def test_standings_findings_and_weights_are_those_of_the_code() -> None:
    rows = [row for row in table_rows(PAGE, "What no binding takes") if len(row) == 2]
    named = {row[0].strip("`") for row in rows}
    assert named == {*Standing, *FindingKind}
    weights = [float(row[1]) for row in table_rows(PAGE, "Proposing rules")]
    assert sorted(weights) == sorted(_WEIGHTS.values())
    text = PAGE.read_text()
    assert re.search(rf"score is {SURE} or more and {MARGIN} better", text)
