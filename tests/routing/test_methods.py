"""What a second call would do, read off the proto; what entries say against it."""

from pathlib import Path

import pytest

from proxy.cutover.fallback import FallbackReason, Safety
from proxy.errors import ConfigError
from proxy.routing.table import Route
from tests.routing.test_snapshot import rpc, shop

LEGACY = "upstreams: {shop: {target: '127.0.0.1:1', plaintext: true}, legacy: {url: 'http://a'}}"


def one(name: str, *rules: str, options: str = "") -> str:
    first, *others = rules
    more = "".join(f" additional_bindings {{{rule}}}" for rule in others)
    text = rpc(name, first + more)
    return text if not options else text.replace("{ option", f"{{ {options} option", 1)


async def route(place: Path, *rules: str, options: str = "", entry: str = "") -> Route:
    more = f"routes: [{{rpc: shop.v1.Shop.A{entry}}}]\n"
    snapshot = await shop(place, one("A", *rules, options=options), more=more, upstreams=LEGACY)
    return snapshot.routes[0]


async def problems(place: Path, *rules: str, entry: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        await route(place, *rules, entry=entry)
    return [str(problem).partition("routes[0].")[2] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("rules", "safety"),
    [
        (['get: "/a"'], Safety.SAFE),
        (['get: "/a"', 'custom {kind: "HEAD" path: "/a"}'], Safety.SAFE),
        (['put: "/a"'], Safety.IDEMPOTENT),
        (['delete: "/a"', 'get: "/a"'], Safety.IDEMPOTENT),
        (['patch: "/a"', 'put: "/a"'], Safety.UNSAFE),
        (['post: "/a"', 'get: "/a"'], Safety.UNSAFE),
        (['custom {kind: "PURGE" path: "/a"}'], Safety.UNSAFE),
        (['custom {kind: "*" path: "/a"}'], Safety.UNSAFE),
    ],
)
async def test_http_methods_promise_the_least_of_all_bindings(
    tmp_path: Path, rules: list[str], safety: Safety
) -> None:
    assert (await route(tmp_path, *rules)).safety is safety


@pytest.mark.parametrize(
    ("level", "safety"), [("NO_SIDE_EFFECTS", Safety.SAFE), ("IDEMPOTENT", Safety.IDEMPOTENT)]
)
async def test_the_proto_goes_before_the_http_methods(
    tmp_path: Path, level: str, safety: Safety
) -> None:
    found = await route(tmp_path, 'post: "/a"', options=f"option idempotency_level = {level};")
    assert (found.safety, found.idempotent) == (safety, True)


@pytest.mark.parametrize(
    ("rules", "idempotent"),
    [
        (['get: "/a"'], True),
        (['post: "/a"', 'get: "/a"'], False),  # the write would be sent twice
        (['delete: "/a"'], False),  # the second says that there is nothing to delete
    ],
)
async def test_what_an_http_method_makes_unsafe_is_not_sent_again(
    tmp_path: Path, rules: list[str], idempotent: bool
) -> None:
    assert (await route(tmp_path, *rules)).idempotent is idempotent


async def test_an_entry_goes_before_the_proto_and_decides_about_retries(tmp_path: Path) -> None:
    found = await route(tmp_path, 'get: "/a"', entry=", safety: unsafe")
    assert (found.safety, found.idempotent) == (Safety.UNSAFE, False)


async def test_a_post_can_be_safe_for_a_reason(tmp_path: Path) -> None:
    entry = ", safety: safe, safety_reason: a search"
    found = await route(tmp_path, 'post: "/a"', entry=entry)
    assert (found.safety, found.idempotent) == (Safety.SAFE, True)


async def test_a_post_cannot_be_safe_without_a_reason(tmp_path: Path) -> None:
    assert await problems(tmp_path, 'post: "/a"', entry=", safety: safe") == [
        "safety: must have safety_reason beside it: its HTTP methods say otherwise"
    ]


@pytest.mark.parametrize("rule", ['post: "/a"', 'put: "/a"'])
async def test_an_entry_cannot_send_a_write_again_that_may_have_run(
    tmp_path: Path, rule: str
) -> None:
    entry = ", fallback: {on: [not_ready, unavailable, translate_error, unimplemented]}"
    assert await problems(tmp_path, rule, entry=entry) == [
        "fallback.on[1]: unavailable needs a route whose safety is safe",
        "fallback.on[3]: unimplemented needs a route whose safety is safe",
    ]


async def test_an_entry_can_send_a_read_again(tmp_path: Path) -> None:
    found = await route(tmp_path, 'get: "/a"', entry=", fallback: {on: [unavailable]}")
    assert found.fallback_on == {FallbackReason.UNAVAILABLE}


async def test_of_what_defaults_name_a_write_takes_what_is_for_it(tmp_path: Path) -> None:
    snapshot = await shop(
        tmp_path,
        one("A", 'post: "/a"'),
        one("B", 'get: "/a"'),
        upstreams=LEGACY,
        more="defaults: {fallback: {on: [not_ready, unavailable], max_ratio: 0.5}}\n",
    )
    write, read = snapshot.routes
    assert write.fallback_on == {FallbackReason.NOT_READY}
    assert read.fallback_on == {FallbackReason.NOT_READY, FallbackReason.UNAVAILABLE}
    assert {route.fallback_max_ratio for route in snapshot.routes} == {0.5}


async def test_requests_that_stream_stay_on_the_legacy_side(tmp_path: Path) -> None:
    streaming = one("A", 'post: "/a" body: "*"').replace("A(Order)", "A(stream Order)")
    stage = "routes: [{{rpc: shop.v1.Shop.A, stage: {}}}]\n"
    (tmp_path / "kept").mkdir()
    kept = await shop(tmp_path / "kept", streaming, more=stage.format("legacy"), upstreams=LEGACY)
    plan = kept.plans["shop-a"]
    assert (plan.has_legacy, plan.has_grpc) == (True, False)
    with pytest.raises(ConfigError, match=r"routes\[0\]\.stage: must stay legacy"):
        await shop(tmp_path, streaming, more=stage.format("grpc"), upstreams=LEGACY)
