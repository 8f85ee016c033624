"""Both proxies, started once for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.differential.envoy import missing
from tests.differential.stand import Stand, started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stand() -> AsyncIterator[Stand]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    async with started() as both:
        yield both
