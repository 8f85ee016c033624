"""I14: what clients send and get is in no file of the evidence, and in nothing that is read of it.

Secrets are everywhere that a request and two answers have room for them. The way is the real one:
comparator, redactor, writer, store, reader.
"""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Difference, Document, Excerpt
from proxy.comparison.kinds import Kind
from proxy.evidence import EvidenceReader, EvidenceWriter, SqliteStore, load_key
from proxy.gate.evidence import Control, Epoch, Observation, Verdict
from proxy.gate.redaction import Hasher, Redactor
from tests.evidence.observations import NOON_S
from tests.transcoding.request_schema import pool_of
from tests.waiting import until

PROTO = """
syntax = "proto3";
package bank.v1;
import "google/protobuf/any.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";

message Part { string text = 1; repeated string texts = 2; map<string, string> by_name = 3; }
message Answer {
  string text = 1;
  repeated string texts = 2;
  map<string, string> by_name = 3;
  map<string, Part> parts = 4;
  google.protobuf.Struct free = 5;
  google.protobuf.Value any_value = 6;
  bytes raw = 7;
  google.protobuf.Timestamp at = 8;
  Part part = 9;
  string pin = 10 [debug_redact = true];
  Part vault = 11 [debug_redact = true];
  string shown = 12;
  google.protobuf.Any anything = 13;
}
message Request { string text = 1; Part part = 2; }
"""

#: In every secret, as a value or as a name that is data; and in nothing else.
CANARY = "canary"
EPOCH = Epoch("get-answer", "digest", "v1")
#: What an operator might list, the redacted among it.
REVEAL = ("$.shown", "$.pin", "$.vault.text", "$.vault.texts[*]", "$.vault.byName{*}")


