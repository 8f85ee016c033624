"""Shapes in a snapshot: which routes share what is compiled, and what a helper process gets."""

from typing import Any

import orjson
import pytest

from proxy.children import HEADER_BYTES
from proxy.config.load import load_config
from proxy.config.source import SourceText
from proxy.errors import UpstreamError
from proxy.routing.snapshot import Snapshot, build_snapshot
from proxy.routing.table import RouteBinding
from proxy.shadow.helper_frames import (
    BuildJob,
    Built,
    RenderDefinition,
    Rendered,
    RenderJob,
    Request,
    build_definition_of,
    read_reply,
    read_request,
    render_definition_of,
    request_frame,
)
from proxy.shadow.helper_process import Worker
from proxy.shape.codecs import ShapedCodecs
from proxy.shape.options import ShapeOptions
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.protojson import Codecs
from tests.shape.corpus_pairs import TODAY, Served, schema, served, snapshot_of
from tests.shape.shop import CONFIG, message_type

PROFILE: dict[str, Any] = {
    "names": "snake",
    "forms": {"int64": "number", "timestamp": "%F %T.%9f"},
    "fields": {"Order.ship_to": {"flatten": "to_"}},
    "answer": {"body": {"page": "{@page}", "data": "{}"}},
}
MESSAGE = {"id": "a", "revision": "7", "createTime": "1970-01-01T00:00:01Z", "shipTo": {}}


def snapshot(*routes: dict[str, Any], profile: dict[str, Any] | None = None) -> Snapshot:
    profiles = orjson.dumps({} if profile is None else {"old": profile}).decode()
    return snapshot_of(f"profiles: {profiles}\nroutes: {orjson.dumps(routes).decode()}\n")


def route(rpc: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {"rpc": f"shop.v1.Shop.{rpc}", "shape": shape}


def binding_of(found: Snapshot, rpc: str) -> RouteBinding:
    return next(each for each in found.bindings if each.route.rpc == f"shop.v1.Shop.{rpc}")


def shaped_tables(found: Snapshot) -> list[ShapedCodecs]:
    every = (tables.codecs for tables in found.compiled.tables.values())
    return [codecs for codecs in every if isinstance(codecs, ShapedCodecs)]


def test_routes_that_differ_in_their_envelopes_share_what_is_generated() -> None:
    shapes = ({}, {"answer": {"body": {"x": 1, "d": "{}"}}}, {"names": "kebab"})
    rpcs = ("GetOrder", "CreateOrder", "ListOrders")
    routes = [route(rpc, {"profile": "old", **own}) for rpc, own in zip(rpcs, shapes, strict=True)]
    found = snapshot(*routes, profile={"names": "snake"})
    programs = {id(each._shared.program) for each in shaped_tables(found)}
    assert len(programs) == 2, "snake and kebab"
    assert len(shaped_tables(found)) == 3


def test_routes_without_a_shape_have_the_plain_codecs() -> None:
    found = snapshot(route("GetOrder", {"names": "snake"}))
    kinds = [type(tables.codecs) for tables in found.compiled.tables.values()]
    assert sorted(kind.__name__ for kind in kinds) == ["Codecs", "ShapedCodecs"]
    assert binding_of(found, "ListOrders").response.shape is None
    assert Codecs(schema().descriptors.pool).shape is None


def test_codecs_that_differ_in_more_than_envelopes_are_not_one() -> None:
    codecs = shaped_tables(snapshot(route("GetOrder", {"names": "snake"})))[0]
    with pytest.raises(ValueError, match="more than their envelopes"):
        codecs.enclosing(ShapeOptions(names="kebab"))
    assert repr(codecs).startswith("<ShapedCodecs")


def test_options_travel() -> None:
    renderer = answering().binding.response
    definition = travelled(render_definition_of(renderer, 1))
    assert isinstance(definition, RenderDefinition)
    assert definition.shape == renderer.shape
    assert hash(definition.shape) == hash(renderer.shape)


def travelled(request: Request) -> Request:
    """What the helper reads of what it is told."""
    return read_request(request_frame(request)[HEADER_BYTES:])


#: `{@status}` needs no paging.
PAGED = {"answer": {"body": {"status": "{@status}", "data": "{}"}}}


def answering(rpc: str = "GetOrder") -> Served:
    return served(orjson.dumps(route(rpc, PROFILE | PAGED)).decode(), "{}")


def test_a_message_without_a_json_form_has_none_in_an_envelope_either() -> None:
    found = served(orjson.dumps(route("GetKinds", PAGED)).decode(), "{}")
    kinds = message_class(message_type("Kinds"))()
    kinds.value.SetInParent()
    with pytest.raises(UpstreamError, match="Kinds has no JSON form: a Value holds nothing"):
        found.binding.response.render(kinds.SerializeToString())


def test_a_helper_writes_answers_as_clients_get_them() -> None:
    found, worker = answering(), Worker()
    wire = found.answer(MESSAGE).SerializeToString()
    renderer, values = found.binding.response, {"@status": 200}
    assert renderer.asks == {"@status"}
    worker.take(travelled(render_definition_of(renderer, 1)))
    reply = worker.take(travelled(RenderJob(5, 1, wire, values)))
    assert reply is not None
    number, rendered = read_reply(reply[HEADER_BYTES:])
    assert (number, rendered) == (5, Rendered(renderer.render(wire, values).body))
    assert orjson.loads(renderer.render(wire, values).body) == {
        "status": 200,
        "data": {"id": "a", "revision": 7, "create_time": "1970-01-01 00:00:01.000000000"},
    }


def test_a_helper_reads_requests_as_the_proxy_does() -> None:
    found, worker = answering("CreateOrder"), Worker()
    body = b'{"id": "a", "revision": 7, "to_street": "s"}'
    builder = found.binding.request
    message = builder.build((), "", body, "application/json").message
    worker.take(travelled(build_definition_of(builder, 1)))
    reply = worker.take(BuildJob(2, 1, (), "", body, "application/json"))
    assert reply is not None
    built = read_reply(reply[HEADER_BYTES:])[1]
    assert isinstance(built, Built)
    assert built.wire == message.SerializePartialToString()


def test_another_snapshot_takes_over_what_is_the_same() -> None:
    def load(shape: str, before: Snapshot | None) -> Snapshot:
        text = f"{CONFIG}routes:\n- rpc: shop.v1.Shop.GetOrder\n  shape: {shape}\n"
        files = [SourceText("cutover.yaml", text)]
        return build_snapshot(load_config(files, {}, TODAY), schema(), before)

    first = load("{names: snake}", None)
    same, other = load("{names: snake}", first), load("{names: kebab}", first)
    assert binding_of(same, "GetOrder") is binding_of(first, "GetOrder")
    assert binding_of(other, "GetOrder") is not binding_of(first, "GetOrder")
    assert binding_of(other, "ListOrders") is binding_of(first, "ListOrders")
