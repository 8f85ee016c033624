"""The page on shadowing says what is so: its tables are those of the code."""

import re
from typing import get_args

import pytest

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Document
from proxy.comparison.kinds import Kind
from proxy.config.compare import _NEEDS, _OWNERS, Use, _key
from proxy.config.gate import Gate
from proxy.config.units import parse_duration
from proxy.cutover.mirror import Depth
from proxy.cutover.stages import Stage
from proxy.example.files import folder
from proxy.example.schema import Schema, compile_folder
from proxy.gate.bound import ConfidenceSequence, one_look_needed
from proxy.gate.evidence import Verdict
from proxy.gate.judgement import GateVerdict
from proxy.shadow.comparing import INLINE_BODY_BYTES, INLINE_BYTES, INLINE_WIRE_BYTES
from proxy.shadow.sample import Drop, Life, Skip
from tests.document_examples import ROOT, table_rows

PAGE = ROOT / "docs" / "shadowing.md"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema(compile_folder(folder("proto")))


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows(heading: str, width: int, first: str) -> list[list[str]]:
    """The rows of the table under *heading* that has a row which begins with *first*."""
    found = [row for row in table_rows(PAGE, heading) if len(row) == width]
    assert any(row[0].startswith(first) for row in found), first
    return found


def test_every_stage_says_who_is_asked() -> None:
    assert [quoted(row[0]) for row in rows("What is mirrored", 3, "`legacy`")] == [
        [stage] for stage in Stage
    ]


def test_every_depth_is_told() -> None:
    assert [quoted(row[0]) for row in rows("What is mirrored", 4, "`translate`")] == [
        [depth] for depth in Depth
    ]


def test_every_end_of_a_mirror_is_told_with_its_reasons() -> None:
    told = {
        word: row[1] for row in rows("What it costs", 2, "`eligible`") for word in quoted(row[0])
    }
    assert list(told) == list(Life)
    assert quoted(told["skipped"]) == list(Skip)
    assert quoted(told["dropped"]) == list(Drop)


#: The rows of the table of kinds: the kind, and what both sides answer.
KINDS = [row[:3] for row in table_rows(PAGE, "What is compared") if len(row) == 4]


def test_every_kind_of_difference_is_told() -> None:
    assert [kind.strip("`") for kind, _, _ in KINDS] == list(Kind)


@pytest.mark.parametrize(("kind", "legacy", "grpc"), KINDS, ids=[row[0] for row in KINDS])
def test_an_example_of_a_kind_differs_in_that_kind_alone(
    schema: Schema, kind: str, legacy: str, grpc: str
) -> None:
    name = "Record" if "raw" in legacy else "Zone"
    answer = schema.message(f"dns.v1.{name}").DESCRIPTOR
    options = CompareOptions(headers=("etag", "content-type"))
    comparator = Comparator.compile(answer, None, options)
    found = comparator.compare(document(legacy), document(grpc))
    assert [difference.kind for difference in found.differences] == [kind.strip("`")]


def document(cell: str) -> Document:
    """The answer that a cell shows: a status, a header, a body, or a status and a body."""
    text = cell.strip("`")
    header = re.fullmatch(r"([a-z-]+): (.+)", text)
    if header is not None:
        return answered(body="{}", headers={header[1]: header[2]})
    status, _, body = text.partition(" ") if text[0].isdigit() else ("200", "", text)
    return answered(int(status), "" if body == "nothing" else body)


def answered(
    status: int = 200, body: str = "{}", headers: dict[str, str] | None = None
) -> Document:
    given = {"content-type": "application/json"} | (headers or {})
    return Document(status, tuple(given.items()), body.encode())


def test_every_verdict_is_told() -> None:
    told = [quoted(row[0]) for row in rows("What is compared", 2, "`match`")]
    assert sorted(told) == sorted([verdict.value] for verdict in Verdict)


def test_every_use_of_a_rule_is_told_with_its_keys() -> None:
    told = [(row[0].strip("`"), set(quoted(row[2]))) for row in rows("Rules", 3, "`exact`")]
    uses: tuple[Use, ...] = get_args(Use)
    assert [use for use, _ in told] == [*uses]
    for use, (_, keys) in zip(uses, told, strict=True):
        own = {_key(name) for name, owner in _OWNERS.items() if owner == use}
        needed = {_key(name) for name in _NEEDS.get(use, ())}
        formats = {"uuid", "rfc3339", "base64"} if use == "format" else set()
        assert keys == own | needed | formats, use


def test_every_key_of_a_gate_is_told_with_its_default() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("The gate", 3, "`max_mismatch`")}
    defaults = {(field.alias or name): field.default for name, field in Gate.model_fields.items()}
    assert {key: default_of(text) for key, text in told.items() if key in defaults} == defaults


def default_of(text: str) -> object:
    if quoted(text):
        return tuple(sorted(quoted(text), key=[kind.value for kind in Kind].index))
    if text.endswith(" %"):
        return pytest.approx(float(text.removesuffix(" %")) / 100)
    return int(text) if text.isdecimal() else parse_duration(text.replace(" ", ""))


def test_the_size_of_what_is_done_at_once_is_told() -> None:
    (size,) = {INLINE_BODY_BYTES, INLINE_WIRE_BYTES, INLINE_BYTES}
    told = f"up to {size >> 10} KiB are translated, rendered and compared on the event loop"
    assert told in " ".join(PAGE.read_text(encoding="utf-8").split())


def test_verdicts_of_the_gate_have_their_exit_codes() -> None:
    told = {row[0].strip("`"): row[2] for row in rows("The gate", 3, "`pass`")}
    assert {verdict: told[verdict] for verdict in GateVerdict} == {
        GateVerdict.PASS: "0",
        GateVerdict.FAIL: "1",
        GateVerdict.INCONCLUSIVE: "2",
    }


def test_the_numbers_of_comparisons_are_those_of_the_gate() -> None:
    counted = rows("The gate", 6, "1 %")
    assert len(counted) == 5
    for limit_text, confidence_text, first, *others in counted:
        limit, confidence = share(limit_text), share(confidence_text)
        sequence = ConfidenceSequence(limit, 1 - confidence)
        anytime, one_look = map(number, re.findall(r"[\d,]+", first))
        assert anytime == sequence.needed(0)
        assert one_look == one_look_needed(0, limit, 1 - confidence)
        assert [number(cell) for cell in others] == [sequence.needed(k) for k in (1, 3, 10)]


def share(text: str) -> float:
    return float(text.removesuffix(" %")) / 100


def number(text: str) -> int:
    return int(text.replace(",", ""))
