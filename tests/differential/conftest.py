"""Both proxies, started once for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.differential.envoy import missing
from tests.differential.stand import Stand, started, started_alone


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stand() -> AsyncIterator[Stand]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    async with started() as both:
        yield both


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def alone() -> AsyncIterator[Stand]:
    """Our proxy alone, for what peers did when they were recorded."""
    async with started_alone() as ours:
        yield ours
