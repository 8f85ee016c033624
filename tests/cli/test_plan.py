"""`cutover plan`: two folders in words, for people and for machines."""

import json
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from proxy.cli.plan import plan
from tests.cli.folders import PROTO, shop

CONFIG = """\
version: 1
descriptors:
- proto_path: proto
upstreams:
  legacy: {url: "http://old.test:8080"}
  shop: {target: "${SHOP:-shop.test:50051}", plaintext: true}
defaults: {stage: legacy}
routes:
- rpc: shop.v1.Orders.GetOrder
  name: get-order
  stage: legacy
"""
CANARY = "  stage: canary\n  canary: {percent: 5, group: orders, sticky: [{header: x-user-id}]}\n"


def run(base: Path, *changes: tuple[str, str], proto: tuple[str, str] = ("", "")) -> list[str]:
    """The two folders: as they are, and with texts replaced."""
    new = CONFIG
    for text, replacement in changes:
        assert text in new, text
        new = new.replace(text, replacement)
    old = shop(base / "old", config=CONFIG)
    return [str(old), str(shop(base / "new", config=new, proto=PROTO.replace(*proto)))]


def told(arguments: list[str]) -> Result:
    return CliRunner().invoke(plan, arguments)


def test_equal_folders_differ_in_nothing(tmp_path: Path):
    result = told(run(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "no difference\n")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("  stage: legacy\n", CANARY), "get-order: legacy -> canary 5 % (group orders)"),
        (("  stage: legacy\n", "  stage: grpc\n"), "get-order: legacy -> grpc"),
        (("name: get-order", "name: order"), "order: name get-order -> order"),
        (("  stage: legacy\n", "  timeout: 2s\n"), "get-order: timeout 15s -> 2s"),
        (("  stage: legacy\n", "  breaker: off\n"),
         "get-order: breaker {failures: 5, open_for: 500ms} -> off"),
        (("  stage: legacy\n", "  breaker: {failures: 7}\n"),
         "get-order: breaker.failures 5 -> 7"),
        (("  stage: legacy\n", "  owner: team-shop\n"), "get-order: owner off -> team-shop"),
        (("  stage: legacy\n", "  mirror: {percent: 12.5}\n"),
         "get-order: mirror off -> {percent: 12.5 %, sample_by: request, timeout: 2s"),
        (("  stage: legacy\n", "  mirror: {percent: 12.5}\n"),
         "get-order: gate off -> {max_mismatch: 0.001, confidence: 0.95, min_keys: 200"),
        (("  stage: legacy\n", "  gate: {min_duration: 7d}\n"), "get-order: gate off -> {max"),
        (('"http://old.test:8080"', '"http://older.test"'),
         "legacy: url http://old.test:8080 -> http://older.test"),
        (("plaintext: true", "tls: {}"), "shop: plaintext true -> false"),
        (("  shop:", "  more: {target: 'a:1', plaintext: true, services: [a.B]}\n  shop:"),
         "more: new -> {target: a:1, tls: off"),
        (("version: 1", "version: 1\nlimits: {max_header_bytes: 32KiB}"),
         "limits: max_header_bytes 16KiB -> 32KiB"),
        (("version: 1", "version: 1\ndrain: {wait: 5s}"), "drain: wait 0s -> 5s"),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_words(tmp_path: Path, change: tuple[str, str], line: str):
    result = told(run(tmp_path, change))
    assert result.exit_code == 0
    assert any(each.startswith(f"  {line}") for each in result.stdout.splitlines()), result.stdout


MIRROR = """\
  mirror: {percent: 10, headers: {set: {authorization: "one-long-secret"}}}
  compare: {rules: [{path: $.id, use: number, abs: 1, reason: rounded}]}
"""


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("percent: 10", "percent: 50", ["mirror 10 % -> 50 %"]),
        ("percent: 10", "percent: 10, timeout: 5s", ["mirror.timeout 2s -> 5s"]),
        ("percent: 10", "percent: 10, depth: translate", ["mirror.depth off -> translate"]),
        ("{authorization:", "{x-a: b, authorization:",
         ["mirror.headers.set [authorization] -> [authorization, x-a]"]),
        ("one-long", "other-long",
         ["mirror.headers.set authorization a value -> another one"]),
        ("abs: 1", "abs: 2",
         ["compare.rules [{path: $.id, use: number, reason: rounded, abs: 1}] -> [{path: $.id,"]),
        ("  compare:", "  gate: {max_mismatch: 0.5%, min_keys: 5}\n  compare:",
         ["gate.max_mismatch 0.001 -> 0.005", "gate.min_keys 200 -> 5"]),
        ("  compare:", "  gate: off\n  compare:", ["gate {max_mismatch: 0.001,"]),
    ],
)  # fmt: skip
def test_what_is_mirrored_and_asked_for_is_told_in_words(
    tmp_path: Path, old: str, new: str, lines: list[str]
):
    before, after = (f"{CONFIG}{text}" for text in (MIRROR, MIRROR.replace(old, new)))
    folders = [
        str(shop(tmp_path / name, config=text, proto=PROTO))
        for name, text in (("old", before), ("new", after))
    ]
    result = told(folders)
    found = [line.strip() for line in result.stdout.splitlines()[1:]]
    assert len(found) == len(lines)
    for line, begin in zip(found, lines, strict=True):
        assert line.startswith(f"get-order: {begin}")
    assert "long-secret" not in result.stdout


