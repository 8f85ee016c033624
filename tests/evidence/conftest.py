import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from proxy.evidence import EvidenceLimits, EvidenceStore, PostgresStore, SqliteStore
from tests.evidence.observations import NOON_S
from tests.evidence.postgres import BINARIES, PostgresServer
from tests.fakes import FakeClock

#: Makes another store of one and the same evidence, as another process would.
Open = Callable[..., EvidenceStore]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if BINARIES is None:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A place of its own for each test."""
    name = f"test_{next(_numbers)}"

    async def make() -> None:
        connection = await asyncpg.connect(postgres.url)
        await connection.execute(f"CREATE SCHEMA {name}")
        await connection.close()

    asyncio.run(make())
    return f"{postgres.url}&search_path={name}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON_S)


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Open]:
    opened: list[EvidenceStore] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    def make(limits: EvidenceLimits | None = None, **options: Any) -> EvidenceStore:
        options = {"clock": clock, "random": Random(7), **options}
        if url:
            opened.append(PostgresStore(url, limits, **options))
        else:
            opened.append(SqliteStore(tmp_path / "evidence.db", limits, **options))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> EvidenceStore:
    return open_store()
