"""Mirrors of shaped routes from end to end: what clients would notice, at legacy paths."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from proxy.status import Code
from tests.fakes import Abort, Served
from tests.live.edge import item, message, method
from tests.live.wire import LegacyScript, client_of, request
from tests.shadow.serving import mirrored_route, stand_of, with_shadow
from tests.shadow.test_invariants_secrets import (
    VERDICTS,
    Secrets,
    all_kept,
    all_told,
    files,
    full,
    http,
    leaks,
)

SHAPE = """, shape: {
  names: snake,
  lossy: [timestamp, Item.labels],
  forms: {int64: number, timestamp: epoch_ms},
  fields: {Item.made: {name: created_on}, Item.labels: {separator: ","}, Item.big: {name: size}},
  add: {Item: {href: "/rows/{id}"}},
  status: {code: 203},
  %s
  errors: {body: {ok: false, errors: "{errors}"}, error: {text: "{message}", at: "{field}"}}}"""
ROWS = SHAPE % 'answer: {body: {ok: true, rows: "{}", n: "{@count}"}},'
ONE = SHAPE % 'request: {body: {row: "{}"}},'
LEGACY_ROW = {
    "id": "a",
    "size": 9007199254740993,
    "labels": "x,y",
    "created_on": 1704164645000,
    "href": "/rows/a",
}
GOOD: dict[str, Any] = {"ok": True, "rows": [LEGACY_ROW], "n": 1}
ITEM = {"id": "a", "big": 9007199254740993, "labels": ["x", "y"], "made": "2024-01-02T03:04:05Z"}


async def listed(_: Served) -> AsyncIterator[bytes]:
    yield message("ItemList", items=[ITEM])


def answer(row: Mapping[str, Any] = {}, **whole: Any) -> bytes:
    body = {**GOOD, "rows": [{**LEGACY_ROW, **row}], **whole}
    return http(body, status="203 Non-Authoritative")


async def found(place: Path, legacy: bytes, *, stage: str = "shadow") -> list[tuple[str, str]]:
    """Path and kind of all that is found in one mirrored request."""
    routes = mirrored_route("List", "list-items", "timeout: 5s", stage, ROWS)
    script = LegacyScript(legacy)
    async with stand_of(place, routes, handlers={method("List"): listed}, legacy=script) as stand:
        async with client_of(stand.service.url) as client:
            await client.ask(request("GET", "/v1/items"))
        await stand.settled()
        assert stand.lives().get("compared") == 1
        stand.pool.ledger.flush()
        report: dict[str, Any] = {"counts": {}}
        while not any(report["counts"].get(verdict) for verdict in VERDICTS):
            report = await stand.service._reporter.report("list-items")
        return sorted((each["path"], each["kind"]) for each in report["fields"])


@pytest.mark.parametrize("stage", ["shadow", "grpc"])
async def test_what_clients_would_not_notice_matches(tmp_path: Path, stage: str) -> None:
    assert await found(tmp_path, answer(), stage=stage) == []


@pytest.mark.parametrize(
    ("legacy", "expected"),
    [
        (answer({"created_on": 1704164646000}), ("$.rows[*].created_on", "value")),
        (answer({"created_on": 1704164645}), ("$.rows[*].created_on", "timestamp_format")),
        (answer({"size": 9007199254740992}), ("$.rows[*].size", "value")),
        (answer({"size": "9007199254740993"}), ("$.rows[*].size", "int64_string")),
        (answer({"labels": "y,x"}), ("$.rows[*].labels", "list_order")),
        (answer({"href": "/v1/a"}), ("$.rows[*].href", "value")),
        (answer({"extra": 1}), ("$.rows[*].extra", "missing_field")),
        (answer(n=2), ("$.n", "value")),
        (answer(ok=1), ("$.ok", "type")),
        (http(GOOD), ("status", "status_code")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
async def test_each_kind_is_found_at_its_legacy_path(
    tmp_path: Path, legacy: bytes, expected: tuple[str, str]
) -> None:
    assert await found(tmp_path, legacy) == [expected]


@pytest.mark.parametrize("code", [None, Code.NOT_FOUND])
async def test_no_value_leaks_under_the_names_of_a_shape(tmp_path: Path, code: Code | None) -> None:
    secret = Secrets()

    async def answered(_: Served) -> AsyncIterator[bytes]:
        if code is not None:
            raise Abort(code, secret())
        yield message("ItemList", items=[full(secret)])

    async def created(_: Served) -> AsyncIterator[bytes]:
        yield item(**full(secret))

    row = {"id": secret(), "labels": secret(), "tags": {secret(): secret()}, "href": secret()}
    legacy = answer({**row, "shelf": secret(), "note": secret()}, total=secret())
    routes = mirrored_route("List", "list-items", "timeout: 5s", "shadow", ROWS)
    routes += mirrored_route("Create", "create-item", "timeout: 5s", "shadow", ONE)
    state = tmp_path / "state"
    with structlog.testing.capture_logs() as logs:
        async with stand_of(
            tmp_path,
            routes,
            handlers={method("List"): answered, method("Create"): created},
            legacy=LegacyScript(legacy),
            more=f"state: {{directory: '{state}'}}\n" + with_shadow(),
        ) as stand:
            body = json.dumps({"row": row, "other": secret()}).encode()
            async with client_of(stand.service.url) as client:
                await client.ask(request("GET", f"/v1/items?labels={secret()}&x={secret()}"))
                typed = "Content-Type: application/json"
                await client.ask(request("POST", "/v1/items?dry=1", typed, body=body))
            await stand.settled()
            assert stand.lives().get("compared") == 2
            reports = await all_kept(stand)
            assert all(each["fields"] for each in reports)
            told = await all_told(stand)
    kept = files(state)
    assert len(kept) > 2
    assert leaks([*told, *kept, repr(logs)]) == []
