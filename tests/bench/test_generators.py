"""Both generators do the same to the same server, and write it down alike."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.figures import Unavailable
from bench.stand.generators import go_generator, python_generator
from bench.stand.processes import Cores
from bench.stand.traffic import DripKind, Kind, failed, of_kind

READ = Kind("read", "GET", "/records/{id}", headers={"x-user": "u-{id}"}, weight=3)
WRITE = Kind("write", "POST", "/{id}", '{"id": "{id}"}')
ALONE = Kind("alone", "GET", "/records/{id}", close=True)


@pytest.fixture(params=["python", "go"])
def generator(request, tmp_path):
    cores = Cores.everywhere().load
    if request.param == "python":
        return python_generator(cores, tmp_path)
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain")
    return go_generator(cores, tmp_path)


class Host:
    """An HTTP host that answers everything with the same bytes, and may then hang up."""

    def __init__(self, answer: bytes, *, hangs_up: bool) -> None:
        self._answer = answer
        self._hangs_up = hangs_up
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.connections = 0
        self.address = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
                self.bodies.append((await reader.readexactly(int(length or 0))).decode())
                writer.write(self._answer)
                if self._hangs_up:
                    return
        except (OSError, EOFError):
            pass
        finally:
            writer.close()


@contextmanager
def host_of(answer: bytes, *, hangs_up: bool = False) -> Iterator[Host]:
    """The host in a thread of its own; it ends with the context."""
    host, loop = Host(answer, hangs_up=hangs_up), asyncio.new_event_loop()
    started, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with await asyncio.start_server(host.talk, "127.0.0.1", 0) as server:
            host.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            started.set()
            await over.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield host
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


PLAIN = b"HTTP/1.1 200 OK\r\nX-Cutover-Side: grpc\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
REFUSAL = b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n"


def test_every_request_has_an_id_and_a_record(generator):
    pace = {"rate": 200.0, "duration_s": 0.5}
    with host_of(PLAIN) as host, generator.load(host.address, [READ, WRITE], **pace) as load:
        records = load.wait()
    assert 50 <= len(records) <= 101
    assert failed(records) == []
    assert {record.side for record in records} == {"grpc"}
    assert len({record.id for record in records}) == len(records)
    for record in records:
        assert load.begun_us <= record.due_us <= record.sent_us <= record.done_us
    asked = {head.split(" ")[1].rpartition("/")[2]: head for head in host.heads}
    assert asked.keys() == {record.id for record in records}
    for record in of_kind(records, "read"):
        assert f"x-request-id: {record.id}\r\n" in asked[record.id]
        assert f"x-user: u-{record.id}\r\n" in asked[record.id]
    written = {f'{{"id": "{record.id}"}}' for record in of_kind(records, "write")}
    assert set(host.bodies) - {""} == written


def test_a_load_says_when_it_begins(generator):
    pace = {"rate": 50.0, "duration_s": 0.2}
    with host_of(PLAIN) as host, generator.load(host.address, [READ], **pace) as load:
        records = load.wait()
    assert load.begun_us <= min(record.due_us for record in records)


def test_a_closed_loop_keeps_as_many_on_their_way_as_it_has_connections(generator):
    with host_of(PLAIN) as host:
        with generator.load(host.address, [READ], connections=3, duration_s=0.3) as load:
            records = load.wait()
        assert host.connections == 3
    assert len(records) > 3
    assert failed(records) == []


def test_a_load_without_an_end_ends_when_it_is_told(generator):
    with host_of(PLAIN) as host, generator.load(host.address, [READ], rate=100.0) as load:
        while len(host.heads) < 5:
            pass
        assert len(load.finish()) >= 5


def test_a_connection_that_is_not_used_for_a_while_is_not_used_again(generator):
    with host_of(PLAIN) as host:
        pace = {"rate": 5.0, "duration_s": 1.0, "idle_s": 0.05}
        with generator.load(host.address, [READ], **pace) as load:
            records = load.wait()
        assert host.connections == len(records) > 2
    assert failed(records) == []


def test_connections_of_their_own_are_used_once(generator):
    with host_of(PLAIN) as host:
        with generator.load(host.address, [ALONE], rate=100.0, duration_s=0.3) as load:
            records = load.wait()
        assert host.connections == len(records)
    assert len({record.port for record in records}) == len(records)
    assert all("Connection: close\r\n" in head for head in host.heads)


def test_bodies_have_the_same_digest_in_one_piece_or_in_chunks(generator):
    digests = set()
    pace = {"connections": 1, "duration_s": 0.1}
    for answer in (PLAIN, CHUNKED):
        with host_of(answer) as host, generator.load(host.address, [READ], **pace) as load:
            digests |= {record.digest for record in load.wait()}
    assert digests == {0x79DCDD47}


@pytest.mark.parametrize("answer", [b"", HALF, b"nonsense\r\n\r\n"])
def test_a_request_that_is_lost_is_told_and_never_sent_again(generator, answer):
    with host_of(answer, hangs_up=True) as host:
        with generator.load(host.address, [READ], rate=50.0, duration_s=0.2) as load:
            records = load.wait()
        assert len(host.heads) == len(records)
    assert failed(records) == records
    assert all(record.problem for record in records)


def test_a_refusal_is_an_answer_with_its_hint(generator):
    pace = {"rate": 50.0, "duration_s": 0.2}
    with host_of(REFUSAL) as host, generator.load(host.address, [READ], **pace) as load:
        records = load.wait()
    assert {(record.status, record.retry_after, record.problem) for record in records} == {
        (503, True, "")
    }


def test_nobody_there_is_told_for_each_request(generator):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with generator.load(address, [READ], rate=50.0, duration_s=0.2) as load:
            records = load.wait()
    assert records
    assert all(record.problem.startswith("connect: ") for record in records)
    assert {record.sent_us for record in records} == {0}


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_was_said(generator):
    with host_of(b"") as host:
        options = {"rate": 20.0, "duration_s": 0.2, "timeout_s": 0.3}
        with generator.load(host.address, [READ], **options) as load:
            records = load.wait()
    assert {record.problem for record in records} == {"no answer in time"}


@pytest.mark.parametrize(("ending", "how", "status"), [("", "kept", 0), ("\r\n\r\n", "cut", 408)])
def test_slow_connections_drip_until_they_are_cut(generator, ending, how, status):
    drips = [DripKind("header", f"GET / HTTP/1.1\r\nX: {ending}", "a", 3)]
    max_s = 0.3 if how == "kept" else 20.0
    with host_of(TOO_SLOW, hangs_up=True) as host:
        pace = {"every_s": 0.05, "max_s": max_s, "open_per_s": 100.0}
        with generator.drip(host.address, drips, **pace) as load:
            seen = load.wait_drip()
    assert [(drip.how, drip.status) for drip in seen] == [(how, status)] * 3


def test_without_a_toolchain_the_go_generator_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="needs a Go toolchain"):
        go_generator((0,), tmp_path)
