"""Snapshots that go out of service: freed, frozen or not, a hundred of them too."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from google.protobuf.message import Message

from proxy.cli.composition import load_snapshot
from proxy.cli.heap import MAX_UNSWEPT, Heap
from proxy.cli.reloading import Result
from proxy.cli.service import Service
from proxy.routing.snapshot import Snapshot
from proxy.transcoding.descriptors import message_class
from tests.cli.versions import Mount, compiled


class Ring:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.me: Self = self


def message_class_of(snapshot: Snapshot) -> type[Message]:
    return message_class(snapshot.bindings[0].binding.method.input_type)


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_was_dropped_is_collected_after_a_few_drops():
    heap, ring = Heap(), weakref.ref(Ring())
    for _ in range(MAX_UNSWEPT - 1):
        heap.dropped()
    assert ring() is not None
    heap.dropped()
    assert ring() is None
    assert gc.get_freeze_count() == 0


def test_what_was_frozen_is_collected_too_and_the_rest_frozen_again():
    heap, kept = Heap(), Ring()
    ring = weakref.ref(Ring())
    gc.freeze()
    frozen = gc.get_freeze_count()
    later = Ring()
    heap.taken()
    assert gc.get_freeze_count() > frozen
    heap.sweep()
    assert ring() is None
    assert gc.get_freeze_count() > 0
    assert kept.me is kept
    assert later.me is later


def test_a_heap_that_was_never_frozen_stays_so():
    Heap().taken()
    assert gc.get_freeze_count() == 0


async def test_a_hundred_reloads_leave_no_more_than_a_few_snapshots(tmp_path: Path):
    """With the very first one among those that go, which a process freezes when it starts."""
    mount = Mount(tmp_path, "127.0.0.1:1", poll="off", legacy="http://127.0.0.1:1")
    mount.put("v1", stage="legacy")
    files = mount.files()
    # A descriptor set instead of the protos: protoc costs more than all the rest of a reload.
    (tmp_path / "items.binpb").write_bytes(compiled(files.pop("items.proto")))
    config = files["cutover.yaml"].replace("proto_path: ..data", "descriptor_set: ../items.binpb")
    mount.write({"cutover.yaml": config})
    first = await load_snapshot(mount.folder, {})
    snapshots, classes = [weakref.ref(first.table)], [weakref.ref(message_class_of(first))]
    async with Service(first, mount.folder, len, environ={}) as service:
        del first
        gc.freeze()
        for number in range(100):
            mount.write({"cutover.yaml": f"{config}drain: {{wait: 0s, timeout: {number}ms}}\n"})
            assert (await service.reload()).result is Result.APPLIED
            snapshots.append(weakref.ref(service.snapshot.table))
            classes.append(weakref.ref(message_class_of(service.snapshot)))
        assert sum(ref() is not None for ref in snapshots) <= MAX_UNSWEPT + 1
        Heap().sweep()
        assert sum(ref() is not None for ref in snapshots) == 1
        assert sum(ref() is not None for ref in classes) == 1
