"""`cutover shape suggest`: pairs to YAML that loads, stored differences to guesses."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.comparison.kinds import Kind
from proxy.shaping.evidence import Seen, guesses, setting_for, settings_of
from tests.cli.folders import CONFIG, shop
from tests.cli.test_explained_shape import PROTO

LEGACY = {"order_id": 7, "created_on": 1767261600, "buyer": {"name": "kim"}}
GRPC = {"orderId": "7", "createTime": "2026-01-01T10:00:00Z", "buyer": {"name": "kim"}}
ROUTE = "shop.v1.Orders.CreateOrder"


def written(place: Path, *pairs: tuple[Any, Any]) -> Path:
    file = place / "pairs.jsonl"
    lines = [json.dumps({"legacy": legacy, "grpc": grpc}) for legacy, grpc in pairs]
    file.write_text("\n".join(lines))
    return file


def suggest(folder: Path, file: Path, *options: str, route: str = ROUTE) -> Result:
    command = ["shape", "suggest", route, "--pairs", str(file), "-c", str(folder), *options]
    return CliRunner().invoke(main, command)


def test_what_is_printed_is_an_entry_that_loads(tmp_path: Path) -> None:
    folder = shop(tmp_path, proto=PROTO)
    result = suggest(folder, written(tmp_path, (LEGACY, GRPC)))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("# 4 of 4 differences in 1 pairs vanish\n")
    file = folder / "cutover.yaml"
    file.write_text(f"{CONFIG}{result.stdout}")
    checked = CliRunner().invoke(main, ["check", "-c", str(folder)])
    assert checked.exit_code == 0, checked.output


def test_settings_come_ranked_and_the_rest_is_named(tmp_path: Path) -> None:
    folder = shop(tmp_path, proto=PROTO)
    file = written(tmp_path, (LEGACY | {"odd": [1]}, GRPC))
    told = json.loads(suggest(folder, file, "--json").stdout)
    assert (told["before"], told["after"]) == (5, 1)
    assert told["rest"] == [{"path": "$.odd", "kind": "only legacy has it", "count": 1}]
    assert told["settings"]["fields"] == {
        "Order.create_time": {"name": "created_on", "timestamp": "epoch_s"}
    }
    vanished = [step["vanished"] for step in told["steps"]]
    assert vanished == sorted(vanished, reverse=True)
    assert "# 1 remain\n#        1  $.odd  only legacy has it\n" in suggest(folder, file).stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "must have 1 to 20000 pairs"), ("{", "line 1 is no JSON"), ('{"a": 1}', "no members")],
    ids=["empty", "broken", "other"],
)
def test_a_file_that_has_no_pairs_is_wrong_use(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(text)
    result = suggest(shop(tmp_path, proto=PROTO), file)
    assert result.exit_code == 3
    assert told in result.output


def test_what_is_no_answer_of_the_route_is_wrong_use(tmp_path: Path) -> None:
    folder = shop(tmp_path, proto=PROTO)
    for route, pair, told in (
        ("other", (LEGACY, GRPC), "there is no route 'other'"),
        (ROUTE, (LEGACY, {"orderId": []}), "pair 1: grpc is no answer of this RPC"),
    ):
        result = suggest(folder, written(tmp_path, pair), route=route)
        assert result.exit_code == 3
        assert told in result.output


@pytest.mark.parametrize(
    ("seen", "setting"),
    [
        (Seen("$.a", Kind.INT64_STRING, 1, "number", 1, "string"), {"forms": {"int64": "number"}}),
        (Seen("$.a", Kind.INT64_STRING, 1, "string", 1, "number"), None),
        (Seen("$.a", Kind.KEY_CASE, 1, "string", 5, "string"), {"names": "snake"}),
        (Seen("$.a", Kind.KEY_CASE, 1, "string", 5, "string", '"A-b"'), {"names": "kebab"}),
        (Seen("$.a", Kind.KEY_CASE, 1, "string", 5, "string", '"AbC"'), {"names": "pascal"}),
        (Seen("$.a", Kind.ENUM_REPR, 1, "number", 1, "string"), {"forms": {"enum": "number"}}),
        (
            Seen("$.a", Kind.ENUM_REPR, 1, "string", 3, "string", '"new"'),
            {"forms": {"enum": "lower"}},
        ),
        (Seen("$.a", Kind.ENUM_REPR, 1, "string", 3, "string"), None),
        (
            Seen("$.a", Kind.TIMESTAMP_FORMAT, 1, "number", 13, "string"),
            {"forms": {"timestamp": "epoch_ms"}},
        ),
        (Seen("$.a", Kind.NULL_VS_ABSENT, 1, "null", 0, "absent"), {"forms": {"unset": "null"}}),
        (
            Seen("$.a", Kind.DEFAULT_VS_ABSENT, 1, "number", 1, "absent"),
            {"forms": {"zero": "write"}},
        ),
        (Seen("request:$.a", Kind.INT64_STRING, 1, "number", 1, "string"), None),
        (Seen("$.a", Kind.VALUE, 1, "string", 1, "string"), None),
    ],
    ids=str,
)
def test_kinds_of_differences_speak_for_settings(seen: Seen, setting: object) -> None:
    assert setting_for(seen) == setting


def test_guesses_are_ranked_and_the_stronger_one_counts() -> None:
    seen = [
        Seen("$.a", Kind.TIMESTAMP_FORMAT, 1, "number", 13, "string"),
        Seen("$.b", Kind.TIMESTAMP_FORMAT, 4, "number", 10, "string"),
        Seen("$.c", Kind.INT64_STRING, 2, "number", 1, "string"),
    ]
    found = guesses(seen)
    assert [guess.times for guess in found] == [4, 2, 1]
    assert settings_of(found) == {
        "forms": {"timestamp": "epoch_s", "int64": "number"},
        "lossy": ["timestamp"],
    }
