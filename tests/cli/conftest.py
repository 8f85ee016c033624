import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.routing.snapshot import Snapshot
from tests.admin.stand import guarded_snapshot
from tests.cli.operating import Shell, shell_of


@pytest.fixture(scope="session")
def guarded() -> Snapshot:
    """With a token and routes to move."""
    return asyncio.run(guarded_snapshot())


@pytest.fixture
async def shell(guarded: Snapshot, tmp_path: Path) -> AsyncIterator[Shell]:
    async with shell_of(guarded, tmp_path) as made:
        yield made
