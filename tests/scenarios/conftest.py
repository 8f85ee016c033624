"""The bench's stand in small: the same processes and faults, a few times instead of a hundred."""

from pathlib import Path

import pytest

from bench.faults.ground import Ground

#: Requests per second, and connections: so few that a busy machine is never taken for an overload.
RATE = 40.0
CONNECTIONS = 12


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.short(tmp_path, rate=RATE, connections=CONNECTIONS)
