"""Bad input of every kind on mapped routes: one clear error with the field, and no call.

The table goes over real sockets; the random part asks the exchange itself, which is faster and
has the same code behind it.
"""

import asyncio
import json

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.routing.snapshot import Snapshot
from tests.live.edge import HANDLERS, edge_of, load, method
from tests.live.wire import client_of, request


def body(**fields) -> bytes:
    return json.dumps(fields).encode()


def nested(depth: int) -> bytes:
    return b'{"inner":' * depth + b"{}" + b"}" * depth


def nested_list(depth: int) -> bytes:
    return b'{"extra":{"a":' + b"[" * depth + b"]" * depth + b"}}"


POST = ("POST", "/v1/items")
PATCH = ("PATCH", "/v1/items/7")
CHECK = ("POST", "/v1/items/7:check")
GET = "/v1/items/7"

#: What is sent, and the status and field of its refusal; the field "" where there is none.
BODIES = {
    "no JSON": (POST, b"nonsense", 400, None),
    "cut off": (POST, b'{"shelf": "s"', 400, None),
    "more behind": (POST, b"{} {}", 400, None),
    "trailing comma": (POST, b'{"shelf": "s",}', 400, None),
    "single quotes": (POST, b"{'shelf': 's'}", 400, None),
    "comment": (POST, b"{} // x", 400, None),
    "BOM": (POST, b"\xef\xbb\xbf{}", 400, None),
    "UTF-16": (POST, '{"shelf": "s"}'.encode("utf-16"), 400, None),
    "bad UTF-8": (POST, b'{"shelf": "\xff"}', 400, None),
    "cut UTF-8": (POST, b'{"shelf": "\xe2\x82"}', 400, None),
    "lone surrogate": (POST, b'{"shelf": "\\ud800"}', 400, None),
    "NUL byte": (POST, b'{"shelf": "\0"}', 400, None),
    "NaN": (POST, b'{"ratio": NaN}', 400, None),
    "duplicate key": (POST, b'{"shelf": "a", "shelf": "b"}', 400, None),
    "one field in two spellings": (CHECK, b'{"pageSize": 1, "small": 1, "small": 2}', 400, None),
    "array for a message": (POST, b"[]", 400, None),
    "text for a message": (POST, b'"x"', 400, None),
    "number for a text": (POST, body(shelf=1), 400, "item.shelf"),
    "object for a text": (POST, body(shelf={}), 400, "item.shelf"),
    "text for a list": (POST, body(labels="a"), 400, "item.labels"),
    "null in a list": (POST, body(labels=[None]), 400, "item.labels[0]"),
    "number in a list of texts": (POST, body(labels=["a", 1]), 400, "item.labels[1]"),
    "list for a map": (POST, body(tags=[]), 400, "item.tags"),
    "null in a map": (POST, body(tags={"k": None}), 400, None),
    "text that is no number": (POST, body(small="x"), 400, "item.small"),
    "fraction": (POST, body(small=1.5), 400, "item.small"),
    "int32 overflow": (POST, body(small=2**31), 400, "item.small"),
    "int64 overflow": (POST, body(big=str(2**63)), 400, "item.big"),
    "int64 overflow as a number": (POST, body(big=10**30), 400, "item.big"),
    "negative unsigned": (POST, body(count=-1), 400, "item.count"),
    "huge exponent": (POST, b'{"big": 1e400}', 400, "item.big"),
    "5,000 digits": (POST, b'{"big": ' + b"9" * 5000 + b"}", 400, None),
    "text for a bool": (POST, body(open="true"), 400, "item.open"),
    "number for a bool": (POST, body(open=1), 400, "item.open"),
    "bool for an enum": (POST, body(kind=True), 400, "item.kind"),
    "enum overflow": (POST, body(kind=2**31), 400, "item.kind"),
    "no base64": (POST, body(blob="%%"), 400, "item.blob"),
    "no time": (POST, body(made="yesterday"), 400, "item.made"),
    "year 10000": (POST, body(made="10000-01-01T00:00:00Z"), 400, "item.made"),
    "two members of a oneof": (POST, body(shelf="a", room=1), 400, None),
    "deep in a list": (POST, body(parts=[{}, {"inner": {"small": "x"}}]), 400, "item.parts"),
    "101 levels": (POST, nested(101), 400, None),
    "1,000 levels": (POST, nested(1000)[:8000], 400, None),
    "4,000 levels of lists": (POST, nested_list(3900), 400, None),
    "too large": (POST, b" " * 8193, 413, None),
    "path and body differ": (PATCH, body(id="8"), 400, "item.id"),
    "path and whole body differ": (CHECK, body(id="8"), 400, "id"),
    "body where none is taken": (("GET", GET), b"{}", 400, None),
    "body of a delete": (("DELETE", GET), b"{}", 400, None),
}

