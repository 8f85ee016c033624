"""Which side answers, over the real edge: one side, and everything that tells of it agrees."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cutover.breaker import BreakerState
from proxy.cutover.bucket import bucket
from proxy.cutover.moves import Action
from proxy.cutover.stages import Side, Stage
from proxy.exchange.explanation import Inquiry, explain
from proxy.exchange.steering import Steering
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.status import Code
from tests.exchange.steered import (
    INSIDE,
    OUTSIDE,
    ROUTES,
    SECRET,
    Steered,
    steered,
    steered_snapshot,
)
from tests.fakes import FakeClock, Served
from tests.live.control import control_of
from tests.live.edge import HANDLERS, fails, load, message, method
from tests.live.wire import LegacyScript, client_of, request
from tests.waiting import until

ITEM = b'{"id": "1"}'
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return asyncio.run(steered_snapshot())


@pytest.fixture
async def stand(snapshot: Snapshot) -> AsyncIterator[Steered]:
    async with steered(snapshot) as made:
        yield made


# --- the decision

OVERRIDES = {
    "": None,
    f"X-Cutover-Override: grpc {SECRET}": "grpc override",
    f"X-Cutover-Override: legacy {SECRET}": "legacy override",
    f"X-Cutover-Override: grpc {SECRET[:-1]}": None,
    "X-Cutover-Override: grpc": None,
    f"X-Cutover-Override: proxy {SECRET}": None,
}
#: Callers, and what they get of a route in canary.
CALLERS = {
    ("X-User: " + INSIDE, "X-Tenant: foe", "X-Canary: always"): "legacy deny",
    ("X-User: " + OUTSIDE, "X-Canary: always"): "grpc match",
    ("X-User: " + OUTSIDE, "X-Tenant: friend"): "grpc allow",
    ("X-User: " + INSIDE,): "grpc bucket",
    ("X-User: " + OUTSIDE,): "legacy bucket",
    (): "legacy missing_key",
}
STAGES = {
    Stage.LEGACY: "legacy stage",
    Stage.SHADOW: "legacy stage",
    Stage.CANARY: None,
    Stage.GRPC: "grpc stage",
}


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("stage", [*Stage, None])
async def test_in_every_combination_one_side_answers_and_all_tell_the_same(
    snapshot: Snapshot, stage: Stage | None, killed: bool
):
    """A stage of None is a rollback."""
    async with steered(snapshot) as stand:
        if stage is None:
            await stand.move(Action.ROLLBACK, "list-items")
        elif stage is not Stage.CANARY:
            await stand.move(Action.STAGE, "list-items", stage=stage)
        if killed:
            await stand.move(Action.KILL, on=True)
        for (override, forced), (caller, canary) in itertools.product(
            OVERRIDES.items(), CALLERS.items()
        ):
            fields = [field for field in (override, *caller) if field]
            told = await stand.side("GET", "/v1/items", *fields)
            usual = "legacy rollback" if stage is None else STAGES[stage] or canary
            assert told == ("legacy kill_switch" if killed else forced or usual), fields
            assert told == _explained(stand, fields)
        _check_counts(stand)


def _explained(stand: Steered, fields: list[str]) -> str:
    pairs = [(name, value.strip()) for name, _, value in (f.partition(":") for f in fields)]
    headers = CIMultiDictProxy(CIMultiDict(pairs))
    inquiry = Inquiry("GET", "/v1/items", headers, b"", "127.0.0.1")
    overrides = stand.edge.control.overrides
    decision = explain(stand.edge.snapshot, inquiry, overrides, time.time()).decision
    return f"{decision.side.value} {decision.reason.value}"


def _check_counts(stand: Steered) -> None:
    """The metrics have the requests of the log, by side and reason."""
    lines = stand.edge.lines()
    for side, reason in {(line["side"], line["reason"]) for line in lines}:
        logged = sum((line["side"], line["reason"]) == (side, reason) for line in lines)
        labels = (f'side="{side}"', f'reason="{reason}"', 'route="list-items"')
        assert stand.total("cutover_requests_total", *labels) == logged


async def test_a_decision_by_bucket_is_logged_with_its_numbers(stand: Steered):
    _, line = await stand.ask("GET", "/v1/items", f"X-User: {INSIDE}")
    assert line["percent"] == 25
    assert line["bucket"] < 2500


async def test_what_is_not_mapped_goes_to_legacy_killed_or_not(stand: Steered):
    assert await stand.side("GET", "/nothing") == "legacy unmapped"
    await stand.move(Action.KILL, on=True)
    assert await stand.side("GET", "/nothing") == "legacy kill_switch"


async def test_without_a_legacy_host_a_kill_switch_made_by_hand_changes_nothing(
    lone_snapshot: Snapshot, tmp_path: Path
):
    state = StateDirectory(tmp_path / "state")
    (state.path / "kill").touch()
    async with steered(lone_snapshot, state=state) as stand:
        assert stand.edge.control.killed
        _, line = await stand.ask("GET", "/v1/items/1")
    assert (line["side"], line["reason"]) == ("grpc", "stage")


async def test_a_header_moves_nobody_to_a_side_that_the_route_does_not_have(
    snapshot: Snapshot, lone_snapshot: Snapshot
):
    """An RPC that takes a stream is not served by gRPC; without a legacy host nothing is by it."""
    async with steered(snapshot) as stand:
        told = await stand.side(
            "POST", "/v1/upload", f"X-Cutover-Override: grpc {SECRET}", body=ITEM
        )
        assert told == "legacy stage"
    lone = await load(
        legacy=False, more='override: {secret: "${SECRET}"}', environ={"SECRET": SECRET}
    )
    async with steered(lone) as stand:
        _, line = await stand.ask("GET", "/v1/items/1", f"X-Cutover-Override: legacy {SECRET}")
        assert (line["side"], line["reason"]) == ("grpc", "stage")


async def test_a_move_counts_for_the_next_request_on_a_kept_connection(stand: Steered):
    async with client_of(stand.edge.url) as client:
        for stage, side in ((Stage.LEGACY, "legacy"), (Stage.GRPC, "grpc")) * 3:
            await stand.move(Action.STAGE, "list-items", stage=stage)
            reply = await client.ask(request("GET", "/v1/items"))
            assert reply["x-cutover-side"] == side


# --- the override header stays here


@pytest.mark.parametrize(
    "name", ["X-Cutover-Override", "x-cutover-override", "Grpc-Metadata-X-Cutover-Override"]
)
@pytest.mark.parametrize("side", ["legacy", "grpc"])
async def test_neither_side_nor_the_log_sees_the_secret(
    snapshot: Snapshot, lone_snapshot: Snapshot, name: str, side: str
):
    """Not even where no override is configured, as before a reload that brings one."""
    for served in (snapshot, await load()):
        async with steered(served) as stand:
            await stand.move(Action.STAGE, "get-item", stage=Stage(side))
            _, line = await stand.ask(
                "GET", "/v1/items/1", f"{name}: {side} {SECRET}", f"{name}: grpc wrong"
            )
            assert line["side"] == side
            metadata = [pair for call in stand.edge.upstream.calls for pair in call.metadata]
            heads = b"".join(heard.head for heard in stand.legacy.heard)
            assert SECRET not in f"{metadata}{heads!r}{stand.edge.lines()}"
            assert "override" not in f"{metadata}{heads!r}".lower()


# --- breaker


async def test_a_breaker_turns_to_legacy_whom_nobody_forced():
    """With a server that is not there: nothing was sent, so legacy answers from the first on."""
    kept = await steered_snapshot(
        ROUTES.replace("name: list-items,", "name: list-items, rollback: off,")
    )
    async with steered(kept) as stand:
        stand.edge.upstream.is_down = True
        for _ in range(5):
            reply, line = await stand.ask("GET", "/v1/items", f"X-User: {INSIDE}")
            assert (reply.status, line["reason"]) == (200, "fallback")
        assert stand.edge.control.breaker_of("list-items") is BreakerState.OPEN
        assert await stand.side("GET", "/v1/items", f"X-User: {INSIDE}") == "legacy breaker"
        for forced in (
            "X-Canary: always",
            "X-Tenant: friend",
            f"X-Cutover-Override: grpc {SECRET}",
        ):
            _, line = await stand.ask("GET", "/v1/items", f"X-User: {INSIDE}", forced)
            assert line["reason"] == "fallback"
        assert await stand.side("GET", "/v1/items", f"X-User: {OUTSIDE}") == "legacy bucket"


# --- rollback by the guard

CANARY = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: canary, breaker: off, fallback: off,
   canary: {percent: 25, group: shop, sticky: [{header: x-user}]}}
"""


