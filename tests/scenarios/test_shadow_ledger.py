"""Both hosts of the example and the proxy as processes: what the report says was really done."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import yaml

from bench.stand.ledger import Entry, read_ledger
from bench.stand.processes import ROOT, Cores, Process
from bench.stand.service import Service, metrics, write_folder
from proxy.example.files import folder as mappings
from tests.live.wire import PATIENCE_S
from tests.scenarios.hosts import MIRRORED

REQUESTS: Final = 20_000
CLIENTS: Final = 16
SEED: Final = 4
#: What the command ends with when a route has differences that its gate does not bear.
FAIL: Final = 1
#: Of each route's requests; with the least of them it is sure that some are asked twice.
CONTROL_PERCENT: Final = 20
ZONE: Final = "/v4/zones/example.com"
RECORDS: Final = "dns.v1.RecordService"


class Ask(NamedTuple):
    route: str
    http_method: str
    target: str
    body: dict[str, Any] | None
    status: int


#: Each with how often it comes; `{}` is the request's number.
MIX: Final = (
    (8, Ask("get-record", "GET", f"{ZONE}/records/www-1", None, 200)),
    (2, Ask("get-record", "GET", f"{ZONE}/records/nobody-{{}}", None, 404)),
    (3, Ask("get-zone", "GET", ZONE, None, 200)),
    (3, Ask("list-records", "GET", f"{ZONE}/records?per_page=5", None, 200)),
    (1, Ask("export-zone", "GET", "/v4/zones/secondary.example:export", None, 200)),
    (1, Ask("get-statistics", "GET", f"{ZONE}/statistics", None, 200)),
    (2, Ask("create-record", "POST", "/v4/zones/fresh.example/records?label=r-{}",
            {"name": "h-{}", "type": "A", "ipv4": "192.0.2.1"}, 201)),
    (1, Ask("", "GET", "/status", None, 200)),
)  # fmt: skip
NAMES: Final = {
    "RecordService.GetRecord": "get-record",
    "RecordService.GetZone": "get-zone",
    "RecordService.ListRecords": "list-records",
    "RecordService.ExportZone": "export-zone",
    "RecordService.CreateRecord": "create-record",
    "StatisticsService.GetStatistics": "get-statistics",
}
#: Of this route only the translation is compared; the mirrors of the others call.
TRANSLATED: Final = "create-record"
#: The ends of a mirror that was sent and not compared.
FAILURES: Final = ("candidate_error", "candidate_timeout", "not_comparable")
#: Compared requests of each route, at the least. How many more a busy machine bears is the matter
#: of `bench shadow`: what it has no CPU for is dropped, and counted.
ENOUGH: Final = 50
CALLED: Final = frozenset(NAMES.values()) - {TRANSLATED}
#: Where the example's servers differ on purpose, so that both are asked once more.
DIFFERENT: Final = "get-statistics"


def shapes() -> dict[str, Any]:
    """The JSON of the old host as the example's mappings have it: profiles, and shapes by RPC."""
    texts = [path.read_text() for path in sorted(mappings("mappings").iterdir())]
    documents = [yaml.safe_load(text) for text in texts]
    (profiles,) = (each["profiles"] for each in documents if "profiles" in each)
    (routes,) = (each["routes"] for each in documents if "routes" in each)
    return {"profiles": profiles} | {one["rpc"]: one.get("shape", {}) for one in routes}


def configuration(legacy: int, grpc: int, state: Path) -> dict[str, Any]:
    mirror = {
        "percent": 100,
        "timeout": "20s",  # a busy machine is not to be taken for a server that hangs
        "max_concurrency": 64,
        "max_pending": REQUESTS,
    }
    shape_of = shapes()
    return {
        "version": 1,
        "profiles": shape_of["profiles"],
        "listen": {"host": "127.0.0.1", "port": 0},
        "admin": {"host": "127.0.0.1", "port": 0},
        "descriptors": [{"proto_path": str(ROOT / "proto")}],
        "upstreams": {
            "legacy": {"url": f"http://127.0.0.1:{legacy}"},
            "dns": {"target": f"127.0.0.1:{grpc}", "plaintext": True, "services": ["dns.v1.*"]},
        },
        "state": {"directory": str(state)},
        # What is done with each mirror is counted here, and not how many a process can do.
        "shadow": {"max_cpu": "100%", "max_pending": REQUESTS, "max_total_bytes": "256MiB"},
        "defaults": {
            "stage": "shadow",
            "shape": {"profile": "cloud-v4"},
            "mirror": mirror,
            "compare": {"noise": {"control_percent": CONTROL_PERCENT, "reverify_after": "100ms"}},
        },
        "routes": [
            {"rpc": f"dns.v1.{rpc}", "name": name, "shape": shape_of[f"dns.v1.{rpc}"]}
            for rpc, name in NAMES.items()
        ],
    }


@contextmanager
def hosts(folder: Path) -> Iterator[dict[str, int]]:
    cores = Cores.everywhere().load
    ports = {}
    started = []
    try:
        for name in ("legacy", "grpc"):
            command = [sys.executable, "-m", "tests.scenarios.hosts", name, str(folder / name)]
            log = folder / f"{name}.log"
            started.append(Process(name, command, cores=cores, log=log, announces=True))
        for process in started:
            ports[process.name] = process.announcement()["port"]
        yield ports
    finally:
        for process in started:
            process.stop()