FIELD_TYPES = {
    "text": ("Content-Type: text/plain", 415),
    "form": ("Content-Type: application/x-www-form-urlencoded", 415),
    "XML": ("Content-Type: application/xml", 415),
    "Latin-1": ("Content-Type: application/json; charset=latin-1", 415),
    "nonsense": ("Content-Type: ;;;", 415),
}

TARGETS = {
    "unknown enum": ("?kind=CRATE", "kind"),
    "no number": ("?page_size=x", "page_size"),
    "empty number": ("?pageSize=", "page_size"),
    "overflow": ("?pageSize=2147483648", "page_size"),
    "fraction": ("?pageSize=1.5", "page_size"),
    "twice": ("?pageSize=1&page_size=2", "page_size"),
    "twice the same way": ("?pageSize=1&pageSize=1", "page_size"),
    "path overruled": ("?id=8", "id"),
    "message": ("?like=x", "like"),
    "repeated message": ("?like.parts=x", "like.parts"),
    "inside a repeated message": ("?like.parts.id=x", "like.parts"),
    "two members of a oneof": ("?like.shelf=a&like.room=1", None),
    "map without a key": ("?tags=x", "tags"),
    "bad escape": ("?labels=%zz", None),
    "bad escape in a name": ("?%zz=1", None),
    "bad UTF-8": ("?labels=%ff", None),
    "overlong UTF-8": ("?labels=%c0%80", None),
    "surrogate": ("?labels=%ed%a0%80", None),
    "NUL": ("?labels=%00", None),
    "too many": ("?" + "&".join(f"a{n}" for n in range(1001)), None),
    "no bool": ("?like.open=perhaps", "like.open"),
    "no base64": ("?like.blob=%25", "like.blob"),
    "no time": ("?like.made=now", "like.made"),
}


def _checked(reply, status: int, field: str | None) -> None:
    assert reply.status == status, reply.body
    assert reply["content-type"] == "application/json"
    error = reply.json()
    assert error["code"] == (8 if status == 413 else 3)
    assert len(error["message"]) > 10
    assert "Traceback" not in error["message"]
    if field is not None:
        (detail,) = error["details"]
        assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
        assert detail["fieldViolations"][0]["field"].startswith(field)


@pytest.mark.parametrize(("target", "sent", "status", "field"), BODIES.values(), ids=BODIES)
async def test_a_bad_body_is_refused_with_its_field(
    snapshot: Snapshot, target: tuple[str, str], sent: bytes, status: int, field: str | None
):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        _checked(await client.ask(request(*target, body=sent)), status, field)
        assert edge.upstream.calls == []
        (line,) = edge.lines()
        assert (line["status"], line["side"]) == (status, "proxy")


@pytest.mark.parametrize(("header", "status"), FIELD_TYPES.values(), ids=FIELD_TYPES)
async def test_a_body_of_another_type_is_refused(snapshot: Snapshot, header: str, status: int):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        _checked(await client.ask(request(*POST, header, body=b"{}")), status, None)
        assert edge.upstream.calls == []


@pytest.mark.parametrize(("query", "field"), TARGETS.values(), ids=TARGETS)
async def test_a_bad_query_is_refused_with_its_field(
    snapshot: Snapshot, query: str, field: str | None
):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        _checked(await client.ask(request("GET", GET + query)), 400, field)
        assert edge.upstream.calls == []


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (POST, b""),
        (POST, b"{}"),
        (POST, b" {} \n"),
        (POST, body(small="1.0", big=1e3, count="1e2", kind=99, blob="_-8", shelf=None)),
        (POST, nested(97)),
        (POST, body(tags={f"k{n}": "" for n in range(500)})),
        (PATCH, body(id="7")),
        (("GET", GET + "?$alt=json%3Benum-encoding%3Dint&%24prettyPrint=true&key=k"), b""),
    ],
)
async def test_what_only_looks_bad_is_served(
    snapshot: Snapshot, target: tuple[str, str], sent: bytes
):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        reply = await client.ask(request(*target, body=sent))
        assert reply.status == 200, reply.body
        assert len(edge.upstream.calls) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/merge-patch+json",
        "application/vnd.x+json",
    ],
)
async def test_json_has_many_names(snapshot: Snapshot, content_type: str):
    async with edge_of(snapshot) as edge, client_of(edge.url) as client:
        sent = request(*POST, f"Content-Type: {content_type}", body=b"{}")
        assert (await client.ask(sent)).status == 200


