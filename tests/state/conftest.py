from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.state.directory import StateDirectory
from tests.fakes import FakeClock

#: A time that people can read in a test: 2026-11-23 12:00:00 UTC.
NOON_S = 1_795_435_200.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON_S)


@pytest.fixture
def state(tmp_path: Path, clock: FakeClock) -> Iterator[StateDirectory]:
    with StateDirectory(tmp_path / "state", clock=clock, lock_timeout_s=0.05) as opened:
        yield opened
