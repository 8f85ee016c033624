"""What the reliability bench stands on, beside the generators: name server, folders, bad server."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.query
import grpc
import pytest

from bench import reliability
from bench.faults import api
from bench.faults.verdicts import Line, none
from bench.figures import Broken
from bench.stand.dns import name_server
from bench.stand.ledger import read_ledger
from bench.stand.misbehaving import FLOOD_BYTES, GOAWAY_EVERY, RESET, RESET_EVERY
from bench.stand.processes import Cores, Process
from bench.stand.service import FILE, ConfigMap

GET = f"/{api.GET.rpartition('.')[0]}/GetRecord"


# --- names


def addresses(port: int, kind: str = "A") -> list[str]:
    query = dns.message.make_query("records.test", kind)
    answer = dns.query.udp(query, "127.0.0.1", port=port, timeout=10.0)
    return [record.to_text() for found in answer.answer for record in found]


def test_the_name_server_says_what_its_table_says_at_the_moment():
    with name_server(["127.0.0.1"]) as server:
        assert addresses(server.port) == ["127.0.0.1"]
        server.addresses = ["127.0.0.2", "127.0.0.3"]
        assert sorted(addresses(server.port)) == ["127.0.0.2", "127.0.0.3"]
        assert addresses(server.port, "AAAA") == []
        server.addresses = []
        assert addresses(server.port) == []


# --- folders


def test_a_config_map_is_swapped_by_a_link_and_edited_in_its_place(tmp_path: Path):
    mounted = ConfigMap(tmp_path / "mounted", {"version": 1})
    file = mounted.mappings / FILE
    assert json.loads(file.read_text()) == {"version": 1}
    first = file.resolve()
    mounted.swap({"version": 2})
    assert json.loads(file.read_text()) == {"version": 2}
    assert json.loads(first.read_text()) == {"version": 1}
    second = file.resolve()
    mounted.edit({"version": 3})
    assert json.loads(file.read_text()) == {"version": 3}
    assert file.resolve() == second != first


# --- the server that misbehaves


@contextmanager
def misbehaving(
    folder: Path, behaviour: str, options: Sequence[tuple[str, int]] = ()
) -> Iterator[tuple[grpc.Channel, Path]]:
    _, messages = api.describe(folder)
    manifest, ledger = folder / "manifest.json", folder / "ledger"
    manifest.write_text(api.answers(messages, "here").manifest())
    command = [sys.executable, "-m", "bench.stand.misbehaving", "-manifest", str(manifest)]
    command += ["-ledger", str(ledger), "-behaviour", behaviour]
    cores, log = Cores.everywhere().load, folder / "log"
    with Process("misbehaving", command, cores=cores, log=log, announces=True) as process:
        target = f"127.0.0.1:{process.announcement()['grpc']}"
        with grpc.insecure_channel(
            target, options=[("grpc.enable_retries", 0), *options]
        ) as channel:
            yield channel, ledger


def outcomes(channel: grpc.Channel, calls: int) -> list[grpc.StatusCode]:
    """The status of each of some calls, one after the other, with ids in that order."""
    ask = channel.unary_unary(GET)
    codes = []
    for number in range(calls):
        metadata = [("x-request-id", f"c-{number}")]
        try:
            assert b"here" in ask(b"", metadata=metadata, timeout=20.0, wait_for_ready=True)
            codes.append(grpc.StatusCode.OK)
        except grpc.RpcError as error:
            codes.append(error.code())
    return codes


def test_a_server_that_says_goaway_answers_what_it_has_begun(tmp_path: Path):
    with misbehaving(tmp_path, "goaway") as (channel, ledger):
        codes = outcomes(channel, 2 * GOAWAY_EVERY + 1)
    # A call that meets the end of its connection was not looked at: it is not in the ledger.
    answered = {f"c-{number}" for number, code in enumerate(codes) if code is grpc.StatusCode.OK}
    assert {entry.id for entry in read_ledger(ledger)} == answered
    assert len(answered) >= 2 * GOAWAY_EVERY - 1


def test_a_server_that_resets_does_so_at_each_phase_and_writes_down_what_was_done(tmp_path: Path):
    with misbehaving(tmp_path, "reset") as (channel, ledger):
        codes = outcomes(channel, 4 * RESET_EVERY)
    failed = {number for number, code in enumerate(codes) if code is not grpc.StatusCode.OK}
    assert failed == {number * RESET_EVERY - 1 for number in range(1, 5)}
    written = read_ledger(ledger)
    reset = {entry.id for entry in written if entry.what == RESET}
    done = {entry.id for entry in written if entry.what != RESET}
    # Of the four one was refused, and so not done.
    assert len(reset) == len(failed) - 1
    assert reset < {f"c-{number}" for number in failed}
    assert len(done) == len(codes) - 1


def test_a_server_that_takes_one_call_at_a_time_answers_all(tmp_path: Path):
    with misbehaving(tmp_path, "one-stream") as (channel, _):
        calls = [channel.unary_unary(GET).future(b"", timeout=20.0) for _ in range(10)]
        assert all(b"here" in call.result() for call in calls)


def test_a_server_that_hangs_has_taken_the_call(tmp_path: Path):
    with misbehaving(tmp_path, "hang") as (channel, ledger):
        ask = channel.unary_unary(GET)
        with pytest.raises(grpc.RpcError) as failed:
            ask(b"", metadata=[("x-request-id", "c-0")], timeout=0.5, wait_for_ready=True)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert [entry.what for entry in read_ledger(ledger)] == ["hang"]


def test_a_server_that_breaks_every_call_answers_none(tmp_path: Path):
    with misbehaving(tmp_path, "break") as (channel, _):
        assert grpc.StatusCode.OK not in outcomes(channel, 5)


def test_a_server_that_floods_sends_a_hundred_megabytes(tmp_path: Path):
    unbounded = [("grpc.max_receive_message_length", -1)]
    with misbehaving(tmp_path, "flood", unbounded) as (channel, _):
        answer = channel.unary_unary(GET)(b"", metadata=[("x-request-id", "c-0")], timeout=60.0)
        assert len(answer) == FLOOD_BYTES


def test_a_client_that_takes_less_than_a_flood_is_rid_of_it(tmp_path: Path):
    with misbehaving(tmp_path, "flood") as (channel, _):
        assert outcomes(channel, 2) == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


def test_what_the_bad_server_does_not_know_is_said_to_be_unknown(tmp_path: Path):
    with misbehaving(tmp_path, "none") as (channel, ledger):
        with pytest.raises(grpc.RpcError) as failed:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20.0)
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert read_ledger(ledger) == []
        assert outcomes(channel, 1) == [grpc.StatusCode.OK]
        assert [entry[1:] for entry in read_ledger(ledger)] == [("c-0", "GetRecord")]


# --- lines


def broken_line(_ground: object) -> Iterator[None]:
    raise Broken("the proxy ended")
    yield


def test_a_line_that_breaks_off_is_one_that_failed(capsys):
    figures = reliability.run_line(Line("R1", "nothing", broken_line), lambda _folder: None)
    assert [(figure.name, figure.ok) for figure in figures] == [("R1: could be run", False)]
    assert "the proxy ended" in capsys.readouterr().err


def test_a_line_has_its_figures_under_its_name():
    line = Line("R1", "nothing", lambda _: iter([none("lost", 0)]))
    figures = reliability.run_line(line, lambda _folder: None)
    assert [(figure.name, figure.ok) for figure in figures] == [("R1: lost", True)]