async def test_a_server_that_fails_at_25_percent_costs_five_requests_and_the_route(
    tmp_path: Path,
):
    failing = await load(more=CANARY)
    state = StateDirectory(tmp_path / "state")
    handlers = {**HANDLERS, method("List"): fails(Code.INTERNAL, "no")}
    async with steered(failing, handlers, state=state) as stand:
        statuses = []
        for number in range(400):
            _, line = await stand.ask("GET", "/v1/items", f"X-User: {number}")
            statuses.append(line["status"])
            if line["reason"] == "rollback":
                break
        assert line["side"] == "legacy"
        assert 1 <= statuses.count(500) <= 5
        assert statuses.count(200) == len(statuses) - statuses.count(500)
        await stand.edge.control.settle()
        (entry,) = state.read_audit(10)
        assert (entry.who, entry.action, entry.route) == ("system", "rollback", "list-items")
        assert f"{statuses.count(500)} of" in entry.why
        assert stand.total("cutover_rollback_total", 'trigger="error_rate"') == 1
        stand.edge.control.adopt(failing)
        assert await stand.side("GET", "/v1/items", "X-User: 1") == "legacy rollback"
    async with steered(failing, state=StateDirectory(tmp_path / "state")) as stand:
        assert await stand.side("GET", "/v1/items", "X-User: 1") == "legacy rollback"
        await stand.move(Action.RESUME, "list-items")
        _, line = await stand.ask("GET", "/v1/items", "X-User: 1")
        assert line["reason"] == "bucket"


