"""The parts of the test stand that run without Envoy, wrk or Go."""

import json
import sys

import grpc
import pytest

from bench.figures import Broken
from bench.stand.backend import Canned, RpcAnswers, python_backend
from bench.stand.cutover import configuration_for
from bench.stand.envoy import TRANSCODER, Transcoded, bootstrap
from bench.stand.load import Case, ClosedLoop, finished, lua_string
from bench.stand.processes import Cores, Process
from bench.stand.zone import LISTS, METHODS, SERVICE, MessageClasses, legacy, zone
from proxy.config.load import load_config
from proxy.config.source import SourceText
from tests.config.loading import TODAY

CANNED = Canned(
    rpc={
        "/dns.v1.RecordService/GetRecord": RpcAnswers({0: b"one"}),
        "/dns.v1.RecordService/ListRecords": RpcAnswers({10: b"ten", 300: b"many"}, by_field=2),
    },
    http={"/records?page_size=10": b'{"records": []}', "/record": b"{}"},
)


@pytest.fixture
def python_backend_ports(tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text(CANNED.manifest())
    command, description, compiled = python_backend("for this test")
    assert "for this test" in description
    assert not compiled
    with Process(
        "backend", [*command, "-manifest", str(manifest)], cores=Cores.here().load,
        log=tmp_path / "backend.log", announces=True,
    ) as process:  # fmt: skip
        yield process.announcement()
        process.child.stdin.close()
        assert process.child.wait() == 0


def test_the_python_backend_answers_calls_by_the_value_of_a_field(python_backend_ports):
    with grpc.insecure_channel(f"127.0.0.1:{python_backend_ports['grpc']}") as channel:
        list_records = channel.unary_unary("/dns.v1.RecordService/ListRecords")
        assert channel.unary_unary("/dns.v1.RecordService/GetRecord")(b"\x0a\x01a") == b"one"
        assert list_records(b"\x0a\x01a\x10\x0a") == b"ten"
        assert list_records(b"\x10\xac\x02") == b"many"
        with pytest.raises(grpc.RpcError) as failed:
            list_records(b"\x10\x0b")
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_python_client_counts_what_the_server_answered(python_backend_ports, tmp_path):
    load = ClosedLoop(Cores.here().load, tmp_path)
    case = Case("list", "POST", "/records?page_size=10", None, {"x": "y"}, b"{}", connections=2)
    seen = load.run(case, f"http://127.0.0.1:{python_backend_ports['http']}", 0.2)
    assert seen.requests > 2
    assert seen.errors == 0
    assert 0 < seen.p50_us <= seen.p99_us


def test_the_python_client_counts_error_answers_as_errors(python_backend_ports, tmp_path):
    load = ClosedLoop(Cores.here().load, tmp_path)
    case = Case("missing", "GET", "/nowhere", None, connections=1)
    seen = load.run(case, f"http://127.0.0.1:{python_backend_ports['http']}", 0.1)
    assert seen.errors == seen.requests > 0


def test_a_generator_that_fails_is_reported_with_what_it_said():
    failing = "import sys; print('no such host', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Broken, match=r"exited with 3:\nno such host"):
        finished([sys.executable, "-c", failing], Cores.here().load, 1.0)


def test_the_example_gives_an_answer_for_every_case(tmp_path):
    prepared = zone(tmp_path)
    messages = MessageClasses(prepared.descriptor_set.read_bytes())
    service = messages.pool.FindServiceByName(SERVICE)
    assert {method.name for method in service.methods} == METHODS
    assert prepared.canned.rpc.keys() == {f"/{SERVICE}/{name}" for name in METHODS}
    assert set(prepared.canned.rpc[f"/{SERVICE}/ListRecords"].answers) == set(LISTS)
    assert messages.number("ListRecordsRequest", "page_size") == 2


def test_the_legacy_side_has_the_same_cases_and_a_body_for_each():
    canned, cases = legacy()
    assert {case.target for case in cases} == canned.http.keys()
    for case in cases:
        assert json.loads(canned.http[case.target]) == case.expected


def test_envoy_transcodes_only_where_there_is_something_to_transcode(tmp_path):
    transcoded = Transcoded(tmp_path / "set", ["dns.v1.RecordService"])
    assert TRANSCODER in json.dumps(bootstrap(1, 2, transcoded))
    assert TRANSCODER not in json.dumps(bootstrap(1, 2, None))
    assert "http2_protocol_options" in json.dumps(bootstrap(1, 2, transcoded))
    assert "http2_protocol_options" not in json.dumps(bootstrap(1, 2, None))


def test_the_proxy_gets_a_configuration_for_each_kind_of_upstream(tmp_path):
    transcoded = Transcoded(tmp_path / "set", ["dns.v1.RecordService"])
    grpc_side = configuration_for(1, 2, transcoded)
    assert grpc_side["upstreams"]["bench"]["target"] == "127.0.0.1:2"
    assert grpc_side["defaults"] == {"stage": "grpc"}
    assert configuration_for(1, 2, None)["upstreams"] == {"legacy": {"url": "http://127.0.0.1:2"}}


@pytest.mark.parametrize("services", [None, ["dns.v1.RecordService"]])
def test_the_configuration_is_one_that_the_proxy_accepts(services, tmp_path):
    transcoded = services and Transcoded(tmp_path / "set", services)
    text = json.dumps(configuration_for(8080, 9000, transcoded))
    assert load_config([SourceText("cutover.yaml", text)], {}, TODAY).settings.listen.port == 8080


def test_a_lua_string_survives_any_byte():
    assert lua_string(b'\x00"\\\n\xff') == '"\\000\\034\\092\\010\\255"'
