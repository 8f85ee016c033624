"""The connection to a PostgreSQL server: what breaks it, and that it is found again."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.evidence import EvidenceError, PostgresStore
from tests.evidence.observations import EPOCH, seen, write
from tests.evidence.postgres import BINARIES, PostgresServer


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One that may be killed."""
    if BINARIES is None:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    server = PostgresServer()
    try:
        yield server
    finally:
        server.remove()


def test_a_server_that_dies_is_an_error_and_found_again_when_it_is_back(server: PostgresServer):
    store = PostgresStore(server.url)
    with pytest.raises(EvidenceError, match="cannot be kept"):
        write(store, seen())
    server.start()
    write(store, seen())
    server.kill()
    for _ in range(2):
        with pytest.raises(EvidenceError, match="cannot be kept"):
            write(store, seen())
    server.start()
    write(store, seen())
    read = store.read(EPOCH.route)
    assert read is not None
    assert read.requests == 2
    server.kill()
    store.close()
    store.close()


def test_a_url_that_is_none_is_an_error_without_its_password():
    store = PostgresStore("postgresql://kim:hunter2@127.0.0.1:1/evidence")
    with pytest.raises(EvidenceError) as refused:
        store.read(EPOCH.route)
    assert "hunter2" not in f"{refused.value} {store!r}"
    store.close()


def test_without_the_extra_it_says_which_one_is_missing():
    program = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "from proxy.evidence import EvidenceError, PostgresStore\n"
        "store = PostgresStore('postgresql://nobody@127.0.0.1:1/x')\n"
        "try: store.read('r')\n"
        "except EvidenceError as error: print(error)\n"
        "store.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "install grpc-cutover[postgres]" in done.stdout


def test_nobody_pays_for_the_driver_who_does_not_use_it():
    program = "import sys, proxy.evidence; print('asyncpg' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
