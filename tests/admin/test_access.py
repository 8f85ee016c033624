"""Who may use the admin port."""

import itertools

import pytest

from proxy.admin.access import Access
from proxy.routing.snapshot import Snapshot
from tests.admin.stand import TOKEN, Stand, guarded_snapshot, stand_of

KILL = {"on": True, "reason": "a test"}
PAGES = ["/metrics", "/routes", "/config", "/admin/v1/status", "/admin/v1/audit"]
WRITES = ["/-/reload", "/admin/v1/killswitch", "/admin/v1/routes/get-item:rollback"]


@pytest.mark.parametrize("path", PAGES)
async def test_reads_need_the_token_where_there_is_one(stand: Stand, path: str):
    refused = await stand.ask("GET", path, token=None)
    assert (refused.status, refused["www-authenticate"]) == (401, 'Bearer realm="cutover"')
    assert (await stand.ask("GET", path)).status == 200


@pytest.mark.parametrize("path", WRITES)
async def test_writes_need_the_token_and_change_nothing_without(stand: Stand, path: str):
    for token in (None, "", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\udcff"):
        assert (await stand.post(path, KILL, token=token)).status == 401
    assert (stand.control.overrides.revision, stand.reloads) == (0, [])


async def test_the_scheme_is_read_in_any_case_and_no_other_one_passes(stand: Stand):
    for scheme, status in (("bearer", 200), ("BEARER ", 200), ("Basic", 401), ("", 401)):
        field = f"Authorization: {scheme} {TOKEN}"
        assert (await stand.ask("GET", "/routes", field, token=None)).status == status


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
async def test_probes_need_no_token(stand: Stand, path: str):
    assert (await stand.ask("GET", path, token=None)).status == 200
    assert (await stand.ask("HEAD", path, token=None)).status == 200


@pytest.mark.parametrize("http_method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", WRITES)
async def test_changes_are_made_by_post_alone(stand: Stand, http_method: str, path: str):
    reply = await stand.ask(http_method, path)
    assert (reply.status, reply["allow"]) == (405, "POST")
    assert (stand.control.overrides.revision, stand.reloads) == (0, [])


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_takes_no_post(stand: Stand, path: str):
    reply = await stand.post(path, KILL)
    assert (reply.status, reply.json()) == (405, {"error": "method not allowed"})


async def test_opened_reads_leave_writes_closed():
    opened = await guarded_snapshot(admin=", open_reads: true")
    async with stand_of(opened) as stand:
        assert (await stand.ask("GET", "/admin/v1/status", token=None)).status == 200
        assert (await stand.post("/admin/v1/killswitch", KILL, token=None)).status == 401
        assert (await stand.post("/admin/v1/killswitch", KILL)).status == 200


async def test_another_token_counts_as_soon_as_it_is_in_force(stand: Stand):
    stand.operations.snapshot = await guarded_snapshot(token="another-token-of-25-chars")
    assert (await stand.get("/routes")).status == 401
    assert (await stand.ask("GET", "/routes", token="another-token-of-25-chars")).status == 200


async def test_a_browser_on_this_host_cannot_be_led_here_by_another_name(stand: Stand):
    """DNS rebinding: the page's own name points here, so that its scripts may read."""
    for host in ("evil.example", "evil.example:9901", "127.0.0.1.evil.example", "[evil]"):
        for path in ("/admin/v1/status", "/-/healthy"):
            assert (await stand.ask("GET", path, host=host)).status == 403
    for host in ("127.0.0.1:9901", "localhost", "LOCALHOST:80", "[::1]:9901", "10.0.0.7"):
        assert (await stand.ask("GET", "/-/healthy", host=host)).status == 200


def test_only_a_port_on_loopback_minds_its_name():
    anywhere = Access(None)
    assert anywhere.refuse("GET", "/metrics", host="metrics.cluster.internal") is None
    assert Access(None, on_loopback=True).refuse("GET", "/metrics", host=None) is None


def test_the_token_is_not_shown():
    assert TOKEN not in repr(Access(TOKEN))


def test_nothing_but_reads_passes_without_the_token_whatever_is_configured():
    for token, opened, http_method in itertools.product(
        (None, TOKEN), (True, False), ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "TRACE")
    ):
        refused = Access(token, opened).refuse(http_method, "/-/healthy", "Bearer wrong")
        assert refused is not None
        assert refused.status == (403 if token is None else 401)


async def test_no_leave_is_given_to_pages_of_other_origins(stand: Stand):
    fields = ("Origin: http://evil.example", "Access-Control-Request-Method: POST")
    reply = await stand.ask("OPTIONS", "/admin/v1/killswitch", *fields, token=None)
    assert reply.status == 401
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


async def test_a_token_is_no_way_around_a_missing_token_file(snapshot: Snapshot):
    async with stand_of(snapshot) as stand:
        reply = await stand.post("/admin/v1/killswitch", KILL)
    assert reply.status == 403
