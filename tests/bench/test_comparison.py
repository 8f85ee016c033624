"""The comparison over a canned generator and a real process that burns no CPU."""

import http.client
import io
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from rich.console import Console

from bench.figures import Broken
from bench.stand.comparison import (
    ROUNDS,
    Peer,
    Round,
    check_answer,
    compare,
    comparison_table,
    ratio_figure,
)
from bench.stand.load import Case, Seen
from bench.stand.processes import Cores, Process, wait_until_listening

CASE = Case("small GET", "GET", "/record", {"name": "www"})

ANSWERING = """
import http.server, json, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        until = time.process_time() + 0.03
        while self.path == "/burn" and time.process_time() < until:
            pass
        self.send_response(int(sys.argv[1]))
        self.end_headers()
        self.wfile.write(b'{"name": "www"}')
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"http": server.server_port}), flush=True)
server.serve_forever()
"""


class CannedLoad:
    """A generator that sends one request, remembers where to, and reports what it was given."""

    description = "canned"
    fast = True

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.loaded: list[str] = []

    def run(self, case: Case, base_url: str, duration_s: float) -> Seen:
        self.loaded.append(base_url)
        connection = http.client.HTTPConnection(urlsplit(base_url).netloc)
        connection.request("GET", "/burn")
        connection.getresponse().read()
        connection.close()
        return self.seen


@pytest.fixture
def start_peer(tmp_path):
    """Starts a server that answers everything with one record and the given status."""
    with ExitStack() as stack:

        def start(name: str, status: int = 200) -> Peer:
            process = Process(
                name,
                [sys.executable, "-c", ANSWERING, str(status)],
                cores=Cores.here().proxy,
                log=tmp_path / f"{name}.log",
                announces=True,
            )
            stack.enter_context(process)
            return Peer(name, process, f"http://127.0.0.1:{process.announcement()['http']}")

        yield start


def test_both_proxies_are_measured_in_turns_and_neither_always_goes_first(start_peer):
    ours, other = start_peer("ours"), start_peer("other")
    load = CannedLoad(
        Seen(requests=10_000, duration_us=2_000_000, p50_us=1500, p99_us=9000, errors=0)
    )
    figures = {figure.name: figure for figure in compare([ours, other], [CASE], load, {})}
    assert figures["small GET / ours / requests"].value == 5000
    assert figures["small GET / other / p50"].value == 1.5
    assert figures["small GET / ours / p99"].value == 9.0
    assert figures["after all rounds / ours / resident memory"].value > 1
    a, b = ours.base_url, other.base_url
    assert load.loaded == [a, b] + [a, b, b, a] * (ROUNDS // 2) + [a, b] * (ROUNDS % 2)


def rounds(*cpu_us: float) -> list[Round]:
    return [Round(1000.0, 1.0, 2.0, cpu, 0.9) for cpu in cpu_us]


def test_a_ratio_is_taken_within_a_turn_and_judged_against_its_own_peer():
    targets = {("small GET", "Envoy"): 2.0}
    ours, other = rounds(100, 210, 300), rounds(100, 100, 100)
    figure = ratio_figure("small GET", "Envoy", ours, other, targets)
    assert figure.value == pytest.approx(2.1)
    assert not figure.ok
    assert ratio_figure("small GET", "Envoy", other, ours, targets).ok
    assert ratio_figure("small GET", "grpc-gateway", ours, other, targets).target is None


def test_a_failed_request_breaks_the_benchmark(start_peer):
    load = CannedLoad(Seen(requests=100, duration_us=1_000_000, p50_us=1, p99_us=1, errors=3))
    with pytest.raises(Broken, match="ours failed 3 of 100 requests of small GET"):
        compare([start_peer("ours"), start_peer("other")], [CASE], load, {})


def test_no_request_at_all_breaks_the_benchmark(start_peer):
    load = CannedLoad(Seen(requests=0, duration_us=1_000_000, p50_us=0, p99_us=0, errors=0))
    with pytest.raises(Broken, match="ours failed 0 of 0 requests"):
        compare([start_peer("ours"), start_peer("other")], [CASE], load, {})


def test_a_proxy_that_uses_no_cpu_is_not_the_one_that_answers(start_peer):
    seen = Seen(requests=1, duration_us=1_000_000, p50_us=1, p99_us=1, errors=0)
    away = start_peer("elsewhere").base_url
    idle = Peer("ours", start_peer("idle").process, away)
    with pytest.raises(Broken, match="used no CPU time for small GET: it is not what is loaded"):
        compare([idle, start_peer("other")], [CASE], CannedLoad(seen), {})


def test_a_wrong_answer_is_never_measured(start_peer):
    wanted = Case("list", "GET", "/records", {"records": []})
    with pytest.raises(Broken, match="ours gave a wrong answer to list"):
        check_answer(start_peer("ours"), wanted)


def test_an_error_answer_is_never_measured(start_peer):
    with pytest.raises(Broken, match="ours answered small GET with 503"):
        check_answer(start_peer("ours", status=503), CASE)


def test_the_table_puts_the_proxies_side_by_side_with_the_ratio(start_peer):
    load = CannedLoad(Seen(requests=10, duration_us=1_000_000, p50_us=1, p99_us=1, errors=0))
    figures = compare([start_peer("ours"), start_peer("other")], [], load, {})
    targets = {("small GET", "other"): 2.0}
    figures.append(ratio_figure("small GET", "other", rounds(300), rounds(100), targets))
    for name in ("ours", "other"):
        figures.append(type(figures[0])(f"small GET / {name} / CPU per request", 42.0, "µs"))
    shown = io.StringIO()
    Console(file=shown, width=120).print(comparison_table("both", figures))
    line = next(line for line in shown.getvalue().splitlines() if "small GET" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "small GET", "CPU per request, µs", "42", "42", "3", "≤ 2", "MISSED",
    ]  # fmt: skip


def test_a_process_that_ended_is_reported_with_its_log(tmp_path):
    dying = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with Process("proxy", dying, cores=Cores.here().proxy, log=tmp_path / "log") as process:
        with pytest.raises(Broken, match=r"(?s)proxy ended with exit code 1.*no such option"):
            wait_until_listening(process, "http://127.0.0.1:9")
        assert "exit=1" in repr(process)


def test_cpu_time_counts_child_processes_too(tmp_path):
    parent = """
import json, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
import sys, time
while time.process_time() < 0.2: pass
print("done", flush=True)
sys.stdin.read()'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(json.dumps({"burnt": 1}), flush=True)
sys.stdin.read()
child.stdin.close()
child.wait()
"""
    started = Process(
        "parent", [sys.executable, "-c", parent], cores=Cores.here().load,
        log=tmp_path / "log", announces=True,
    )  # fmt: skip
    with started as process:
        process.announcement()
        assert process.cpu_s() > 0.15
        process.child.stdin.close()
        process.child.wait()


def test_a_silent_end_before_the_announcement_is_reported(tmp_path):
    started = Process(
        "backend", [sys.executable, "-c", ""], cores=Cores.here().load,
        log=tmp_path / "log", announces=True,
    )  # fmt: skip
    with started as process, pytest.raises(Broken, match="before it said what it had to say"):
        process.announcement()
