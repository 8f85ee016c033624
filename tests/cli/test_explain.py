"""`cutover explain`: what is printed, and how a request is given."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.cli.folders import CONFIG, ENVIRONMENT, EXAMPLE, shop

GRPC = CONFIG + "defaults: {stage: grpc}\n"


def explain(*arguments: str, folder: Path = EXAMPLE, stdin: bytes = b"") -> Result:
    command = ["explain", *arguments, "-c", str(folder)]
    return CliRunner().invoke(main, command, env=ENVIRONMENT, input=stdin)


def described(*arguments: str, folder: Path = EXAMPLE, stdin: bytes = b"") -> dict[str, object]:
    result = explain(*arguments, "--json", folder=folder, stdin=stdin)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document


def message(*arguments: str, stdin: bytes = b"") -> object:
    call = described(*arguments, stdin=stdin)["call"]
    assert isinstance(call, dict)
    return call["message"]


def test_a_call_is_shown_with_all_its_parts(tmp_path: Path) -> None:
    folder = shop(tmp_path, config=GRPC)
    result = explain(
        *("GET", "/v1/orders/7?note=a%0Ab&odd=1"),
        *("-H", "authorization: Bearer t", "-H", "grpc-metadata-seal-bin: AQI"),
        folder=folder,
    )
    assert result.exit_code == 0
    assert (
        result.stdout
        == f"""\
request   GET /v1/orders/7?note=a%0Ab&odd=1
side      grpc: route orders-get-order stands at grpc
binding   GET /v1/orders/{{id}} ({folder}/proto/orders.proto:6:5)
rpc       shop.v1.Orders.GetOrder, unary-unary
upstream  shop at shop.test:50051, within 15s

fields, and where they come from
  id    path   7
  note  query  "a\\nb"

unknown, passed over
  odd

metadata
  authorization  Bearer t
  seal-bin       AQI=
  traceparent    (a new one for each request)

message
  {{
    "id": "7",
    "note": "a\\nb"
  }}

answer
  application/json
"""
    )


def test_a_refusal_is_shown_as_the_client_gets_it(tmp_path: Path) -> None:
    result = explain("GET", "/v1/orders/7", "-d", "{}", folder=shop(tmp_path, config=GRPC))
    assert result.exit_code == 0
    assert result.stdout.endswith(
        """\
rpc      shop.v1.Orders.GetOrder, unary-unary

answer
  status        400
  content-type  application/json
  {
    "code": 3,
    "message": "this GET request takes no body",
    "details": []
  }
"""
    )
    assert "side     proxy: no upstream gets this request\n" in result.stdout


def test_what_is_not_mapped_is_answered_by_the_legacy_host(tmp_path: Path) -> None:
    result = explain("DELETE", "/v1/orders/7", folder=shop(tmp_path))
    assert (
        result.stdout
        == """\
request   DELETE /v1/orders/7
side      legacy: nothing is mapped to this path and HTTP method
upstream  legacy at http://old.test:8080, within 1m

other bindings of this path
  GET  /v1/orders/{id}  shop.v1.Orders.GetOrder
"""
    )


def test_without_a_legacy_host_what_is_not_mapped_is_refused(tmp_path: Path) -> None:
    config = GRPC.replace('  legacy: {url: "http://old.test:8080"}\n', "")
    result = explain("DELETE", "/v1/orders/7", folder=shop(tmp_path, config=config))
    assert "status        405\n" in result.stdout
    assert "allow         GET, HEAD\n" in result.stdout


def test_an_answer_may_have_no_body(tmp_path: Path) -> None:
    config = GRPC.replace('  legacy: {url: "http://old.test:8080"}\n', "")
    result = explain("OPTIONS", "/v1/orders/7", folder=shop(tmp_path, config=config))
    assert "answer\n  status  204\n  allow   GET, HEAD, OPTIONS\n" in result.stdout


def test_a_route_of_the_legacy_side_shows_the_call_that_it_would_be(tmp_path: Path) -> None:
    result = explain("GET", "/v1/orders/7", folder=shop(tmp_path))
    assert "side      legacy: route orders-get-order stands at legacy\n" in result.stdout
    assert "\nthe gRPC side would get\n\nfields" in result.stdout


def test_a_route_of_the_legacy_side_shows_that_it_would_be_refused(tmp_path: Path) -> None:
    result = explain("GET", "/v1/orders/%ff", folder=shop(tmp_path))
    assert "\nthe gRPC side would refuse it\n\nanswer\n  status        400\n" in result.stdout


def test_content_whose_type_the_upstream_names() -> None:
    result = explain("GET", "/v4/zones/example.com/file")
    assert "answer\n  (of the type that the upstream names)\n\n" in result.stdout
    assert result.stdout.endswith(
        "other bindings of this path\n"
        "  POST  /v4/zones/{zone}/file  dns.v1.RecordService.ImportZoneFile\n"
    )


def test_a_message_without_a_json_form() -> None:
    result = explain("PATCH", "/v4/zones/e/records/r?update_mask=fooBar_x", "-d", "{}")
    assert "\nmessage\n  (has no JSON form)\n" in result.stdout


def test_an_empty_text_is_shown_as_such() -> None:
    result = explain("GET", "/v4/zones/e/records?name=")
    assert '  host  query  ""\n' in result.stdout


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/v4/zones/e", "/v4/zones/e"),
        ("http://h/v4/zones/e?a=b", "/v4/zones/e?a=b"),
        ("HTTPS://user@h:1/v4?a=http://x/y", "/v4?a=http://x/y"),
        ("http://h", "/"),
        ("http://h?a=b", "/?a=b"),
        ("/v4#part", "/v4"),
        ("/v4?a=%23b#part", "/v4?a=%23b"),
        ("//v4//x", "//v4//x"),
    ],
)
def test_the_target_is_what_a_client_would_send(url: str, target: str) -> None:
    assert described("GET", url)["request"] == {"http_method": "GET", "target": target}


def test_the_method_may_be_given_in_lower_case() -> None:
    assert described("get", "/v4/zones/e")["side"] == "grpc"


def test_a_body_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(b'{"Name": "Ada"}')
    assert message("POST", "/hello", "-d", f"@{file}") == {"Name": "Ada"}


def test_a_body_from_standard_input() -> None:
    assert message("POST", "/hello", "-d", "@-", stdin=b'{"Name": "Ada"}') == {"Name": "Ada"}


def test_a_body_from_the_command_line_is_json_in_utf8() -> None:
    assert message("POST", "/hello", "-d", '{"Name": "Zoë"}') == {"Name": "Zoë"}


def test_a_content_type_that_is_given_counts() -> None:
    answer = described("POST", "/hello", "-d", "{}", "-H", "Content-Type: text/plain")["answer"]
    assert isinstance(answer, dict)
    assert answer["http_status"] == 415


def test_problems_of_the_configuration_exit_with_1(tmp_path: Path) -> None:
    result = explain("GET", "/", folder=shop(tmp_path, config="version: 2\n"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "cutover.yaml:1:10: version: " in result.stderr


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_an_error_that_is_no_json_is_shown_as_it_is(tmp_path: Path, form: list[str]) -> None:
    folder = shop(tmp_path, config=CONFIG + "defaults: {stage: grpc, error_format: envoy}\n")
    result = explain("GET", "/v1/orders/%ff", *form, folder=folder)
    assert result.exit_code == 0, result.output
    assert "text/plain" in result.stdout
    assert "UTF-8" in result.stdout
