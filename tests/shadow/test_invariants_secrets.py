"""What clients and servers say to each other is in nothing that mirrors leave behind (I14).

The whole service: secrets in each place that a request and two answers have for them, in good
answers and in errors; then every file of the state directory, the process log, the metrics, and all
that the admin port tells of mirrors, in each of its forms.
"""

from collections.abc import AsyncIterator, Iterable
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from rich.console import Console

from proxy.report.html import as_html
from proxy.report.markdown import as_markdown
from proxy.report.text import reports_as_text
from proxy.status import Code
from tests.fakes import Abort, Served
from tests.live.edge import item, message, method
from tests.live.wire import LegacyScript, client_of, request
from tests.shadow.serving import Stand, mirrored_route, stand_of, with_shadow

CANARY = "s3cr3t"
ROUTES = ("list-items", "create-item")
BELOW = "/admin/v1/shadow"
#: Where the admin port tells of mirrors.
PAGES = (
    *(f"{BELOW}/{name}" for name in ("report", "coverage", "examples")),
    *(
        f"{BELOW}/routes/{route}/{name}"
        for route in ROUTES
        for name in ("report", "gate", "suggestions")
    ),
    "/admin/v1/status",
)
VERDICTS = ("match", "match_with_rules", "noise", "transient", "mismatch")


class Secrets:
    """Makes secrets, none twice."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self) -> str:
        return f"{CANARY}{next(self._numbers)}x"


def http(body: object, *fields: str, status: str = "200 OK") -> bytes:
    data = orjson.dumps(body)
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*head, *fields, "", ""]).encode() + data


def full(secret: Secrets) -> dict[str, object]:
    """An item with secrets as values, and as keys of maps, which are data."""
    return {
        "id": secret(),
        "labels": [secret(), secret()],
        "tags": {secret(): secret()},
        "extra": {secret(): {secret(): [secret()]}},
        "shelf": secret(),
        "inner": {"id": secret(), "tags": {secret(): secret()}},
    }


def with_others(secret: Secrets) -> dict[str, object]:
    """An item with members that its message has not: by their names a report tells of them."""
    return {**full(secret), "other": secret(), "others": [{"deep": secret()}]}


async def asked_all(stand: Stand, secret: Secrets) -> None:
    """Requests of each kind, good ones and such as either side refuses."""
    fields = (
        f"Authorization: Bearer {secret()}",
        f"Cookie: session={secret()}",
        f"X-Api-Key: {secret()}",
        f"Grpc-Metadata-Token: {secret()}",
        "Content-Type: application/json",
    )
    body = orjson.dumps(with_others(secret))
    async with client_of(stand.service.url) as client:
        for sent in (
            request("GET", f"/v1/items?like.shelf={secret()}&other={secret()}", *fields),
            request("GET", f"/v1/items?tags={secret()}&kind={secret()}", *fields),
            request("GET", f"/v1/items?labels={secret()}", *fields),
            request("POST", f"/v1/items?item_id={secret()}", *fields, body=body),
        ):
            await client.ask(sent)
    await stand.settled()


async def all_kept(stand: Stand) -> list[dict[str, Any]]:
    """The reports, as soon as the evidence of every comparison is in them."""
    stand.pool.ledger.flush()
    compared = stand.lives().get("compared", 0)
    while True:
        found = [await stand.service._reporter.report(route) for route in ROUTES]
        if compared == sum(each["counts"][name] for each in found for name in VERDICTS):
            return found


async def all_told(stand: Stand) -> list[str]:
    """What operators can see of mirrors, in every form."""
    reports = await all_kept(stand)
    console = Console(file=StringIO(), width=200)
    console.print(reports_as_text(reports))
    told = [as_markdown(reports), as_html(reports), console.file.getvalue()]
    async with client_of(stand.service.admin_url) as client:
        for page in PAGES:
            reply = await client.ask(request("GET", page, host="localhost"))
            assert reply.status == 200, (page, reply.body)
            told.append(reply.body.decode())
    return [*told, stand.service._metrics.render()[1].decode()]


def files(folder: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]


def leaks(texts: Iterable[str]) -> list[str]:
    """Where a secret is, with what is around it."""
    found = ((text, text.find(CANARY)) for text in texts if CANARY in text)
    return [text[max(0, at - 80) : at + 40] for text, at in found]


@pytest.mark.parametrize("stage", ["shadow", "grpc"])
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
@pytest.mark.parametrize("code", [None, Code.NOT_FOUND, Code.INTERNAL])
async def test_no_secret_of_a_request_or_of_an_answer_is_left_anywhere(
    tmp_path: Path, stage: str, status: str, code: Code | None
):
    secret = Secrets()

    async def answered(served: Served) -> AsyncIterator[bytes]:
        served.trailers = (("x-cost", secret()), ("x-trailer", secret()))
        if code is not None:
            raise Abort(code, secret())
        yield message("ItemList", items=[full(secret)])

    async def created(served: Served) -> AsyncIterator[bytes]:
        async for _ in answered(served):
            yield item(**full(secret))

    answer = with_others(secret)
    noise = ", compare: {headers: [x-cost], noise: {control_percent: 100}}"
    routes = mirrored_route("List", "list-items", "timeout: 5s", stage, noise)
    routes += mirrored_route("Create", "create-item", "timeout: 5s", stage)
    state = tmp_path / "state"
    with structlog.testing.capture_logs() as logs:
        async with stand_of(
            tmp_path,
            routes,
            handlers={method("List"): answered, method("Create"): created},
            legacy=LegacyScript(
                http(answer, f"X-Cost: {secret()}", f"Set-Cookie: a={secret()}", status=status)
            ),
            more=f"state: {{directory: '{state}'}}\n" + with_shadow(),
        ) as stand:
            await asked_all(stand, secret)
            lives = stand.lives()
            assert lives["eligible"] == 4
            assert lives.get("compared", 0) >= 2
            told = await all_told(stand)
    kept = files(state)
    assert len(kept) > 2
    assert leaks([*told, *kept, repr(logs)]) == []


def test_a_leak_would_be_seen(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"\xff" * 200 + CANARY.encode())
    assert leaks([*files(tmp_path), "nothing"]) == ["\xff" * 80 + CANARY]
