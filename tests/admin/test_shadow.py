"""What the admin port shows of mirrors and gates."""

from typing import Any

import pytest

from proxy.admin.shadow import ShadowPages
from proxy.evidence import EvidenceError, EvidenceReader
from proxy.gate.evidence import Verdict
from proxy.shadow.reporting import Reporter
from tests.admin.stand import COUNTED, FORBIDDEN, TOKEN, Stand

BELOW = "/admin/v1/shadow"
OF_ROUTE = f"{BELOW}/routes/list-items"
RESET = f"{OF_ROUTE}:reset"
PAGES = ["report", "gate", "fields", "examples", "suggestions"]


async def page(stand: Stand, path: str) -> Any:
    reply = await stand.get(path)
    assert reply.status == 200, reply.body
    assert reply["content-type"] == "application/json"
    return reply.json()


async def test_a_report_is_that_of_the_evidence_of_all_workers(stand: Stand):
    stand.compared(300)
    report = await page(stand, f"{OF_ROUTE}/report")
    assert (report["route"], report["verdict"]) == ("list-items", "pass")
    assert report["counts"]["match"] == 301
    assert (await page(stand, f"{BELOW}/report"))["reports"] == [report]
    assert (await page(stand, f"{BELOW}/report?route=list-items"))["reports"] == [report]


@pytest.mark.parametrize(
    ("form", "content_type", "begins"),
    [("html", "text/html", "<!doctype html>"), ("markdown", "text/markdown", "# ")],
)
async def test_a_report_is_a_document_where_that_is_asked_for(
    stand: Stand, form: str, content_type: str, begins: str
):
    for path in (f"{OF_ROUTE}/report", f"{BELOW}/report"):
        reply = await stand.get(f"{path}?format={form}")
        assert reply["content-type"] == f"{content_type}; charset=utf-8"
        assert reply.body.decode().lower().startswith(begins)
        assert b"list-items" in reply.body


async def test_a_gate_says_what_it_goes_by(stand: Stand):
    early = await page(stand, f"{OF_ROUTE}/gate")
    assert (early["gated"], early["verdict"]) == (True, "inconclusive")
    stand.compared(50, Verdict.MISMATCH, findings=(FORBIDDEN,))
    failed = await page(stand, f"{OF_ROUTE}/gate")
    assert failed["verdict"] == "fail"
    assert any("forbid type" in reason for reason in failed["because"])
    assert failed["bound"]["mismatches"] == 51
    ungated = await page(stand, f"{BELOW}/routes/get-item/gate")
    assert (ungated["gated"], ungated["verdict"], ungated["bound"]) == (False, None, None)


async def test_differences_lead_to_their_examples(stand: Stand):
    stand.compared(3, Verdict.MISMATCH, findings=(FORBIDDEN, COUNTED))
    fields = (await page(stand, f"{OF_ROUTE}/fields"))["fields"]
    assert {field["path"] for field in fields} == {"$[*].id", "$[*].made"}
    one = fields[0]["examples"][0]
    example = await page(stand, f"{BELOW}/examples/{one}")
    assert (example["id"], example["route"]) == (one, "list-items")
    assert example in (await page(stand, f"{BELOW}/examples"))["examples"]
    listed = await page(stand, f"{OF_ROUTE}/examples?path=$[*].made&kind=value&limit=1")
    assert len(listed["examples"]) == 1
    assert (await page(stand, f"{OF_ROUTE}/examples?kind=header"))["examples"] == []


async def test_coverage_has_every_route_once(stand: Stand):
    stand.compared(3)
    coverage = await page(stand, f"{BELOW}/coverage")
    named = [row["route"] for row in (*coverage["routes"], *coverage["never"])]
    assert sorted(named) == sorted(route.name for route in stand.operations.snapshot.routes)


async def test_suggestions_are_a_list(stand: Stand):
    assert (await page(stand, f"{OF_ROUTE}/suggestions")) == {"suggestions": []}


# --- refusals


@pytest.mark.parametrize("name", PAGES)
async def test_a_route_that_is_not_there_is_404(stand: Stand, name: str):
    reply = await stand.get(f"{BELOW}/routes/gone/{name}")
    assert (reply.status, reply.json()) == (404, {"error": "there is no route 'gone'"})


