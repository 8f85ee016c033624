"""The check judges a run; a run that did not happen in full is never a success."""

import io
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from proxy.transcoding.descriptors import message_class
from tests.conformance import __main__ as program
from tests.conformance import check
from tests.transcoding.protojson.schema import conformance

PASSED = (
    "CONFORMANCE SUITE {verdict}: {successes} successes, {skipped} skipped, "
    "{expected} expected failures, {unexpected} unexpected failures.\n"
)


def output(**changes: Any) -> str:
    numbers = {"verdict": "PASSED", "successes": 5567, "skipped": 0, "expected": 0, "unexpected": 0}
    text = PASSED.format(successes=0, skipped=883, expected=0, unexpected=0, verdict="PASSED")
    return PASSED.format(**numbers | changes) + text


def test_a_full_run_has_no_problem() -> None:
    assert check.problems(output(), 0, [0, check.JSON_CHECKS]) == []


@pytest.mark.parametrize(
    ("text", "status", "tallies"),
    [
        ("", 0, [check.JSON_CHECKS]),
        (output(), 1, [check.JSON_CHECKS]),
        (output(verdict="FAILED", unexpected=1), 0, [check.JSON_CHECKS]),
        (output(skipped=1), 0, [check.JSON_CHECKS]),
        (output(expected=1), 0, [check.JSON_CHECKS]),
        (output(), 0, [check.JSON_CHECKS - 1]),
        (output(successes=check.JSON_CHECKS - 1), 0, [check.JSON_CHECKS]),
        (output(), 0, []),
    ],
)
def test_anything_less_is_a_problem(text: str, status: int, tallies: list[int]) -> None:
    assert check.problems(text, status, tallies)


def script(folder: Path, text: str) -> Path:
    path = folder / "runner"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o700)
    return path


def test_a_runner_that_cannot_be_fetched_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(check.NotHere, match="no npm"):
        check.include_folder(script(tmp_path, "echo no npm >&2; exit 2"))
    with pytest.raises(check.NotHere, match="could not fetch"):
        check.run(script(tmp_path, "echo npm could not fetch it; exit 2"), "")


def test_a_run_that_broke_off_is_a_run(tmp_path: Path) -> None:
    ended = check.run(script(tmp_path, "echo the runner broke off; exit 2"), "")
    assert ended == ("the runner broke off\n", 2, [])
    assert check.problems(*ended)


def test_a_runner_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROTOJSON_CONFORMANCE", "/nowhere/runner")
    with pytest.raises(FileNotFoundError):
        check.runner()


def answers(*requests: dict[str, Any]) -> tuple[list[Message], int]:
    testee = program.Testee(conformance())
    request_class, response_class = (
        message_class(testee.pool.FindMessageTypeByName(f"conformance.Conformance{name}"))
        for name in ("Request", "Response")
    )
    texts = [request_class(**request).SerializeToString() for request in requests]
    sink = io.BytesIO()
    program.serve(
        testee, io.BytesIO(b"".join(program.LENGTH.pack(len(text)) + text for text in texts)), sink
    )
    sink.seek(0)
    found = []
    while length := sink.read(program.LENGTH.size):
        found.append(response_class.FromString(sink.read(*program.LENGTH.unpack(length))))
    return found, testee.touched_json


TYPE = {"message_type": "protobuf_test_messages.proto3.TestAllTypesProto3"}


@pytest.mark.parametrize(
    ("request_", "answer", "touched"),
    [
        ({"json_payload": "{}", "requested_output_format": 2}, {"json_payload": "{}"}, 1),
        ({"json_payload": "{}", "requested_output_format": 1}, {"protobuf_payload": b""}, 1),
        ({"protobuf_payload": b"", "requested_output_format": 2}, {"json_payload": "{}"}, 1),
        ({"protobuf_payload": b"", "requested_output_format": 1}, {"protobuf_payload": b""}, 0),
    ],
)
def test_the_testee_answers_and_counts(
    request_: dict[str, Any], answer: dict[str, Any], touched: int
) -> None:
    (response,), count = answers(TYPE | request_)
    assert {field.name: value for field, value in response.ListFields()} == answer
    assert count == touched


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"json_payload": "{", "requested_output_format": 1}, "parse_error"),
        ({"protobuf_payload": b"\xff", "requested_output_format": 1}, "parse_error"),
        ({"text_payload": "", "requested_output_format": 1}, "skipped"),
        (
            {
                "protobuf_payload": b"\xf2\x12\x0b\x10" + b"\xff" * 9 + b"\x01",
                "requested_output_format": 2,
            },
            "serialize_error",
        ),
    ],
)
def test_the_testee_tells_its_failures_apart(request_: dict[str, Any], kind: str) -> None:
    (response,), _ = answers(TYPE | request_)
    assert response.WhichOneof("result") == kind
