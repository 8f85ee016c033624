"""Samples of the tests' API, with routes that have a mirror, and the legs to mirror them with."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Document
from proxy.comparison.requests import RequestComparator
from proxy.cutover.mirror import Depth, MirrorOptions
from proxy.cutover.stages import Side
from proxy.gate.redaction import Redactor
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.shadow.carried import Carrier
from proxy.shadow.legs import Legs
from proxy.shadow.marks import Mark
from proxy.shadow.sample import Sample
from proxy.transcoding.protojson import Codecs, JsonOptions
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.upstreams import Upstream
from proxy.upstreams.grpc import GrpcUpstream
from proxy.upstreams.options import GrpcOptions
from proxy.upstreams.rest import RestUpstream
from tests.fakes import Handler
from tests.live.edge import load
from tests.live.wire import LegacyScript, legacy_of
from tests.upstreams.servers import grpc_server

MARK = Mark("x-shadow", "s3cret")
JSON = (("content-type", "application/json"),)
EVERY = MirrorOptions(Depth.RPC, 10_000, timeout_s=20.0)


def http_answer(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """A legacy host's answer, byte for byte."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *fields]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def binding_of(
    http_method: str,
    path: str,
    mirror: MirrorOptions = EVERY,
    compare: CompareOptions | None = None,
    *,
    unknown: str = "reject",
    **route: Any,
) -> tuple[Snapshot, RouteBinding]:
    """The binding of a request in an API whose routes have *mirror*; *route* are more facts."""
    snapshot = await load()
    found = snapshot.table.find(http_method, path).binding
    assert found is not None
    compare = compare or CompareOptions(max_messages=mirror.max_messages)
    return snapshot, mirrored(snapshot, found, mirror, compare, unknown, route)


def mirrored(
    snapshot: Snapshot,
    found: RouteBinding,
    mirror: MirrorOptions,
    compare: CompareOptions,
    unknown: Any,
    route: Mapping[str, Any],
    codecs: Codecs | None = None,
) -> RouteBinding:
    rule = found.binding
    codecs = codecs or Codecs(snapshot.pool, JsonOptions(unknown_fields=unknown))
    request = RequestBuilder.compile(rule, codecs, RequestOptions(unknown_parameters=unknown))
    answer, field = rule.method.output_type, rule.response_body
    streams = rule.cardinality.response_streams
    return replace(
        found,
        route=replace(found.route, mirror=mirror, **route),
        request=request,
        comparator=Comparator.compile(answer, field, compare, streams=streams),
        requests=RequestComparator.compile(request, codecs, compare.rules),
        redactor=Redactor.compile(answer, field, rule.method.input_type),
    )


def sample_of(
    snapshot: Snapshot,
    binding: RouteBinding,
    http_method: str = "GET",
    target: str = "/v1/items/a",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    answer: Document | None = None,
    **facts: Any,
) -> Sample:
    path, _, query = target.partition("?")
    found = snapshot.table.find(http_method, path)
    given = CIMultiDict({"Host": "api.test", **(headers or {})})
    known: dict[str, Any] = {
        "peer": "192.0.2.1",
        "client": "192.0.2.1",
        "scheme": "http",
        "key": "a client",
        "primary": Side.LEGACY,
        "primary_s": 0.25,
        "at_s": 1_700_000_000.0,
    }
    return Sample(
        binding,
        found.captures,
        http_method,
        target,
        query,
        CIMultiDictProxy(given),
        body,
        answer=answer or Document(200, JSON, b"{}"),
        **(known | facts),
    )


@asynccontextmanager
async def legs_of(
    snapshot: Snapshot,
    handlers: Mapping[str, Handler] | None = None,
    script: LegacyScript | None = None,
    *,
    target: str | None = None,
    url: str | None = None,
    version_metadata: Mapping[str, str] | None = None,
) -> AsyncIterator[Legs]:
    """Legs over real servers: *handlers* behind gRPC, *script* as the legacy host."""
    async with (
        grpc_server(handlers or {}) as port,
        legacy_of(script or LegacyScript()) as legacy,
        GrpcUpstream(target or f"127.0.0.1:{port}", GrpcOptions(retry=None)) as grpc,
        RestUpstream(url or legacy.url) as rest,
    ):
        yield made_legs(snapshot, {"items": grpc}, rest, version_metadata)


def made_legs(
    snapshot: Snapshot,
    upstreams: Mapping[str, Upstream],
    legacy: RestUpstream | None,
    version_metadata: Mapping[str, str] | None = None,
) -> Legs:
    carrier = Carrier(
        MARK, withheld="x-cutover-override", trusted_hops=0, random_bytes=Random(1).randbytes
    )
    return Legs(
        upstreams,
        legacy,
        carrier,
        version_metadata=version_metadata or {},
        clock=lambda: 0.0,
    )