def test_the_marks_secret_and_the_database_are_told_to_differ(tmp_path: Path):
    arguments = run(tmp_path)
    for folder, secret in zip(arguments, ("first-long-secret", "other-long-secret"), strict=True):
        place = Path(folder)
        (place / "mark").write_text(secret)
        with (place / "cutover.yaml").open("a") as file:
            file.write("shadow: {mark: {secret_file: mark}}\n")
    result = told(arguments)
    assert result.stdout == "settings\n  shadow: mark.secret a secret -> another one\n"


def test_what_the_environment_gives_is_told_as_it_is_written(tmp_path: Path):
    result = told(run(tmp_path, ("${SHOP:-shop.test:50051}", "${OTHER:-secret.test:1}")))
    assert "shop: target ${SHOP:-shop.test:50051} -> ${OTHER:-secret.test:1}" in result.stdout


def test_secrets_are_told_to_differ_and_not_told(tmp_path: Path):
    arguments = run(tmp_path)
    for folder, token in zip(
        arguments, ("first-long-token-one", "other-long-token-two"), strict=True
    ):
        place = Path(folder)
        (place / "token").write_text(token)
        with (place / "cutover.yaml").open("a") as file:
            file.write(
                "admin: {token_file: token}\noverride: {header: x-side, secret_file: token}\n"
            )
    result = told(arguments)
    assert "admin: token_file a token -> another one" in result.stdout
    assert "override: secret a secret -> another one" in result.stdout
    assert "long-token" not in result.stdout


def test_certificates_that_were_replaced_are_told(tmp_path: Path):
    arguments = run(tmp_path)
    for folder in arguments:
        place = Path(folder)
        trustme.CA().cert_pem.write_to_path(place / "ca.pem")
        config = CONFIG.replace("plaintext: true", "tls: {ca: ca.pem}")
        (place / "cutover.yaml").write_text(config)
    assert "shop: tls certificates -> others" in told(arguments).stdout


def test_routes_and_bindings_that_come_and_go_are_told(tmp_path: Path):
    more = """  rpc Count(GetOrderRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders:count" additional_bindings {get: "/v1/count"}};
  }
  rpc Upload"""
    arguments = run(tmp_path, proto=("  rpc Upload", more))
    assert "orders-count: new -> legacy, shop.v1.Orders.Count" in told(arguments).stdout
    assert "orders-count: legacy -> gone" in told(arguments[::-1]).stdout
    moved = run(tmp_path / "2", proto=("/v1/orders/{id}", "/v1/order/{id}"))
    assert "get-order: GET /v1/orders/{id} -> gone" in told(moved).stdout
    assert "get-order: new -> GET /v1/order/{id}" in told(moved).stdout


def test_what_changes_alike_for_many_routes_is_told_once(tmp_path: Path):
    rpc = """  rpc Get%d(GetOrderRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders%d/{id}"};
  }"""
    many = "\n".join(rpc % (number, number) for number in range(4)) + "\n  rpc Upload"
    arguments = run(tmp_path, ("stage: legacy}", "stage: legacy, timeout: 3s}"))
    for folder in arguments:
        (Path(folder) / "proto" / "orders.proto").write_text(PROTO.replace("  rpc Upload", many))
    assert "  6 routes: timeout 15s -> 3s\n" in told(arguments).stdout


@pytest.mark.parametrize(("stage", "code"), [("grpc", 1), ("legacy", 0)])
def test_check_fails_when_a_reload_would_need_force(tmp_path: Path, stage: str, code: int):
    arguments = run(tmp_path, proto=("string note = 2;", ""))
    for folder in arguments:
        place = Path(folder) / "cutover.yaml"
        place.write_text(CONFIG.replace("  stage: legacy", f"  stage: {stage}"))
    assert told(arguments).exit_code == 0
    result = told([*arguments, "--check"])
    assert result.exit_code == code
    mark = "!" if code else " "
    assert f"{mark} get-order: GET /v1/orders/{{id}}: request field note is gone" in result.stdout


def test_it_can_be_read_by_machines(tmp_path: Path):
    arguments = run(tmp_path, ("  stage: legacy\n", CANARY), proto=("string note = 2;", ""))
    document = json.loads(told([*arguments, "--json"]).stdout)
    assert document["differences"][0] == {
        "kind": "route",
        "subject": "get-order",
        "key": "",
        "before": "legacy",
        "after": "canary 5 % (group orders)",
    }
    (loss,) = document["losses"]
    assert (loss["path"], loss["message"], loss["needs_force"]) == ("note", "is gone", False)


def test_problems_of_both_folders_are_told(tmp_path: Path):
    arguments = run(tmp_path, ("version: 1", "version: 2"))
    (Path(arguments[0]) / "cutover.yaml").write_text("version: [")
    result = told(arguments)
    assert result.exit_code == 1
    assert all(folder in result.stderr for folder in arguments)