async def test_an_example_that_is_not_there_is_404(stand: Stand):
    reply = await stand.get(f"{BELOW}/examples/ex_0")
    assert (reply.status, "no such example" in reply.json()["error"]) == (404, True)
    assert (await stand.get(f"{BELOW}/report?route=gone")).status == 404


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{BELOW}/report?format=pdf", "format must be one of json, markdown, html"),
        (f"{OF_ROUTE}/report?format=", "format must be one of"),
        (f"{OF_ROUTE}/examples?kind=typo", "kind must be one of status_code,"),
        (f"{OF_ROUTE}/examples?limit=0", "limit must be a number from 1 to 1000"),
        (f"{OF_ROUTE}/examples?limit=1001", "limit must be"),
        (f"{OF_ROUTE}/examples?limit=-1", "limit must be"),
        (f"{OF_ROUTE}/examples?limit=%C2%B2", "limit must be"),
        (f"{OF_ROUTE}/examples?limit={'9' * 500}", "limit must be"),
    ],
)
async def test_what_is_not_understood_is_400(stand: Stand, path: str, told: str):
    reply = await stand.get(path)
    assert (reply.status, told in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize("path", [f"{BELOW}/report", f"{BELOW}/coverage", f"{OF_ROUTE}/examples"])
async def test_reads_need_the_token_as_all_others_do(stand: Stand, path: str):
    assert (await stand.ask("GET", path, token=None)).status == 401
    assert (await stand.ask("GET", path, token=TOKEN)).status == 200


async def test_a_store_that_cannot_be_read_is_503(stand: Stand):
    def fail() -> Any:
        raise EvidenceError("the disk is gone")

    reader = EvidenceReader(fail)
    stand.operations.reporter = Reporter(
        reader,
        lambda: stand.operations.snapshot,
        stand.control.positions,
        stand.metrics,
        stand.control.state.clock,
    )
    for path in (f"{OF_ROUTE}/report", f"{BELOW}/coverage", f"{BELOW}/examples"):
        reply = await stand.get(path)
        assert (reply.status, reply.json()) == (503, {"error": "the disk is gone"})
    await reader.close()
    stand.operations.reporter = None
    assert (await stand.get(f"{OF_ROUTE}/report")).status == 503


# --- reset


async def test_a_reset_forgets_and_leaves_in_the_audit_what_it_forgot(stand: Stand):
    stand.compared(99)
    stand.compared(9, Verdict.MISMATCH, findings=(FORBIDDEN,))
    reply = await stand.post(RESET, {"reason": "the server was mended", "who": "ann"})
    told = reply.json()
    assert (reply.status, told["change"]) == (
        200,
        "list-items: 110 compared, 10 mismatches -> nothing compared",
    )
    report = await page(stand, f"{OF_ROUTE}/report")
    assert (report["counts"]["compared"], report["fields"]) == (0, [])
    (entry,) = (await stand.get("/admin/v1/audit?route=list-items")).json()["entries"]
    assert (entry["id"], entry["action"]) == (told["audit_id"], "reset-evidence")
    assert (entry["who"], entry["why"]) == ("ann", "the server was mended")
    assert (entry["from"], entry["gate"]) == ("110 compared, 10 mismatches", "fail")


async def test_a_reset_that_cannot_be_recorded_forgets_nothing(stand: Stand):
    """Else mismatches could be made to go unseen."""
    stand.compared(9, Verdict.MISMATCH, findings=(FORBIDDEN,))
    (stand.control.state.path / "state.json").write_text("{")
    assert (await stand.post(RESET, {"reason": "r"})).status == 503
    assert (await page(stand, f"{OF_ROUTE}/report"))["counts"]["mismatch"] == 10


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"reason": " "}, 400),
        ({"reason": "one\ntwo"}, 400),
        ({"reason": "r", "who": "system"}, 400),
        ({"reason": "r", "force": True}, 400),
        ({"reason": "r", "ttl_s": 5}, 400),
        (b"{", 400),
    ],
)
async def test_a_reset_needs_a_reason_and_nothing_else(stand: Stand, body: Any, status: int):
    stand.compared(9)
    assert (await stand.post(RESET, body)).status == status
    assert (await page(stand, f"{OF_ROUTE}/report"))["counts"]["compared"] == 10


async def test_a_reset_is_a_change(stand: Stand):
    assert (await stand.post(RESET, {"reason": "r"}, token=None)).status == 401
    assert (await stand.get(RESET)).status == 405
    gone = await stand.post(f"{BELOW}/routes/gone:reset", {"reason": "r"})
    assert (gone.status, stand.control.overrides.revision) == (404, 0)


async def test_pages_say_what_they_show(stand: Stand):
    assert "Reporter" in repr(ShadowPages(stand.operations))
