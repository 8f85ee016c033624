"""R10: a route moves from stage to stage and back while it is used."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.faults import api
from bench.faults.ground import Backend, Ground, pause
from bench.faults.verdicts import at_least, no_failures, none, shown
from bench.figures import Figure
from bench.stand.service import Service, log_lines
from bench.stand.traffic import Record

STAGES: Final = ("canary", "grpc", "legacy")
ROUTES: Final = (api.GET_ROUTE, api.CREATE_ROUTE)
TOKEN: Final = "moves-for-the-benchmark"  # noqa: S105 - guards a process on loopback, for minutes
PAUSE_S: Final = 0.15  # between two moves of both routes


def measure(ground: Ground, *, times: int = 50) -> Iterator[Figure]:
    """Move both routes `times` times; ledgers, answers and access log must tell the same."""
    grpc, legacy = ground.backend("grpc"), ground.backend("legacy")
    token_file = ground.folder / "admin.token"
    token_file.write_text(TOKEN)
    configuration = ground.configuration(
        legacy=legacy.http,
        grpc=grpc.grpc,
        defaults={
            **api.UNGUARDED,
            "stage": "legacy",
            "canary": {"percent": 30, "sticky": [{"header": "x-request-id"}]},
        },
        admin={"host": "127.0.0.1", "port": 0, "token_file": str(token_file)},
        state={"directory": str(ground.folder / "state")},
    )
    with grpc.running(), legacy.running(), ground.service(configuration) as service:
        rate = ground.rate(service.address, api.MIXED)
        with ground.load(service.address, api.MIXED, rate) as load:
            moved = sum(move(service, number) for number in range(times))
            records = load.finish()
        access_log = service.access_log
    # The process has ended and written all of its log.
    yield at_least("moves", moved, times)
    yield from verdicts(records, sides_of_log(access_log), [grpc, legacy])


def move(service: Service, number: int) -> bool:
    """Move both routes to the next stage; whether the proxy says that it did."""
    body = {"stage": STAGES[number % len(STAGES)], "reason": "benchmark", "who": "bench"}
    for route in ROUTES:
        answer = service.post(f"/admin/v1/routes/{route}:stage", body, TOKEN)
        if "revision" not in answer:
            return False
    pause(PAUSE_S)
    return True


def sides_of_log(access_log: Path) -> dict[str, list[str]]:
    """By request id, the sides that the access log names: one, when all is well."""
    sides: dict[str, list[str]] = {}
    for line in log_lines(access_log):
        sides.setdefault(request_id(line), []).append(line["side"])
    return sides


def request_id(line: Mapping[str, Any]) -> str:
    """The id in a logged path.

    >>> request_id({"method": "GET", "path": "/v4/zones/example.com/records/r1-7"})
    'r1-7'
    >>> request_id({"method": "POST", "path": "/v4/zones/r1-8/records"})
    'r1-8'
    """
    parts: list[str] = line["path"].split("/")
    return parts[3 if line["method"] == "POST" else -1]


def verdicts(
    records: Sequence[Record], logged: Mapping[str, Sequence[str]], backends: Sequence[Backend]
) -> Iterator[Figure]:
    """Whether everybody tells the same of each request."""
    done = {
        side: Counter(entry.id for entry in backend.done())
        for side, backend in zip(("grpc", "legacy"), backends, strict=True)
    }
    sides = Counter(record.side for record in records)
    yield shown("requests", len(records))
    yield no_failures("failed requests", records)
    for side in done:
        yield at_least(f"answered by {side}", sides[side], 1)
    # What was never sent is neither done nor logged, and counted as failed above.
    sent = [record for record in records if record.sent_us]
    yield none("not done exactly once", sum(done_count(done, each) != 1 for each in sent))
    yield none("not logged exactly once", sum(len(logged.get(each.id, ())) != 1 for each in sent))
    yield none("logged with another side than did it", sum(
        not all(done[side][each.id] for side in logged.get(each.id, ()) if side in done)
        for each in sent))  # fmt: skip
    yield none("answered with another side than logged", sum(
        [each.side] != list(logged.get(each.id, ())) for each in sent))  # fmt: skip


def done_count(done: Mapping[str, Counter[str]], record: Record) -> int:
    """How often a request was done, on either side."""
    return sum(counts[record.id] for counts in done.values())
