import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.routing.snapshot import Snapshot
from tests.admin.stand import Stand, guarded_snapshot, stand_of
from tests.live.edge_fixtures import snapshot

__all__ = ["snapshot"]


@pytest.fixture(scope="session")
def guarded() -> Snapshot:
    """With a token and routes to move."""
    return asyncio.run(guarded_snapshot())


@pytest.fixture
async def stand(guarded: Snapshot) -> AsyncIterator[Stand]:
    async with stand_of(guarded) as made:
        yield made
