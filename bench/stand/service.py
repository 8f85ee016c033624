"""`cutover serve` under fire: a folder, the process or processes, what they say and count.

Belongs here: starting it, its logs, its admin port, its workers. Does not: what is done to it
(`bench.faults`).
"""

import http.client
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, sleep, time
from types import TracebackType
from typing import Any, Final, Self

from bench.figures import Broken
from bench.stand.processes import Process

POLL_EVERY_S: Final = 0.01
PATIENCE_S: Final = 30.0  # then what was to happen does not happen
FILE: Final = "cutover.yaml"


class Service:
    """A running `cutover serve` on `mappings`, a folder that is there already."""

    def __init__(
        self, mappings: Path, cores: Sequence[int], *, workers: int = 1, name: str = "cutover"
    ) -> None:
        folder = mappings.parent
        self.mappings = mappings
        self.access_log = folder / f"{mappings.name}-access.log"
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(mappings)]
        command += ["--workers", str(workers)] if workers > 1 else []
        self.process = Process(
            name,
            command,
            cores=cores,
            log=folder / f"{mappings.name}.log",
            output=self.access_log,
        )
        self.address = self.admin_address = ""

    def __repr__(self) -> str:
        return f"<Service {self.address} {self.process!r}>"

    def __enter__(self) -> Self:
        try:
            told = self.wait_for("serving")
        except BaseException:
            self.process.stop()
            raise
        self.address = told["url"].removeprefix("http://")
        self.admin_address = told["admin"].removeprefix("http://")
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.stop()

    # --- what it says

    def events(self) -> list[dict[str, Any]]:
        """Everything in the process log; a last line that is not whole yet does not count."""
        lines = self.process.log.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def count(self, *names: str) -> int:
        """How often the process log has said one of these."""
        return sum(event["event"] in names for event in self.events())

    def wait_for(self, name: str, times: int = 1) -> dict[str, Any]:
        """Wait until the process log has said it so often; the last of them."""
        found: list[dict[str, Any]] = []

        def said() -> bool:
            found[:] = [event for event in self.events() if event["event"] == name]
            return len(found) >= times

        self.wait_until(said, f"did not say {name!r} {times} times")
        return found[times - 1]

    def wait_until(self, condition: Callable[[], object], failure: str) -> float:
        """Wait for a condition; when it was so, in seconds since the epoch. Raises `Broken`."""
        until = monotonic() + PATIENCE_S
        while monotonic() < until:
            if condition():
                return time()
            self.process.check_running()
            sleep(POLL_EVERY_S)
        raise self.process.failure(failure)

    # --- its processes

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started."""
        self.process.check_running()
        os.kill(self.process.child.pid, number)

    def workers(self) -> list[int]:
        """The pids of the workers."""
        pid = self.process.child.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    # --- its admin port

    def get(self, path: str) -> str:
        """Read something from the admin port."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, object], token: str = "") -> dict[str, Any]:
        """Change something by the admin port. Raises `Broken` when that is refused."""
        answer: dict[str, Any] = json.loads(self._ask("POST", path, json.dumps(body), token))
        return answer

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels; 0 when there is none."""
        return sum(metrics(self.get("/metrics")).get(name, {}).values())

    def _ask(self, method: str, path: str, body: str | None, token: str = "") -> str:
        connection = http.client.HTTPConnection(self.admin_address, timeout=PATIENCE_S)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise Broken(f"the admin port answered {method} {path} with {answer.status}: {text}")
        return text


def metrics(text: str) -> dict[str, Counter[str]]:
    """The samples of an exposition, by name and by their labels as they are written.

    >>> metrics('# TYPE a counter\\na_total{b="c"} 2.0\\nd 1\\n')["a_total"]
    Counter({'{b="c"}': 2.0})
    """
    found: dict[str, Counter[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        sample, _, value = line.rpartition(" ")
        name, brace, labels = sample.partition("{")
        found.setdefault(name, Counter())[brace + labels] = float(value)  # type: ignore[assignment]
    return found


def write_folder(mappings: Path, configuration: Mapping[str, Any]) -> Path:
    """Make or renew a configuration folder, its one file at once and whole."""
    mappings.mkdir(parents=True, exist_ok=True)
    fresh = mappings / f".{FILE}.new"
    fresh.write_text(json.dumps(configuration))  # JSON is YAML, and needs no writer of its own
    fresh.replace(mappings / FILE)
    return mappings


def log_lines(access_log: Path) -> Iterator[dict[str, Any]]:
    """Every line of an access log."""
    with access_log.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


class ConfigMap:
    """A folder as Kubernetes mounts one: files that point into `..data`, which is swapped whole."""

    def __init__(self, mappings: Path, configuration: Mapping[str, Any]) -> None:
        self.mappings = mappings
        self._number = 0
        mappings.mkdir()
        (mappings / "..data").symlink_to(self._version(configuration).name)
        (mappings / FILE).symlink_to(f"..data/{FILE}")

    def __repr__(self) -> str:
        return f"<ConfigMap {self.mappings} version={self._number}>"

    def swap(self, configuration: Mapping[str, Any]) -> None:
        """Put another version in place of the one that is there, by one rename."""
        link = self.mappings / "..data_tmp"
        link.symlink_to(self._version(configuration).name)
        link.replace(self.mappings / "..data")

    def edit(self, configuration: Mapping[str, Any]) -> None:
        """Change the version that is there, in its place."""
        write_folder((self.mappings / "..data").resolve(), configuration)

    def _version(self, configuration: Mapping[str, Any]) -> Path:
        self._number += 1
        return write_folder(self.mappings / f"..version-{self._number}", configuration)
