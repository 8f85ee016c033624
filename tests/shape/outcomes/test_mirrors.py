"""What is compared of a mirror is what a client would have got, to the letter."""

from collections.abc import Mapping

import pytest

from proxy.comparison.comparator import CompareOptions
from proxy.comparison.documents import Document
from proxy.errors import RequestError
from proxy.gate.evidence import Epoch, Observation, Verdict
from proxy.shadow.answers import Answered, error_document
from proxy.shadow.asking import with_asked
from proxy.shadow.legs import Prepared
from proxy.status import Code
from proxy.upstreams.rest import RestUpstream
from tests.fakes import FakeUpstream, Handler
from tests.live.edge import answers, fails
from tests.live.wire import LegacyScript, legacy_of
from tests.shadow.samples import EVERY, JSON, http_answer, made_legs, mirrored, sample_of
from tests.shadow.test_examiner import examiner_of, helper_of
from tests.shadow.test_legs import at_once, built
from tests.shape.outcomes.zones import Listing, load, message, method, zones

RECORD = message("Record", id="1", etag="a", state="PENDING")
ENVELOPE = (
    'List: {answer: {body: {ok: true, result: "{}", info: {page: "{@page}", of: "{@total_pages}", '
    'n: "{@per_page}", next: "{@next_page}"}}}, '
    "paging: {total: total_size, default_per_page: 2, link: [next]}}"
)
GET = 'Get: {status: {field: state, values: {PENDING: 202}}, headers: {X-Id: "{id}"}}'
TAG = 'Get: {etag: "{etag}"}'
PUT = 'Update: {etag: {value: "{etag}", if_match: record.etag}}'
GONE = "Delete: {status: {empty: 204}}"
RECORDS = "/v4/zones/a/records"

CASES: Mapping[str, tuple[str, Handler, str, str, dict[str, str]]] = {
    "status": (GET, answers(RECORD), "GET", f"{RECORDS}/1", {}),
    "tag": (TAG, answers(RECORD), "GET", f"{RECORDS}/1", {}),
    "304": (TAG, answers(RECORD), "GET", f"{RECORDS}/1", {"If-None-Match": '"a"'}),
    "204": (GONE, answers(b""), "DELETE", "/v4/records/1", {}),
    "412": (PUT, fails(Code.ABORTED, "etag"), "PUT", "/v4/records/1", {"If-Match": '"x"'}),
    "weak": (PUT, answers(RECORD), "PUT", "/v4/records/1", {"If-Match": 'W/"x"'}),
    "walk": (ENVELOPE, Listing(7, 3), "GET", f"{RECORDS}?page=2", {}),
    "beyond": (ENVELOPE, Listing(7, 3), "GET", f"{RECORDS}?page=9", {}),
    "bad page": (ENVELOPE, Listing(7), "GET", f"{RECORDS}?page=x", {}),
    "out of reach": (ENVELOPE, Listing(100, 1), "GET", f"{RECORDS}?page=7", {}),
}


async def document_of(
    shape: str, handler: Handler, http_method: str, target: str, headers: dict[str, str]
) -> Document:
    """What the mirror of a request has to compare."""
    snapshot = await load(shape)
    binding = snapshot.table.find(http_method, target.partition("?")[0]).binding
    assert binding is not None
    upstream = FakeUpstream({method(binding.binding.method.name): handler})
    legs = made_legs(snapshot, {"items": upstream}, None)
    body = b"{}" if http_method == "PUT" else b""
    sample = sample_of(snapshot, binding, http_method, target, headers, body)
    try:
        sample = with_asked(sample)
        prepared = await legs.prepare(sample, EVERY, built)
    except RequestError as error:
        return error_document(error, sample)
    assert isinstance(prepared, Prepared)
    answered = await legs.grpc(sample, prepared, EVERY, at_once)
    assert isinstance(answered, Answered)
    return answered.document


@pytest.mark.parametrize("case", CASES)
async def test_a_mirror_has_what_the_client_gets(case: str):
    shape, handler, http_method, target, headers = CASES[case]
    document = await document_of(*CASES[case])
    name = shape.partition(":")[0]
    async with zones(shape, {name: handler}) as edge:
        body = b"{}" if http_method == "PUT" else b""
        given = await edge.ask(http_method, target, headers, body)
    assert (document.http_status, document.headers, document.body) == (
        given.status,
        given.headers,
        given.body,
    )


async def test_an_envelope_shows_the_page():
    async with zones(ENVELOPE, {"List": Listing(7)}) as edge:
        given = await edge.ask("GET", f"{RECORDS}?page=2")
        assert given.json()["info"] == {"page": 2, "of": 4, "n": 2, "next": 3}
        last = await edge.ask("GET", f"{RECORDS}?page=4")
        assert last.json()["info"]["next"] is None
        assert [each["id"] for each in last.json()["result"]["records"]] == ["6"]


PAGES = "List: {paging: {total: total_size, default_per_page: 2, link: [next]}}"
NEXT = f'Link: <{RECORDS}?page=3>; rel="next"'


@pytest.mark.parametrize(
    ("link", "verdict"), [(NEXT, Verdict.MATCH), (NEXT.replace("3", "4"), Verdict.MISMATCH)]
)
async def test_a_page_is_compared_with_that_of_the_legacy_host(link: str, verdict: Verdict):
    body = b'{"records":[{"id":"2"},{"id":"3"}],"nextPageToken":"t4","totalSize":7}'
    target = f"{RECORDS}?page=2"
    snapshot = await load(PAGES)
    found = snapshot.table.find("GET", RECORDS).binding
    assert found is not None
    compare = CompareOptions(headers=("link",))
    binding = mirrored(snapshot, found, EVERY, compare, "reject", {})
    upstream = FakeUpstream({method("List"): Listing(7)})
    async with (
        legacy_of(LegacyScript(http_answer(body, link))) as host,
        RestUpstream(host.url) as rest,
        helper_of() as helper,
    ):
        examiner = examiner_of(made_legs(snapshot, {"items": upstream}, rest), helper)
        mirrored_answer = Document(200, (*JSON, ("link", link.partition(": ")[2])), body)
        sample = sample_of(snapshot, binding, "GET", target, answer=mirrored_answer)
        observed = await examiner.examine(sample, Epoch("d", "c", ""))
    assert isinstance(observed, Observation), observed
    assert observed.verdict is verdict
