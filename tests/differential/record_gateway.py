"""Record what grpc-gateway does with the requests: `python -m tests.differential.record_gateway`.

Belongs here: building grpc-gateway for the API of this test, with the versions that the benchmark
pins, sending it every request once, and writing what came of it to `gateway.json`. Does not:
comparing (`test_gateway`), which needs none of this: no Go, no module proxy.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.stand.gateway import MODULE, PLUGINS, SOURCE
from tests.differential import backend as echo
from tests.differential.outcomes import Outcome, as_facets
from tests.differential.schema import FOLDER
from tests.differential.stand import Request, Stand
from tests.differential.tables import RECORDED, requests
from tests.sources.compiled import include_paths

_PROTO: Final = "oracle.proto"


def build(folder: Path) -> Path:
    """Generate and build the gateway in *folder*; gives the program."""
    (folder / "oracle").mkdir()
    for source in (SOURCE / "go.mod", SOURCE / "go.sum", FOLDER / "gateway" / "main.go"):
        shutil.copy(source, folder)
    shutil.copy(FOLDER / _PROTO, folder)
    _run(folder, "go", "build", "-o", "plugins/", *PLUGINS)
    options = f"module={MODULE},M{_PROTO}={MODULE}/oracle"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}"]
    command += [f"-I{path}" for path in include_paths()]
    for package, option in PLUGINS.items():
        plugin = folder / "plugins" / package.rpartition("/")[2]
        command += [f"--plugin={plugin}", f"--{option}_out=.", f"--{option}_opt={options}"]
    _run(folder, *command, _PROTO)
    _run(folder, "go", "build", "-trimpath", "-o", "gateway", ".")
    return folder / "gateway"


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True)


@asynccontextmanager
async def gateway(program: Path, backend_port: int) -> AsyncIterator[int]:
    """The gateway before the backend; gives its port. It ends with its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(program, "-target", f"127.0.0.1:{backend_port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["http"]
    finally:
        process.stdin.close()
        await process.wait()


async def record(program: Path) -> dict[str, Any]:
    """What came of each request, by its id."""
    async with echo.serve() as backend, gateway(program, backend.port) as port:
        stand = Stand(backend, 0, {"gateway": port})
        return {
            name: as_facets(await _outcome(stand, Request.of(case)))
            for name, case in requests().items()
        }


async def _outcome(stand: Stand, request: Request) -> Outcome:
    return await stand.ours(request, "gateway")


def version() -> str:
    """The version of grpc-gateway that is pinned."""
    lines = (SOURCE / "go.mod").read_text(encoding="utf-8").splitlines()
    return next(line.split()[1] for line in lines if "grpc-gateway/v2 " in line)


def main() -> None:
    """Build, record, write."""
    with TemporaryDirectory() as folder:
        outcomes = asyncio.run(record(build(Path(folder))))
    about = f"What grpc-gateway {version()} made of `requests.json`, by `record_gateway`."
    lines = (f"  {json.dumps(name)}: {json.dumps(told)}" for name, told in outcomes.items())
    text = f'{{\n "about": {json.dumps(about)},\n "outcomes": {{\n' + ",\n".join(lines)
    RECORDED.write_text(text + "\n }\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
