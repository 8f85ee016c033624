"""Mirrors of requests that ask for a form: both sides' answers are compared in that form."""

import pytest

from proxy.comparison.documents import Document
from proxy.routing.table import RouteBinding
from proxy.shadow.answers import Answered
from tests.live.edge import answers, item, load, method
from tests.shadow.samples import JSON, legs_of, sample_of
from tests.shadow.test_legs import ask_grpc

ROUTES = (
    "- {rpc: edge.v1.Items.%s, dialect: google, mirror: {percent: 100, depth: rpc}, "
    "safety: safe, safety_reason: it only looks}\n"
)


@pytest.mark.parametrize(
    ("name", "target", "legacy"),
    [
        ("Check", "/v1/items/a:check?$alt=json;enum-encoding=int", b'{"id":"a","kind":1}'),
        ("Check", "/v1/items/a:check?$alt=json", b'{"id":"a","kind":"BOX"}'),
        ("Watch", "/v1/items/a:watch?$alt=json;enum-encoding=int", b'[{"id":"a","kind":1}]'),
        ("Watch", "/v1/items/a:watch?alt=sse", b'data: {"id":"a","kind":"BOX"}\n\n'),
    ],
)
async def test_the_mirror_answers_in_the_form_that_was_asked_for(
    name: str, target: str, legacy: bytes
):
    snapshot = await load(more=ROUTES % name)
    http_method = "GET" if name == "Watch" else "POST"
    path, _, query = target.partition("?")
    binding = snapshot.table.find(http_method, path, query).as_asked(query).binding
    assert isinstance(binding, RouteBinding)
    assert binding.comparator is not None
    sample = sample_of(snapshot, binding, http_method, target, answer=Document(200, JSON, legacy))
    handlers = {method(name): answers(item(id="a", kind="BOX"))}
    async with legs_of(snapshot, handlers) as legs:
        answered = await ask_grpc(legs, sample)
    assert isinstance(answered, Answered)
    assert answered.document.body == legacy
