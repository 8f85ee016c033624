"""Closed-loop HTTP load from a process of its own, and what it saw.

The generator is wrk; where it is missing, `bench.stand.closed_loop` does the same in Python and
costs so much itself that only the CPU figures of the proxy still mean something.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from bench.figures import Broken
from bench.stand.processes import PIN, ROOT

CONNECTIONS: Final = 32  # as in the budget that the targets come from; all keep-alive
GRACE_S: Final = 30.0  # beyond the planned duration before a generator counts as stuck


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request, and the JSON that every proxy has to answer it with."""

    name: str
    http_method: str
    target: str
    expected: Any
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Seen:
    """What a generator counted in one round; times in microseconds."""

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    errors: int


class Generator(Protocol):
    """Something that loads a server; `fast` when it can keep a core full of proxy busy."""

    description: str
    fast: bool

    def run(self, case: Case, base_url: str, duration_s: float) -> Seen:
        """Send the case's request over and over for the duration."""


class Wrk:
    """wrk with one thread; the request and the report are a script for it."""

    def __init__(self, cores: Sequence[int], folder: Path) -> None:
        self.cores = cores
        self.folder = folder
        self.description = "wrk, 1 thread"
        self.fast = True

    def run(self, case: Case, base_url: str, duration_s: float) -> Seen:
        script = self.folder / "request.lua"
        script.write_text(lua_script(case))
        # wrk takes whole seconds only; a shorter round would silently be none at all.
        seconds = max(1, round(duration_s))
        command = ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "-s", str(script)]
        return finished([*command, base_url + case.target], self.cores, seconds)


class ClosedLoop:
    """The same in Python, for machines without wrk."""

    def __init__(self, cores: Sequence[int], folder: Path) -> None:
        self.cores = cores
        self.folder = folder
        self.description = "a Python client, slower than the proxies (wrk is not installed)"
        self.fast = False

    def run(self, case: Case, base_url: str, duration_s: float) -> Seen:
        request = self.folder / "request.json"
        request.write_text(
            json.dumps(
                {
                    "base_url": base_url,
                    "http_method": case.http_method,
                    "target": case.target,
                    "headers": case.headers,
                    "body": case.body.decode(),
                    "connections": case.connections,
                    "duration_s": duration_s,
                }
            )
        )
        command = [sys.executable, "-m", "bench.stand.closed_loop", str(request)]
        return finished(command, self.cores, duration_s)


def generator(cores: Sequence[int], folder: Path) -> Generator:
    """The best generator of this machine, pinned to `cores`; `folder` takes its input files."""
    return Wrk(cores, folder) if shutil.which("wrk") else ClosedLoop(cores, folder)


def finished(command: Sequence[str], cores: Sequence[int], duration_s: float) -> Seen:
    """Run a generator to its end and read the JSON object on its last line."""
    pinned = [sys.executable, "-c", PIN, ",".join(map(str, cores)), *command]
    done = subprocess.run(
        pinned, cwd=ROOT, capture_output=True, text=True, timeout=duration_s + GRACE_S, check=False
    )
    if done.returncode != 0:
        raise Broken(f"{command[0]} exited with {done.returncode}:\n{done.stderr}")
    return Seen(**json.loads(done.stdout.splitlines()[-1]))


def lua_script(case: Case) -> str:
    """The script that makes wrk send the case's request and report in JSON.

    >>> print(lua_script(Case("c", "POST", "/", None, {"a": "b"}, b"{}")).splitlines()[0:3])
    ['wrk.method = "\\\\080\\\\079\\\\083\\\\084"', 'wrk.body = "\\\\123\\\\125"', \
'wrk.headers["\\\\097"] = "\\\\098"']
    """
    lines = [f"wrk.method = {lua_string(case.http_method.encode())}"]
    if case.body:
        lines.append(f"wrk.body = {lua_string(case.body)}")
    for name, value in case.headers.items():
        lines.append(f"wrk.headers[{lua_string(name.encode())}] = {lua_string(value.encode())}")
    return "\n".join([*lines, REPORT])


def lua_string(data: bytes) -> str:
    """A Lua literal for any bytes."""
    return '"' + "".join(f"\\{byte:03d}" for byte in data) + '"'


REPORT: Final = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
