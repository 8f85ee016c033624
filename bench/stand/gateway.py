"""grpc-gateway as the peer: generated from the example's proto and built on first use.

Needs a Go toolchain and its module proxy. Nothing that is generated or built is committed.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import Unavailable
from bench.stand.processes import ROOT, Process
from bench.stand.zone import PROTO_FILE, proto_path

SOURCE: Final = ROOT / "bench" / "gateway"
BUILD: Final = ROOT / "bench" / ".build" / "gateway"
BINARY: Final = BUILD / "gateway"
MODULE: Final = "example.invalid/cutover-bench-gateway"

# The protoc plugins, at the versions that go.mod pins, and the protoc option of each.
PLUGINS: Final = {
    "google.golang.org/protobuf/cmd/protoc-gen-go": "go",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc": "go-grpc",
    "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway": "grpc-gateway",
}


def build_gateway() -> str:
    """Generate and build the gateway; returns its name and version.

    Raises `Unavailable` where that cannot be done.
    """
    go = shutil.which("go")
    if go is None:
        raise Unavailable("no Go toolchain")
    (BUILD / "dns").mkdir(parents=True, exist_ok=True)
    for source in SOURCE.iterdir():
        shutil.copy(source, BUILD)
    finish([go, "build", "-o", f"{BUILD / 'plugins'}/", *PLUGINS])
    finish(generate_command())
    finish([go, "build", "-trimpath", "-o", str(BINARY), "."])
    pinned = next(line.split() for line in open_go_mod() if "grpc-gateway/v2 " in line)
    return f"grpc-gateway {pinned[1]}"


def open_go_mod() -> list[str]:
    """The lines of the module file."""
    return (SOURCE / "go.mod").read_text().splitlines()


def generate_command() -> list[str]:
    """The call of protoc that writes the Go package of the example's API."""
    options = f"module={MODULE},M{PROTO_FILE}={MODULE}/dns"
    command = [sys.executable, "-m", "grpc_tools.protoc", *proto_path()]
    for package, option in PLUGINS.items():
        plugin = BUILD / "plugins" / package.rpartition("/")[2]
        command += [f"--plugin={plugin}", f"--{option}_out=.", f"--{option}_opt={options}"]
    return [*command, PROTO_FILE]


def finish(command: Sequence[str]) -> None:
    """Run one step of the build to its end."""
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command[:3])} failed: {done.stderr.strip()}")


def start_gateway(upstream_port: int, cores: Sequence[int], folder: Path) -> tuple[Process, str]:
    """Start the gateway that was built; returns the process and its base URL."""
    command = [str(BINARY), "-target", f"127.0.0.1:{upstream_port}"]
    log = folder / "gateway.log"
    process = Process("grpc-gateway", command, cores=cores, log=log, announces=True)
    return process, f"http://127.0.0.1:{process.announcement()['http']}"