async def test_unknown_fields_are_named_in_the_log_or_refused():
    rejecting = "- {rpc: edge.v1.Items.Delete, unknown_fields: reject}"
    async with edge_of(await load(legacy=False, more=rejecting)) as edge:
        warned = await edge.ask("POST", "/v1/items?odd=1", body=b'{"even": 2}')
        refused = await edge.ask("DELETE", "/v1/items/7?odd=1")
    assert (warned.status, refused.status) == (200, 400)
    assert set(warned.outcome.unknown_fields) == {"item.even", "odd"}


async def test_unknown_names_of_enum_values_go_the_way_of_unknown_fields():
    rejecting = "- {rpc: edge.v1.Items.Check, unknown_fields: reject}"
    async with edge_of(await load(legacy=False, more=rejecting)) as edge:
        warned = await edge.ask(*POST, body=b'{"kind": "CRATE"}')
        refused = await edge.ask(*CHECK, body=b'{"kind": "CRATE"}')
    assert (warned.status, refused.status) == (200, 400)
    assert warned.outcome.unknown_fields == ("item.kind",)
    assert refused.json()["details"][0]["fieldViolations"][0]["field"] == "kind"


async def test_the_number_of_keys_and_parameters_has_a_limit():
    few = await load(legacy=False, more="limits: {max_object_keys: 3, max_query_parameters: 3}")
    async with edge_of(few) as edge:
        for count, status in ((3, 200), (4, 400)):
            tags = {f"k{n}": "" for n in range(count)}
            query = "&".join(f"labels={n}" for n in range(count))
            assert (await edge.ask(*POST, body=body(tags=tags))).status == status
            assert (await edge.ask("GET", f"{GET}?{query}")).status == status


# --- random input


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "Accept",
                "Accept-Encoding",
                "Authorization",
                "Content-Type",
                "Grpc-Metadata-X",
                "Grpc-Metadata-X-Bin",
                "Grpc-Timeout",
                "traceparent",
                "X-Forwarded-For",
            ]
        ),
        # What a header can hold on the wire: bytes that are no UTF-8 come as surrogates.
        st.binary(max_size=40).map(
            lambda raw: raw.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape")
        ),
    ),
    max_size=3,
)
RAW = st.binary(max_size=60).map(
    lambda raw: raw.translate(None, b"\r\n\0 #?").decode("utf-8", "surrogateescape")
)
SEGMENTS = st.one_of(RAW, st.sampled_from(["7", "%zz", "%2F", "..", "", "7:check", "7:watch"]))
PATHS = st.one_of(
    SEGMENTS.map(lambda last: f"/v1/items/{last}"),
    SEGMENTS.map(lambda last: f"/v1/shelves/{last}/items/{last}"),
    SEGMENTS.map(lambda last: f"/v1/files/{last}"),
    RAW.map(lambda path: f"/{path}"),
    st.just("/v1/items"),
)
NAMES = st.sampled_from(
    ["id", "page_size", "kind", "labels", "like", "like.shelf", "like.extra", "tags[a]", "$alt", ""]
)
QUERIES = st.one_of(
    RAW,
    st.lists(st.tuples(NAMES, RAW), max_size=4).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
    ),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.sampled_from(["BAG", "1e3", "2020-01-01T00:00:00Z", "AQI="]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["id", "small", "big", "kind", "blob", "labels", "tags", "made", "extra"]
                ),
                st.sampled_from(["inner", "parts", "shelf", "room", "ratio", "open", "@type"]),
                st.text(max_size=5),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)
RAW_BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
)
METHODS = st.sampled_from(
    ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "PURGE", "get", ""]
)


@given(http_method=METHODS, path=PATHS, query=QUERIES, headers=HEADERS, sent=RAW_BODIES)
@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_input_is_a_fault_of_ours(
    lone_snapshot: Snapshot, http_method: str, path: str, query: str, headers, sent: bytes
):
    """Whatever a client sends is answered below 500, but for what says that it is not served."""

    async def ask() -> None:
        handlers = {**HANDLERS, method("Watch"): HANDLERS[method("Get")]}
        async with edge_of(lone_snapshot, handlers) as edge:
            target = f"{path}?{query}" if query else path
            answer = await edge.ask(http_method, target, tuple(headers), sent)
            assert answer.status < 500
            assert all("\r" not in value for _, value in answer.headers)

    with structlog.testing.capture_logs() as logged:
        asyncio.run(ask())
    assert logged == []
