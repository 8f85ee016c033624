"""The control of a process for tests: over a real state directory, which goes with it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from proxy.cutover.pins import SET_BYTES, Pins
from proxy.exchange.control import Control
from proxy.exchange.steering import Steering
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from proxy.telemetry.metrics import Metrics


@contextmanager
def control_of(
    snapshot: Snapshot,
    *,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
    state: StateDirectory | None = None,
) -> Iterator[Control]:
    """A control that goes by *snapshot*; its directory is a temporary one unless *state* is."""
    with state or StateDirectory.temporary(wall_clock) as directory:
        pins = Pins(memoryview(bytearray(64 * SET_BYTES)))
        control = Control(directory, pins, metrics or Metrics(), clock)
        control.adopt(snapshot)
        yield control


@contextmanager
def steering_of(
    snapshot: Snapshot, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Steering]:
    """The steering of *snapshot* where nothing was moved."""
    with control_of(snapshot, clock=clock) as control:
        yield Steering(snapshot, control, clock)
