import json

import pytest

from bench.__main__ import benchmark_names, main
from tests.bench import sample

PACKAGE = "tests.bench.sample"


def last_line(capsys) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_every_module_but_the_harness_is_a_benchmark():
    names = ["broken", "in_parts", "keeps", "misses", "own_table", "unavailable"]
    assert benchmark_names(list(sample.__path__)) == names


def test_kept_targets_exit_with_zero_and_end_in_one_line_of_json(capsys):
    assert main(["keeps", "--json"], PACKAGE) == 0
    assert last_line(capsys) == {
        "bench": "keeps",
        "figures": [
            {"name": "speed", "value": 12.0, "unit": "x", "target": 10.0, "ok": True},
            {"name": "size", "value": 3.0, "unit": "B", "target": None, "ok": True},
        ],
    }


def test_a_missed_target_exits_with_one_and_still_reports(capsys):
    assert main(["--json", "misses"], PACKAGE) == 1
    assert last_line(capsys)["figures"][0]["ok"] is False


def test_without_json_there_is_only_the_table(capsys):
    assert main(["keeps"], PACKAGE) == 0
    output = capsys.readouterr().out
    assert "speed" in output
    assert "{" not in output


def test_a_benchmark_may_bring_its_own_table(capsys):
    assert main(["own_table"], PACKAGE) == 0
    assert "peers" in capsys.readouterr().out


def test_one_miss_among_many_is_a_failure_and_each_has_its_line(capsys):
    assert main(["misses", "keeps", "--json"], PACKAGE) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line)["bench"] for line in lines] == ["misses", "keeps"]


def test_no_name_means_all_of_them(capsys):
    assert main(["--json"], PACKAGE) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [json.loads(line)["bench"] for line in lines] == [
        *("in_parts", "keeps", "misses", "own_table")
    ]


def test_a_benchmark_that_cannot_run_is_no_success(capsys):
    assert main(["unavailable", "--json"], PACKAGE) == 1
    captured = capsys.readouterr()
    assert "unavailable: not run: no peer here" in captured.err
    assert captured.out == ""


def test_a_broken_benchmark_is_a_failure_and_the_next_one_still_runs(capsys):
    assert main(["broken", "keeps"], PACKAGE) == 1
    captured = capsys.readouterr()
    assert "bench broken: broken: the peer gave a wrong answer" in captured.err
    assert "speed" in captured.out


def test_an_unknown_name_is_refused_before_anything_runs(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["keeps", "nonsense"], PACKAGE)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert "unknown benchmark nonsense" in captured.err
    assert "broken, in_parts, keeps, misses" in captured.err
    assert captured.out == ""


def test_parts_of_a_benchmark_can_be_run_alone(capsys):
    assert main(["in_parts", "--only", "R3,R1", "--json"], PACKAGE) == 0
    assert [figure["name"] for figure in last_line(capsys)["figures"]] == ["R1", "R3"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in_parts", "--only", "R1,R9"], "in_parts has no part R9 (it has R1, R2, R3)"),
        (["keeps", "--only", "R1"], "keeps has no part R1 (it has none)"),
    ],
)
def test_an_unknown_part_is_refused_before_anything_runs(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(arguments, PACKAGE)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
