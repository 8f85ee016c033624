"""The two sides say the same: values of an answer, and code, text and details of an error."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.example.conftest import RestClient, RpcClient, RpcError, collect

SERVICE = "dns.v1.RecordService"
ZONE = "example.com"
RECORDS = f"/v4/zones/{ZONE}/records"
WWW = f"zones/{ZONE}/records/www-1"
NEW = {"host": "new", "type": "A", "ipv4": "192.0.2.7", "ttl": "60s", "tags": {"a": "b"}}
MX = {"host": "new", "type": "MX", "mailExchange": {"preference": 5, "exchange": "m.example."}}
SRV = {
    "host": "_x._udp",
    "type": "SRV",
    "service": {"priority": 1, "weight": 2, "port": 3, "target": "a."},
}

HTTP_STATUS = {3: 400, 5: 404, 6: 409, 9: 400, 15: 500}


@dataclass(frozen=True)
class Same:
    """One request in its two forms."""

    method: str
    path: str
    rpc: str
    request: dict[str, Any] = field(default_factory=dict)
    body: object = None
    response_body: str = ""


def get(path: str, rpc: str, response_body: str = "", **request: Any) -> Same:
    return Same("GET", f"/v4/{path}", rpc, request, response_body=response_body)


def create(body: dict[str, Any], query: str = "", zone: str = ZONE, **request: Any) -> Same:
    path = f"/v4/zones/{zone}/records{query}"
    return Same("POST", path, "CreateRecord", {"zone": zone, "record": body, **request}, body)


def put(body: dict[str, Any], name: str = WWW) -> Same:
    record = {**body, "name": name}
    return Same("PUT", f"/v4/{name}", "UpdateRecord", {"record": record}, body)


def patch(body: dict[str, Any], mask: str, query: str = "", name: str = WWW) -> Same:
    given = {key: value for key, value in body.items() if value is not None}
    request = {"record": {**given, "name": name}, "updateMask": mask}
    return Same("PATCH", f"/v4/{name}{query}", "UpdateRecord", request, body)


def delete(name: str) -> Same:
    return Same("DELETE", f"/v4/{name}", "DeleteRecord", {"name": name})


def verify(record: str, **request: Any) -> Same:
    path = f"{RECORDS}/{record}:verify"
    return Same("POST", path, "VerifyRecord", {"zone": ZONE, "id": record, **request}, request)


LIST = f"zones/{ZONE}/records"

SAME = [
    get(f"zones/{ZONE}", "GetZone", zone=ZONE),
    get("zones/fresh.example", "GetZone", zone="fresh.example"),
    get("zones/large.example", "GetZone", zone="large.example"),
    get("zones/secondary.example", "GetZone", zone="secondary.example"),
    get("zones/none", "GetZone", zone="none"),
    get(f"zones/{ZONE}/nameservers", "ListNameservers", "nameservers", zone=ZONE),
    get("zones/none/nameservers", "ListNameservers", "nameservers", zone="none"),
    get(LIST, "ListRecords", zone=ZONE),
    get("zones/fresh.example/records", "ListRecords", zone="fresh.example"),
    get(f"{LIST}?pageSize=1000", "ListRecords", zone=ZONE, pageSize=1000),
    get(f"{LIST}?types=MX&types=CAA", "ListRecords", zone=ZONE, types=["MX", "CAA"]),
    get(f"{LIST}?tags[env]=prod", "ListRecords", zone=ZONE, tags={"env": "prod"}),
    get(f"{LIST}?host=blog", "ListRecords", zone=ZONE, host="blog"),
    get(
        f"{LIST}?updatedSince=2026-05-17T06:00:13Z",
        "ListRecords",
        zone=ZONE,
        updatedSince="2026-05-17T06:00:13Z",
    ),
    get(f"{LIST}?pageSize=-1", "ListRecords", zone=ZONE, pageSize=-1),
    get(f"{LIST}?pageToken=x", "ListRecords", zone=ZONE, pageToken="x"),
    get(WWW, "GetRecord", name=WWW),
    get(f"{LIST}/sip", "GetRecord", name=f"{LIST}/sip"),
    get(f"{LIST}/none", "GetRecord", name=f"{LIST}/none"),
    create(NEW, "?recordId=new", recordId="new"),
    create(NEW),
    create(MX),
    create(SRV),
    create({"host": "new", "type": "TXT", "text": {"strings": ["a", ""]}}),
    create({"host": "new", "type": "CAA", "raw": "AAE="}),
    create({"host": "new", "type": "AAAA", "ipv6": "2001:db8::7", "weight": 0, "comment": ""}),
    create({"host": "new", "type": "A"}),
    create({}),
    create(NEW, "?recordId=NEW", recordId="NEW"),
    create(NEW, "?recordId=blog", recordId="blog"),
    create({"host": "www", "type": "CNAME", "target": "a."}),
    create({"host": "blog", "type": "CNAME", "target": "www.example.com."}),
    create(NEW, zone="secondary.example"),
    create(NEW, zone="none"),
    put(NEW),
    put(MX),
    put({**NEW, "weight": 2, "ttl": "1.5s"}),
    put(NEW, f"{LIST}/none"),
    patch({"ttl": "5s"}, "ttl"),
    patch({"comment": None}, "comment"),
    patch({"tags": {"x": "y"}}, "tags"),
    patch({"tags": {}}, "tags"),
    patch({}, ""),
    patch({"ttl": "5s", "comment": "x"}, "comment", "?updateMask=comment"),
    patch({"ipv4": "192.0.2.4"}, "ipv4"),
    patch(MX, "host,type,mailExchange"),
    patch(
        {"mailExchange": {"preference": 7}},
        "mailExchange.preference",
        name=f"{LIST}/apex-mx1",
    ),
    patch({"ipv4": None}, "ipv4"),
    patch({"type": "AAAA"}, "type"),
    verify("apex-mx1"),
    verify("apex-mx1", nameservers=["ns2.example.net."]),
    verify("www-1"),
    verify("www-1", nameservers=["x"]),
    verify("none"),
    delete(WWW),
    delete(WWW),
    Same("POST", "/hello", "SayHello", {"Name": "Ada"}, {"Name": "Ada"}),
    Same("GET", "/hello/Ada", "SayHello", {"Name": "Ada"}),
]


async def rest(client: RestClient, same: Same) -> tuple[int, Any]:
    answer = await client.send(same.method, same.path, same.body)
    return answer.status, answer.json()


async def rpc(client: RpcClient, same: Same) -> tuple[int, Any]:
    service = "HelloWorldHandler" if same.rpc == "SayHello" else SERVICE
    try:
        document = await client.unary(service, same.rpc, same.request)
    except RpcError as error:
        return HTTP_STATUS[error.status["code"]], error.status
    return 200, document.get(same.response_body, []) if same.response_body else document


async def test_each_request_has_the_same_answer_from_both_sides(
    legacy: RestClient, dns: RpcClient
) -> None:
    """One after another over both stores, so that changes meet earlier changes too."""
    for same in SAME:
        assert await rest(legacy, same) == await rpc(dns, same), same


async def test_serial_comes_with_every_answer(legacy: RestClient, dns: RpcClient) -> None:
    for method, path, name, request in (
        ("GET", f"/v4/zones/{ZONE}", "GetZone", {"zone": ZONE}),
        ("DELETE", f"/v4/{WWW}", "DeleteRecord", {"name": WWW}),
    ):
        answer = await legacy.send(method, path)
        _, trailers = await dns.with_trailers(SERVICE, name, request)
        assert answer.headers["x-zone-serial"] == trailers["x-zone-serial"]
    assert trailers["x-zone-serial"] == str(2**53 + 2)


async def test_export_is_the_same_from_both_sides(legacy: RestClient, dns: RpcClient) -> None:
    answer = await legacy.send("GET", "/v4/zones/large.example:export")
    streamed = await collect(dns.stream(SERVICE, "ExportZone", {"zone": "large.example"}))
    assert answer.json() == streamed
    assert len(streamed) == 5_000


async def test_export_by_type_is_the_same_from_both_sides(
    legacy: RestClient, dns: RpcClient
) -> None:
    answer = await legacy.send("GET", f"/v4/zones/{ZONE}:export?types=MX&types=TXT")
    request = {"zone": ZONE, "types": ["MX", "TXT"]}
    assert answer.json() == await collect(dns.stream(SERVICE, "ExportZone", request))
    assert len(answer.json()) == 3


async def test_zone_file_is_the_same_from_both_sides(legacy: RestClient, dns: RpcClient) -> None:
    answer = await legacy.send("GET", f"/v4/zones/{ZONE}/file")
    document = await dns.unary(SERVICE, "GetZoneFile", {"zone": ZONE})
    assert document["contentType"] == answer.headers["content-type"] == "text/dns"
    assert base64_of(answer.body) == document["data"]


@pytest.mark.parametrize("text", [b"a IN A 192.0.2.1\n", b"a IN A nowhere\n", b"\xff"])
async def test_import_is_the_same_from_both_sides(
    legacy: RestClient, dns: RpcClient, text: bytes
) -> None:
    path = f"/v4/zones/{ZONE}/file"
    request = {"zone": ZONE, "file": {"contentType": "text/dns", "data": base64_of(text)}}
    for query, extra in (("?validateOnly=true", {"validateOnly": True}), ("", {})):
        same = Same("POST", path + query, "ImportZoneFile", {**request, **extra}, text)
        assert await rest(legacy, same) == await rpc(dns, same)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
