"""`cutover coverage` with an old API, and `cutover suggest`, as a shell runs them."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.folders import shop
from tests.cli.operating import invoke

OLD = """\
openapi: 3.0.3
info: {title: Old shop}
paths:
  /v1/orders/{id}: {get: {operationId: getOrder}}
  /v1/orders/{id}/lines: {get: {operationId: listOrderLines}}
"""
LOG = '::1 - - [01/Feb/2026:00:00:00 +0000] "GET /v1/orders/7?note=x HTTP/1.1" 200 1\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = (
        'version: 1\ndescriptors: [{proto_path: proto}]\nupstreams:\n  legacy: {url: "http://old"}\n'
        '  shop: {target: "shop:1", plaintext: true, services: ["shop.v1.*"]}\n'
    )
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "access.log").write_text(LOG * 9 + LOG.replace("orders", "gone") + "bad\n")
    return shop(tmp_path, config=config)


def coverage(folder: Path, *arguments: str):
    places = [each.replace("@", f"{folder.parent}/") for each in arguments]
    return invoke(["coverage", "-c", str(folder), *places])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--openapi @old.yaml", 0),
        ("--openapi @old.yaml --min-mapped 50%", 0),
        ("--openapi @old.yaml --min-mapped 51%", 1),
        ("--log @access.log --min-mapped 90", 0),
        ("--log @access.log --min-mapped 90.1%", 1),
        ("--openapi @old.yaml --log @access.log --min-mapped 90%", 0),
        ("--log @access.log --since 2026-03-01 --min-mapped 0%", 3),
        ("--openapi @none.yaml", 3),
        ("--log @none.log", 3),
        ("--openapi @access.log", 3),
        ("--openapi @old.yaml --min-mapped 101%", 3),
        ("--openapi @old.yaml --min-mapped most", 3),
        ("--log @access.log --since soon", 3),
        ("--log @access.log --unused-days 3", 3),
        ("--log @access.log --base-path /v1", 3),
        ("--openapi @old.yaml --since 30d", 3),
        ("--openapi @old.yaml --admin http://127.0.0.1:1", 3),
        ("--openapi @old.yaml --json --format html", 3),
        ("--min-mapped 3%", 3),
        ("--format json", 3),
    ],
)
def test_exit_codes(folder: Path, arguments: str, code: int):
    assert coverage(folder, *arguments.split()).exit_code == code


def test_the_table_tells_operations_and_the_log(folder: Path):
    result = coverage(
        folder, "--openapi", "@old.yaml", "--log", "@access.log", "--log", "@access.log"
    )
    assert "mapped: 18 of 20 requests, 90 %" in result.stdout
    assert result.stderr.count("access.log:11: is neither JSON nor in the Common Log Format") == 2
    assert not any(line.endswith(" ") for line in result.stdout.splitlines())


def test_json_and_html_go_to_files(folder: Path, tmp_path: Path):
    arguments = ("--openapi", "@old.yaml", "--log", "@access.log", "--unused-days", "1")
    told = json.loads(coverage(folder, *arguments, "--json").stdout)
    assert (told["version"], told["mapped"]["share"]) == (1, 0.9)
    assert told["logs"][0]["bad"] == 1
    for form in ("html", "text", "json"):
        output = tmp_path / f"survey.{form}"
        result = coverage(folder, *arguments, "--format", form, "-o", str(output))
        assert (result.exit_code, result.stdout) == (0, "")
        assert "/v1/orders/{id}" in output.read_text()


def test_the_base_path_and_the_time_can_be_given(folder: Path):
    told = json.loads(
        coverage(folder, "--openapi", "@old.yaml", "--base-path", "/x", "--json").stdout
    )
    assert told["endpoints"][0]["path"] == "/x/v1/orders/{id}"
    told = json.loads(
        coverage(folder, "--log", "@access.log", "--since", "36500d", "--json").stdout
    )
    assert told["traffic"]["requests"] == 10


def test_more_bad_lines_than_are_named_are_counted(folder: Path):
    (folder.parent / "access.log").write_text("bad\n" * 9)
    result = coverage(folder, "--log", "@access.log")
    assert "access.log: 9 bad lines in all" in result.stderr


def suggest(folder: Path, *arguments: str):
    return invoke(
        ["suggest", "-c", str(folder), "--openapi", f"{folder.parent}/old.yaml", *arguments]
    )


def test_suggestions_are_printed_or_told_as_json(folder: Path):
    printed = suggest(folder, "--all").stdout
    rules, routes = yaml.safe_load_all(printed)
    assert rules["http"]["rules"] == [
        {"selector": "shop.v1.Orders.GetOrder", "get": "/v1/orders/{id}"}
    ]
    assert [each["rpc"] for each in routes["routes"]] == ["shop.v1.Orders.GetOrder"]
    told = json.loads(suggest(folder, "--json").stdout)
    assert (told["sure"], told["mapped"]) == ([], ["GET /v1/orders/{id}"])


def test_suggestions_are_written_and_nothing_is_replaced(folder: Path, tmp_path: Path):
    output = tmp_path / "proposed"
    result = suggest(folder, "--all", "-o", str(output))
    assert result.exit_code == 0
    assert "1 sure, 0 not sure, 1 without a method; 0 mapped already" in result.stdout
    rules = (output / "suggested_rules.yaml").read_text()
    (output / "suggested_rules.yaml").write_text("mine")
    assert suggest(folder, "-o", str(output)).exit_code == 1
    assert (output / "suggested_rules.yaml").read_text() == "mine"
    assert "shop.v1.Orders.GetOrder" in rules


def test_suggest_exits_with_what_is_wrong(folder: Path):
    assert suggest(folder, "--json", "-o", "x").exit_code == 2
    (folder.parent / "old.yaml").write_text("openapi: 3.0.0\npaths: {/a: {$ref: 'b.yaml'}}")
    result = suggest(folder)
    assert result.exit_code == 1
    assert "old.yaml:2:20: #/paths/~1a/$ref: 'b.yaml' is in another document" in result.stderr
