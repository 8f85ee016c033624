"""Snapshots of the API made for tests, loaded once a session; `conftest.py` files import them."""

import asyncio

import pytest

from proxy.routing.snapshot import Snapshot
from tests.live.edge import load


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    """With a legacy side."""
    return asyncio.run(load())


@pytest.fixture(scope="session")
def lone_snapshot() -> Snapshot:
    """Without one."""
    return asyncio.run(load(legacy=False))
