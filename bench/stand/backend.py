"""The backend behind every proxy: canned bytes, over gRPC and over plain HTTP.

It is a Go program, built on first use where a Go toolchain is present; elsewhere a Python
program does the same, slower than the proxies that it stands behind. `Backend.description`
says which one ran.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.figures import Unavailable
from bench.stand.golang import go_program
from bench.stand.processes import ROOT, Process

SOURCE: Final = ROOT / "bench" / "backend"
BINARY: Final = ROOT / "bench" / ".build" / "backend"


@dataclass(frozen=True, slots=True)
class RpcAnswers:
    """The serialized answers of one method, by the value of one varint field of the request.

    With `by_field` 0, or for a request without the field, the answer is that of the value 0.
    """

    answers: Mapping[int, bytes]
    by_field: int = 0


@dataclass(frozen=True, slots=True)
class Canned:
    """All that a backend can say: by full method name (`/package.Service/Method`), by target.

    Targets that are not among those are answered by their HTTP method.
    """

    rpc: Mapping[str, RpcAnswers] = field(default_factory=dict)
    http: Mapping[str, bytes] = field(default_factory=dict)
    http_by_method: Mapping[str, bytes] = field(default_factory=dict)

    def manifest(self) -> str:
        """The file that the backend programs read."""
        return json.dumps(
            {
                "rpc": self._rpc_part(),
                "http": http_part(self.http),
                "http_by_method": http_part(self.http_by_method),
            }
        )

    def _rpc_part(self) -> dict[str, object]:
        return {
            method: {
                "by_field": known.by_field,
                "answers": {str(key): base64_text(data) for key, data in known.answers.items()},
            }
            for method, known in self.rpc.items()
        }


def http_part(answers: Mapping[str, bytes]) -> dict[str, object]:
    """Answers over HTTP as the manifest has them."""
    return {
        key: {"content_type": "application/json", "body": base64_text(body)}
        for key, body in answers.items()
    }


@dataclass(frozen=True, slots=True)
class Backend:
    """A running backend; ports on 127.0.0.1."""

    description: str
    compiled: bool
    grpc_port: int
    http_port: int


@contextmanager
def running_backend(canned: Canned, cores: Sequence[int], folder: Path) -> Iterator[Backend]:
    """Start the best backend of this machine; it ends with the context."""
    manifest = folder / "manifest.json"
    manifest.write_text(canned.manifest())
    command, description, compiled = backend_command()
    started = Process(
        "backend",
        [*command, "-manifest", str(manifest)],
        cores=cores,
        log=folder / "backend.log",
        announces=True,
    )
    with started as process:
        ports = process.announcement()
        yield Backend(description, compiled, ports["grpc"], ports["http"])


def backend_command() -> tuple[list[str], str, bool]:
    """How to start the backend, what to call it in a report, and whether it is compiled."""
    try:
        go = go_program(SOURCE, BINARY)
    except Unavailable as reason:
        # The benchmark can still run.
        return python_backend(str(reason))
    return [str(BINARY)], f"{go_version(go)}, {grpc_go_version()}, net/http", True


def python_backend(reason: str) -> tuple[list[str], str, bool]:
    """The same in Python, and why it is used."""
    command = [sys.executable, "-m", "bench.stand.python_backend"]
    return command, f"Python, slower than the proxies before it ({reason})", False


def go_version(go: str) -> str:
    """The toolchain's version, such as `go1.25.1`."""
    asked = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def grpc_go_version() -> str:
    """The pinned version of grpc-go."""
    lines = (SOURCE / "go.mod").read_text().splitlines()
    pinned = next(line.split() for line in lines if "google.golang.org/grpc " in line)
    return f"grpc-go {pinned[-1]}"


def base64_text(data: bytes) -> str:
    """Bytes as JSON can carry them."""
    return base64.b64encode(data).decode()