async def send(address: str, asked: Iterator[tuple[int, Ask]]) -> tuple[Counter[str], list[str]]:
    """Send all; how many of each route were answered, and what was answered wrongly."""
    answered: Counter[str] = Counter()
    wrong: list[str] = []

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        for index, ask in asked:
            target, body = ask.target.replace("{}", str(index)), ask.body
            if body is not None:
                body = json.loads(json.dumps(body).replace("{}", str(index)))
            headers = {"x-request-id": f"q-{index}", "x-user-id": f"user-{number}"}
            async with session.request(ask.http_method, target, json=body, headers=headers) as got:
                await got.read()
                answered[ask.route] += 1
                if got.status != ask.status:
                    wrong.append(f"{ask.http_method} {target}: {got.status}")

    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(f"http://{address}", timeout=timeout) as session:
        await asyncio.gather(*(client(session, number) for number in range(CLIENTS)))
    return answered, wrong


VERDICTS: Final = ("match", "match_with_rules", "noise", "transient", "mismatch")
ENDS: Final = (*VERDICTS, *FAILURES)


def mixed(count: int) -> Iterator[tuple[int, Ask]]:
    cards = [ask for weight, ask in MIX for _ in range(weight)]
    dealt = random.Random(SEED)
    for index in range(count):
        yield index, dealt.choice(cards)


Reports = dict[str, dict[str, Any]]


def by_route(told: str) -> Reports:
    """Reports in JSON by their routes, of those that were asked."""
    found = {report["route"]: report for report in json.loads(told)["reports"]}
    return {route: found[route] for route in NAMES.values()}


def kept(service: Service) -> Reports:
    """What the admin port says."""
    return by_route(service.get("/admin/v1/shadow/report"))


def printed(service: Service) -> Reports:
    """What `cutover report` says."""
    command = [sys.executable, "-m", "proxy", "report", "--format", "json"]
    command += ["--admin", f"http://{service.admin_address}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert told.returncode == FAIL, told.stderr
    return by_route(told.stdout)


def total(counts: dict[str, Any], *names: str) -> int:
    """The sum of some counts, each a number or numbers by reason."""
    found = [counts[name] for name in names]
    return sum(sum(each.values()) if isinstance(each, dict) else each for each in found)


def is_whole(report: dict[str, Any], asked: int) -> bool:
    """Whether the evidence of a route has the end of each of its requests."""
    counts = report["counts"]
    return bool(counts["eligible"] == asked and counts["sent"] == total(counts, *ENDS))


def legs(service: Service, leg: str) -> int:
    """How many calls of mirrors were answered by a side, as the proxy counts them."""
    found = metrics(service.get("/metrics"))["cutover_shadow_duration_seconds_count"]
    return sum(int(count) for labels, count in found.items() if f'leg="{leg}"' in labels)


def asked_of(entries: list[Entry], *, mirrored: bool) -> list[Entry]:
    return [entry for entry in entries if entry.what.endswith(MIRRORED) is mirrored]


def test_the_report_counts_what_both_servers_were_asked_and_no_request_is_lost(tmp_path: Path):
    with hosts(tmp_path) as ports:
        settings = configuration(ports["legacy"], ports["grpc"], tmp_path / "state")
        mappings = write_folder(tmp_path / "mappings", settings)
        with Service(mappings, Cores.everywhere().proxy) as service:
            answered, wrong = asyncio.run(send(service.address, mixed(REQUESTS)))
            for route in NAMES.values():
                service.wait_until(
                    lambda route=route: is_whole(kept(service)[route], answered[route]),
                    f"the evidence of {route} is not whole",
                )
            told = printed(service)
            imbalance = service.metric("cutover_shadow_imbalance")
            controls, calls = legs(service, "control"), legs(service, "grpc")
            again = legs(service, "legacy")
    legacy, grpc = read_ledger(tmp_path / "legacy"), read_ledger(tmp_path / "grpc")

    # No request is lost: each was answered as it should be, and by legacy, once.
    assert wrong == []
    assert answered.total() == REQUESTS
    asked = Counter(entry.id for entry in asked_of(legacy, mirrored=False))
    assert asked == {f"q-{index}": 1 for index in range(REQUESTS)}
    # Nothing but mirrors of reads reaches the gRPC server, and legacy a second time.
    assert asked_of(grpc, mirrored=False) == []
    assert {entry.what for entry in grpc} == {
        f"{rpc.partition('.')[2]}{MIRRORED}" for rpc, name in NAMES.items() if name in CALLED
    }
    assert {entry.what for entry in asked_of(legacy, mirrored=True)} == {f"GET{MIRRORED}"}
    # The counts add up.
    assert imbalance == 0
    counts = {route: report["counts"] for route, report in told.items()}
    for route, each in counts.items():
        assert each["eligible"] == total(each, "not_sampled", "skipped", "dropped", "sent")
        assert each["sent"] == total(each, *VERDICTS, *FAILURES), (route, each)
        compared = total(each, *VERDICTS)
        assert each["mismatch"] == (compared if route == DIFFERENT else 0), (route, each)
        assert compared >= ENOUGH, (route, each)
        assert set(each["dropped"]) <= {"cpu"}, (route, each)
    # They are those of the ledgers: a call of gRPC for each that was sent, a call of legacy for
    # each control, and one of either side for each that was asked once more.
    sent = sum(counts[route]["sent"] for route in CALLED)
    failures = sum(total(counts[route], *FAILURES) for route in CALLED)
    asked_again = len(asked_of(legacy, mirrored=True))
    assert 0 <= sent + again - len(grpc) <= failures, (sent, again, len(grpc), failures)
    # Whether one that failed was asked at all, nobody can know.
    assert abs(calls - len(grpc)) <= failures, (calls, len(grpc), failures)
    assert abs(controls + again - asked_again) <= failures, (controls, again, asked_again)
    assert controls > 0
    assert 0 < again <= counts[DIFFERENT]["mismatch"]
