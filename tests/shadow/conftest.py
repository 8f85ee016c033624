import asyncio
from collections.abc import Iterator

import pytest

from proxy.routing.snapshot import Snapshot
from tests.shadow.stand import Pools, mirrored


@pytest.fixture
def pools() -> Iterator[Pools]:
    """Makes pools; when the test ends, each is held to the equations."""
    made = Pools()
    yield made
    made.assert_balance()


@pytest.fixture(scope="session")
def shadowed() -> Snapshot:
    """Reads, writes and streams in stage shadow, all of them mirrored."""
    return asyncio.run(mirrored())