async def test_two_sides_that_fail_alike_are_no_reason_to_go_back():
    failing = await load(more=CANARY)
    handlers = {**HANDLERS, method("List"): fails(Code.INTERNAL, "no")}
    script = LegacyScript(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno")
    async with steered(failing, handlers, script=script) as stand:
        for number in range(200):
            _, line = await stand.ask("GET", "/v1/items", f"X-User: {number}")
            assert line["reason"] == "bucket"
        assert stand.edge.control.overrides.revision == 0


DISGUISED = f"""{CANARY.rstrip().removesuffix("}")},
   shape: {{errors: {{status: {{names: {{INTERNAL: 200, CANCELLED: 503}}}}}}}}}}
"""


@pytest.mark.parametrize(
    ("code", "status", "counted"), [(Code.INTERNAL, 200, (1, 1)), (Code.CANCELLED, 503, (0, 0))]
)
async def test_a_failure_counts_whatever_status_its_route_makes_of_it(
    code: Code, status: int, counted: tuple[int, int]
):
    """An old host may have said 200 of errors, and a client that left may be told anything."""
    disguised = await load(more=DISGUISED)
    handlers = {**HANDLERS, method("List"): fails(code, "no")}
    async with steered(disguised, handlers) as stand:
        _, line = await stand.ask("GET", "/v1/items", f"X-User: {INSIDE}")
        assert (line["status"], line["grpc_code"]) == (status, code.name)
        options = next(each.guard for each in disguised.routes if each.name == "list-items")
        assert options is not None
        counts = stand.edge.control.guard_of("list-items", options).counts
        assert (counts.grpc.requests, counts.grpc.errors) == counted


STREAM = """\
- {rpc: edge.v1.Items.Watch, name: watch, stage: canary, breaker: off, fallback: off,
   canary: {percent: 25, group: shop, sticky: [{header: x-user}]}}
"""


async def test_a_stream_that_breaks_off_is_a_failure_on_either_side():
    """Both have sent a status of 200 by then."""
    streaming = await load(more=STREAM)
    one = message("Item", id="1")
    handlers = {**HANDLERS, method("Watch"): fails(Code.INTERNAL, "no", one)}
    script = LegacyScript(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n[1\r\n"
    )
    async with steered(streaming, handlers, script=script) as stand:
        options = next(each.guard for each in streaming.routes if each.name == "watch")
        assert options is not None
        for key in (INSIDE, OUTSIDE):
            async with client_of(stand.edge.url) as client:
                client.write(request("GET", "/v1/items/1:watch", f"X-User: {key}", "Accept: */*"))
                await client.rest()
        guard = stand.edge.control.guard_of("watch", options)
        await until(lambda: len(stand.edge.lines()) == 2)
        counts = guard.counts
        assert (counts.grpc.requests, counts.grpc.errors) == (1, 1)
        assert (counts.legacy.requests, counts.legacy.errors) == (1, 1)


# --- pins


async def test_whoever_wrote_reads_on_the_same_side_though_the_share_rises(stand: Steered):
    user = f"X-User: {OUTSIDE}"
    assert await stand.side("POST", "/v1/items", user, body=ITEM) == "legacy bucket"
    for route in ("list-items", "create-item"):
        await stand.move(Action.PERCENT, route, basis_points=10_000)
    assert await stand.side("GET", "/v1/items", user) == "legacy pin"
    assert await stand.side("POST", "/v1/items", user, body=ITEM) == "legacy pin"
    assert await stand.side("GET", "/v1/items", "X-User: another") == "grpc bucket"


async def test_a_write_on_grpc_keeps_its_client_there_when_the_share_falls(stand: Steered):
    user = f"X-User: {INSIDE}"
    assert await stand.side("POST", "/v1/items", user, body=ITEM) == "grpc bucket"
    for route in ("list-items", "create-item"):
        await stand.move(Action.PERCENT, route, basis_points=0)
    assert await stand.side("GET", "/v1/items", user) == "grpc pin"


async def test_reads_and_refused_writes_pin_nobody(snapshot: Snapshot):
    async with steered(snapshot, script=LegacyScript(BAD_REQUEST)) as stand:
        user = f"X-User: {OUTSIDE}"
        assert await stand.side("GET", "/v1/items", user) == "legacy bucket"
        assert await stand.side("POST", "/v1/items", user, body=ITEM) == "legacy bucket"
        await stand.ask("POST", "/v1/items", body=ITEM)
        await stand.move(Action.PERCENT, "list-items", basis_points=10_000)
        assert await stand.side("GET", "/v1/items", user) == "grpc bucket"


async def test_the_pin_is_there_before_the_client_can_read_the_answer(snapshot: Snapshot):
    """The answer is not sent yet when the exchange gives it: another process may be asked next."""
    async with steered(snapshot) as stand:
        await stand.edge.ask("POST", "/v1/items", {"x-user": OUTSIDE}, ITEM)
        await stand.move(Action.PERCENT, "list-items", basis_points=10_000)
        assert await stand.side("GET", "/v1/items", f"X-User: {OUTSIDE}") == "legacy pin"


async def test_a_write_whose_client_left_pins_it_all_the_same(snapshot: Snapshot):
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await go_on.wait()
        yield b""

    async with steered(snapshot, {**HANDLERS, method("Create"): slow}) as stand:
        async with client_of(stand.edge.url) as client:
            client.write(request("POST", "/v1/items", f"X-User: {INSIDE}", body=ITEM))
            await began.wait()
        await until(lambda: bool(stand.edge.lines()))
        go_on.set()
        await stand.move(Action.PERCENT, "list-items", basis_points=0)
        assert await stand.side("GET", "/v1/items", f"X-User: {INSIDE}") == "grpc pin"


async def test_a_pin_ends(snapshot: Snapshot):
    clock = FakeClock(100.0)
    async with steered(snapshot) as stand:
        with control_of(snapshot, clock=clock) as control:
            steering = Steering(snapshot, control, clock)
            control.pins.pin("shop", OUTSIDE, Side.GRPC, clock(), 30.0)
            for seconds, reason in ((0.0, "pin"), (32.0, "bucket")):
                clock.advance(seconds)
                asked = stand.edge.request("GET", "/v1/items", {"x-user": OUTSIDE}, b"")
                route = next(each for each in snapshot.routes if each.name == "list-items")
                outcome = stand.edge.observer.started()
                assert steering.decide(route, asked, outcome).reason == reason
        assert "version=" in repr(steering)


async def test_a_write_that_was_sent_is_not_judged_by_the_client_who_left(snapshot: Snapshot):
    async def forever(_: Served) -> AsyncIterator[bytes]:
        began.set()
        await asyncio.Event().wait()
        yield b""

    began = asyncio.Event()
    async with steered(snapshot, {**HANDLERS, method("List"): forever}) as stand:
        async with client_of(stand.edge.url) as client:
            client.write(request("GET", "/v1/items", f"X-User: {INSIDE}"))
            await began.wait()
        await until(lambda: bool(stand.edge.lines()))
        options = next(each.guard for each in snapshot.routes if each.name == "list-items")
        assert options is not None
        counts = stand.edge.control.guard_of("list-items", options).counts
        assert (counts.grpc.requests, counts.grpc.errors) == (0, 0)


async def test_a_client_that_gives_no_time_is_no_failure_of_the_server(snapshot: Snapshot):
    async def slow(_: Served) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async with steered(snapshot, {**HANDLERS, method("List"): slow}) as stand:
        fields = (f"X-User: {INSIDE}", "Grpc-Timeout: 1m")
        for _ in range(6):
            reply, _ = await stand.ask("GET", "/v1/items", *fields)
            assert reply.status == 504
        assert stand.edge.control.breaker_of("list-items") is BreakerState.CLOSED
        assert stand.edge.control.e_value_of("list-items") == 1.0


BY_CLIENT = """\
- {rpc: edge.v1.Items.List, name: list-items, stage: canary,
   canary: {percent: 25, group: shop, sticky: [{client: true}]}}
forwarding: {trusted_hops: 1}
"""


async def test_a_client_is_known_by_the_address_that_trusted_hops_tell():
    """And by nothing that it says itself, further to the left."""
    by_client = await load(more=BY_CLIENT)
    inside, outside = (
        next(f"192.0.2.{n}" for n in range(256) if (bucket("shop", f"192.0.2.{n}") < 2500) is it)
        for it in (True, False)
    )
    async with steered(by_client) as stand:
        for address, told in ((inside, "grpc bucket"), (outside, "legacy bucket")):
            field = f"X-Forwarded-For: 203.0.113.9, {address}"
            assert await stand.side("GET", "/v1/items", field) == told
