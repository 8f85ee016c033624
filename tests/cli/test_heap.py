"""What goes out of service is freed: by its counts where it can be, else by the collector."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from google.protobuf.message import Message

from proxy.cli.composition import load_snapshot
from proxy.cli.heap import SWEEP_AFTER_S, Heap
from proxy.cli.reloading import Result
from proxy.cli.service import Service
from proxy.routing.snapshot import Snapshot
from proxy.transcoding.descriptors import message_class
from tests.cli.versions import Mount, compiled
from tests.waiting import until


class Ring:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me: Self = self


class Timers:
    """`call_later` of an event loop whose time does not go on."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], object]]] = []

    def call_later(self, delay_s: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        self.due.append((delay_s, call))
        return asyncio.TimerHandle(delay_s, call, (), asyncio.get_running_loop())


def message_class_of(snapshot: Snapshot) -> type[Message]:
    return message_class(snapshot.bindings[0].binding.method.input_type)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Nothing is freed that its counts, or the code under test, does not free."""
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


async def test_several_that_were_dropped_are_collected_together_a_moment_later():
    timers, ring = Timers(), weakref.ref(Ring())
    heap = Heap(timers.call_later)
    heap.dropped()
    heap.dropped()
    assert ring() is not None
    ((delay_s, sweep),) = timers.due
    assert delay_s == SWEEP_AFTER_S
    assert repr(heap) == "<Heap to be swept>"
    sweep()
    assert ring() is None
    assert repr(heap) == "<Heap>"
    heap.dropped()
    assert len(timers.due) == 2


async def test_what_was_frozen_is_not_looked_at():
    timers, ring = Timers(), weakref.ref(Ring())
    heap = Heap(timers.call_later)
    gc.freeze()
    heap.dropped()
    timers.due[0][1]()
    assert ring() is not None


async def test_nothing_is_collected_after_the_end():
    loop = asyncio.get_running_loop()
    handles: list[asyncio.TimerHandle] = []

    def call_later(delay_s: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        handles.append(loop.call_later(delay_s, call))
        return handles[-1]

    heap = Heap(call_later)
    heap.stop()
    heap.dropped()
    heap.stop()
    heap.stop()
    assert [handle.cancelled() for handle in handles] == [True]


@asynccontextmanager
async def reloading(place: Path) -> AsyncIterator[tuple[Mount, Service]]:
    """A service that reads a descriptor set: protoc costs more than all the rest of a reload."""
    mount = Mount(place, "127.0.0.1:1", poll="off", legacy="http://127.0.0.1:1")
    put(mount, place)
    snapshot = await load_snapshot(mount.folder, {})
    async with Service(snapshot, mount.folder, len, environ={}) as service:
        del snapshot
        gc.freeze()
        yield mount, service


def put(mount: Mount, place: Path, *, version: str = "v1", timeout: str = "1s") -> None:
    """Put a version of the descriptors in place, and a change of the configuration."""
    mount.put(version, stage="legacy")
    files = mount.files()
    (place / "items.binpb").write_bytes(compiled(files["items.proto"]))
    config = files["cutover.yaml"].replace("proto_path: ..data", "descriptor_set: ../items.binpb")
    mount.write({"cutover.yaml": f"{config}drain: {{wait: 0s, timeout: {timeout}}}\n"})


async def reload(service: Service) -> None:
    assert (await service.reload()).result is Result.APPLIED


def alive(references: Iterable[weakref.ref[Any]]) -> int:
    return sum(reference() is not None for reference in references)


async def test_what_changed_options_replace_needs_no_collector(tmp_path: Path):
    async with reloading(tmp_path) as (mount, service):
        tables, schemas = [], []
        for number in range(20):
            tables.append(weakref.ref(service.snapshot.config.settings))
            schemas.append(weakref.ref(message_class_of(service.snapshot)))
            put(mount, tmp_path, timeout=f"{number}ms")
            await reload(service)
        await until(lambda: alive(tables) == 0)
        assert len({reference() for reference in schemas}) == 1


async def test_schemas_that_were_replaced_are_collected(tmp_path: Path):
    """All but the first, which was frozen with the process."""
    async with reloading(tmp_path) as (mount, service):
        classes = []
        for version in ("v2", "v3", "v4", "v5"):
            classes.append(weakref.ref(message_class_of(service.snapshot)))
            put(mount, tmp_path, version=version)
            await reload(service)
        await until(lambda: alive(classes) == 1)
        assert classes[0]() is not None
        assert gc.get_freeze_count() > 0