class Secrets:
    """Makes secrets, none twice, and no two of the same length."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def value(self) -> str:
        """A value: plain letters, as if it were a name."""
        return f"{CANARY}{'x' * next(self._numbers)}"

    def name(self) -> str:
        """A key such as people, accounts and tokens have."""
        number = next(self._numbers)
        return (f"{CANARY}@{number}.example", f"{CANARY} {number}", f"{CANARY}-{number:08}")[
            number % 3
        ]


def part(secrets: Secrets) -> dict[str, Any]:
    return {
        "text": secrets.value(),
        "texts": [secrets.value(), secrets.value()],
        "byName": {secrets.name(): secrets.value()},
    }


def answer(secrets: Secrets, common: dict[str, str]) -> dict[str, Any]:
    """An answer of secrets; those in *common* keys are the same on both sides."""
    return {
        **part(secrets),
        "parts": {secrets.name(): part(secrets), common["name"]: part(secrets)},
        "free": {secrets.name(): secrets.value(), common["name"]: {secrets.name(): [1, None]}},
        "anyValue": {secrets.name(): secrets.value()},
        "raw": secrets.value(),
        "at": secrets.value(),
        "part": part(secrets),
        "pin": secrets.value(),
        "vault": part(secrets),
        "anything": {"@type": f"types.example/{secrets.value()}", secrets.name(): 1},
        "text": [secrets.value()],
        secrets.name(): secrets.value(),
        common["name"]: {secrets.name(): secrets.value()},
        "shown": "open",
    }


def headers(secrets: Secrets) -> tuple[tuple[str, str], ...]:
    return (
        ("Content-Type", f"application/json; {secrets.value()}={secrets.value()}"),
        ("ETag", secrets.value()),
        ("Set-Cookie", secrets.value()),
        (secrets.name(), secrets.value()),
    )


def documents(secrets: Secrets) -> Iterator[Document]:
    """Pairs of answers, one side after the other."""
    common = {"name": secrets.name()}
    bodies = [(200, json.dumps(answer(secrets, common)).encode()) for _ in range(2)]
    for status in (404, 404):
        error = {"message": secrets.value(), "details": [{secrets.name(): secrets.value()}]}
        bodies.append((status, json.dumps({**error, secrets.name(): 1}).encode()))
    bodies += [(200, f"<{secrets.value()}>".encode()), (200, b"{}")]
    bodies += [(200, json.dumps([answer(secrets, common)]).encode()), (500, b"")]
    bodies += [
        (200, json.dumps(secrets.value()).encode()),
        (200, b'{"text": "' + b"\\ud800" + b'"}'),
    ]
    for status, body in bodies:
        yield Document(status, headers(secrets), body)


def request_differences(secrets: Secrets) -> Iterator[Difference]:
    """What a comparison of the request with its message may find."""
    for path in (
        *("request:$.text", "request:$.part.byName{*}", f"request:$.{secrets.name()}"),
        *(f'request:$["{secrets.name()}"]', f"request:?{secrets.name()}", "request:?part.text"),
        *("request:/text", f"request:?{secrets.name()}.{secrets.name()}"),
    ):
        sides = (Excerpt("string", 9, json.dumps(secrets.value())) for _ in range(2))
        yield Difference(path, Kind.VALUE, 1, *sides)


def observations(hasher: Hasher) -> Iterator[Observation]:
    secrets = Secrets()
    pool = pool_of(PROTO)
    types = [pool.FindMessageTypeByName(f"bank.v1.{name}") for name in ("Answer", "Request")]
    redactor = Redactor.compile(types[0], None, types[1], REVEAL)
    options = CompareOptions(headers=("content-type", "etag"))
    comparator = Comparator.compile(types[0], None, options)
    given = list(documents(secrets))
    for legacy, grpc in zip(given[::2], given[1::2], strict=True):
        comparison = comparator.compare(legacy, grpc)
        differences = (*comparison.differences, *request_differences(secrets))
        assert len(differences) > 8
        assert CANARY in repr(differences)
        paths = frozenset(redactor.path(each.path, hasher) for each in differences)
        yield Observation(
            epoch=EPOCH,
            at_s=NOON_S,
            key=hasher.short(secrets.value()),
            shape=hasher.short(secrets.value()),
            verdict=Verdict.MISMATCH,
            findings=tuple(redactor.finding(each, hasher) for each in differences),
            fields=comparison.fields,
            control=Control(paths, paths),
            about=redactor.about(
                "GET",
                "/v1/{text}",
                [("text", secrets.value())],
                f"{secrets.name()}={secrets.value()}&text={secrets.value()}",
                options.headers,
                legacy_status=legacy.http_status,
                grpc_status=grpc.http_status,
                hasher=hasher,
            ),
        )


async def test_no_secret_is_in_the_files_nor_in_what_is_read_nor_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    key = load_key(tmp_path / "evidence.key")
    writer = EvidenceWriter(lambda: SqliteStore(tmp_path / "evidence.db"), interval_s=0.01)
    writer.start()
    for observation in observations(Hasher(key)):
        assert CANARY not in repr(observation)
        assert writer.put(observation)
    # While the write-ahead log is there, and after it has gone.
    await until(lambda: b"request:/text" in contents(tmp_path))
    files = contents(tmp_path)
    await writer.close(10.0)
    reader = EvidenceReader(lambda: SqliteStore(tmp_path / "evidence.db"))
    evidence = await reader.read(EPOCH.route)
    examples = await reader.examples(EPOCH.route, limit=1000)
    await reader.close()
    assert evidence is not None
    assert len(evidence.differences) > 30
    assert len(examples) > 30
    for text in (files, contents(tmp_path)):
        assert b"request:/text" in text
        assert CANARY.encode() not in text
        assert CANARY.encode("utf-16-le") not in text
    assert CANARY not in f"{evidence}{examples}{capsys.readouterr()}"
    assert key not in files


def contents(directory: Path) -> bytes:
    """All that is in the files of the evidence, its log as well."""
    return b"".join(path.read_bytes() for path in sorted(directory.glob("evidence*.db*")))


async def test_what_is_listed_is_shown_so_that_the_search_above_can_find_something(
    tmp_path: Path,
):
    pool = pool_of(PROTO)
    types = [pool.FindMessageTypeByName(f"bank.v1.{name}") for name in ("Answer", "Request")]
    hasher = Hasher(load_key(tmp_path / "evidence.key"))
    comparator = Comparator.compile(types[0], None, CompareOptions())
    sides = (Document(200, (), b'{"shown": "%s"}' % text) for text in (b"canary one", b"two"))
    (difference,) = comparator.compare(*sides).differences
    finding = Redactor.compile(types[0], None, types[1], REVEAL).finding(difference, hasher)
    writer = EvidenceWriter(lambda: SqliteStore(tmp_path / "evidence.db"), interval_s=0.01)
    writer.start()
    key, shape = hasher.short("kim"), hasher.short("name")
    writer.put(Observation(EPOCH, NOON_S, key, shape, Verdict.MISMATCH, (finding,)))
    await writer.close(10.0)
    assert CANARY.encode() in contents(tmp_path)
