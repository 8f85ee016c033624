"""The command line as a whole: help, version, exit codes, the commands that read a folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from proxy import __version__
from proxy.cli import main
from proxy.cli.options import aligned
from tests.cli.folders import CONFIG, ENVIRONMENT, EXAMPLE, PROTO, shop

COMMANDS = main.list_commands(click.Context(main))


def found(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    return command


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=ENVIRONMENT)


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"cutover, version {__version__}\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command_and_every_exit_code(flag: str) -> None:
    result = run(flag)
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout
    for code in ("0  done", "1  the configuration", "2  wrong use", "3  the proxy could not start"):
        assert f"    {code}" in result.stdout
    assert "..." not in result.stdout.partition("Commands:")[2], "a short help is cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_says_what_each_option_does(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "\x08" not in result.stdout
    for parameter in found(command).params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), f"{command} {parameter.name} has no help"
            assert parameter.opts[-1] in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check", "--nonsense"],
        ["check", "too", "many"],
        ["routes", "-c"],
        ["serve", "--log-level", "loud"],
        ["demo", "--port", "65536"],
        ["explain"],
        ["explain", "GET"],
        ["explain", "GET", "v1/no-slash"],
        ["explain", "GET", "ftp://host/v1"],
        ["explain", "GET", "http:///v1"],
        ["explain", "GET", "/a b"],
        ["explain", "GET", "/a\x1bb"],
        ["explain", "GET", "/", "-H", "no colon"],
        ["explain", "GET", "/", "-H", ": no name"],
        ["explain", "POST", "/", "-d", "@/no/such/file"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr or "Error:" in result.stderr
    assert result.stdout == ""


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "--version"], capture_output=True, check=True, text=True
    )
    assert done.stdout == f"cutover, version {__version__}\n"


def test_help_names_the_command_however_it_was_started() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "--help"], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("Usage: cutover ")


def test_check_of_a_good_folder_says_what_it_holds() -> None:
    result = run("check", "-c", EXAMPLE)
    assert result.exit_code == 0
    assert f"{EXAMPLE}: 15 routes with 17 bindings, digest " in result.stdout
    assert result.stderr == ""


def test_check_notes_what_is_not_served(tmp_path: Path) -> None:
    result = run("check", "-c", shop(tmp_path))
    assert result.exit_code == 0
    (note,) = (line for line in result.stdout.splitlines() if line.startswith("note: "))
    assert "orders.proto:9:5: shop.v1.Orders.Upload: not served: client streaming" in note


def test_check_reports_every_problem_with_its_place(tmp_path: Path) -> None:
    config = CONFIG + "drain: {wait: 3}\nlimits: {max_jason_depth: 3}\n"
    folder = shop(tmp_path, config=config)
    result = run("check", "-c", folder)
    assert result.exit_code == 1
    assert result.stdout == ""
    first, second, count = result.stderr.splitlines()
    assert first.startswith(f"{folder}/cutover.yaml:7:15: drain.wait: ")
    assert second.startswith(f"{folder}/cutover.yaml:8:10: limits.max_jason_depth: ")
    assert count == "2 problems"


def test_check_reports_problems_of_protos_with_their_place(tmp_path: Path) -> None:
    folder = shop(tmp_path, proto=PROTO.replace("/v1/orders/{id}", "/v1/orders/{no_field}"))
    result = run("check", "-c", folder)
    assert result.exit_code == 1
    problem, count = result.stderr.splitlines()
    assert problem.startswith(f"{folder}/proto/orders.proto:6:5: shop.v1.Orders.GetOrder: ")
    assert "no_field" in problem
    assert count == "1 problem"


def test_the_example_is_complete_without_an_environment() -> None:
    unset = {"LEGACY_URL": None, "DNS_TARGET": None}
    result = CliRunner().invoke(main, ["check", "-c", str(EXAMPLE)], env=unset)
    assert (result.exit_code, result.stderr) == (0, "")


def test_check_names_a_variable_that_is_not_set(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    with (folder / "shop.yaml").open("a") as file:
        file.write('admin: {host: "${NO_SUCH_HOST}"}\n')
    result = run("check", "-c", folder)
    assert result.exit_code == 1
    place = r"shop\.yaml:\d+:15: admin\.host: "
    assert re.search(place + "the environment has no variable NO_SUCH_HOST", result.stderr)


def test_check_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run("check", "-c", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/nowhere: cannot be read as a folder: ")


def test_the_folder_is_mappings_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run("check")
    assert result.exit_code == 0
    assert "mappings: 2 routes with 2 bindings" in result.stdout


def test_routes_are_a_table_with_nothing_cut(tmp_path: Path) -> None:
    result = run("routes", "-c", shop(tmp_path))
    assert result.exit_code == 0
    table, note = result.stdout.splitlines()[:-1], result.stdout.splitlines()[-1]
    assert table == [
        "method  template           rpc                      upstream  stage",
        "GET     /v1/orders/{id}    shop.v1.Orders.GetOrder  shop      legacy",
        "POST    /v1/orders:upload  shop.v1.Orders.Upload    shop      legacy",
    ]
    assert note.startswith("note: ")


def test_routes_without_an_upstream_have_a_dash(tmp_path: Path) -> None:
    config = CONFIG.replace("plaintext: true", 'plaintext: true, services: ["other.*"]')
    result = run("routes", "-c", shop(tmp_path, config=config))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].split()[-2:] == ["-", "legacy"]


def test_routes_as_json_are_those_of_the_admin_port(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    result = run("routes", "-c", folder, "--json")
    assert result.exit_code == 0
    described = json.loads(result.stdout)
    assert described["routes"][0] == {
        "name": "orders-get-order",
        "http_method": "GET",
        "template": "/v1/orders/{id}",
        "rpc": "shop.v1.Orders.GetOrder",
        "cardinality": "unary-unary",
        "upstream": "shop",
        "stage": "legacy",
        "origin": f"{folder}/proto/orders.proto:6:5",
    }
    assert len(described["routes"]) == 2
    assert len(described["report"]) == 1


def test_no_rows_are_no_lines() -> None:
    assert list(aligned([])) == []


def test_a_command_imports_what_is_its_own_and_no_other_command() -> None:
    script = "\n".join(
        (
            "import sys, click, proxy.cli",
            "main = proxy.cli.main",
            "main.get_command(click.Context(main), 'kill')",
            "print(*(each for each in sys.modules if each.startswith('proxy.')))",
        )
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(ran.stdout.split())
    assert "proxy.cli.kill" in modules
    assert modules.isdisjoint(
        {"proxy.cli.serve", "proxy.report", "proxy.example", "proxy.gate.report"}
    )


def test_a_misspelt_command_is_guessed() -> None:
    result = run("sreve")
    assert result.exit_code == 2
    assert "No such command 'sreve'. Did you mean 'serve'?" in result.stderr
