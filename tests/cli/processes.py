"""`cutover serve` as a process, and what it says."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.edge import CONFIG, LEGACY, OLD, descriptor_set
from tests.live.wire import PATIENCE_S

LISTEN = """
listen: {host: 127.0.0.1, port: %d}
admin: {host: 127.0.0.1, port: 0}
"""


def write_folder(place: Path, target: str, *, port: int = 0, legacy_url: str = "") -> Path:
    legacy = LEGACY.replace("http://127.0.0.1:1", legacy_url) if legacy_url else ""
    config = CONFIG.replace('"127.0.0.1:1"', f'"{target}"') % (legacy, OLD if legacy else "")
    (place / "edge.binpb").write_bytes(descriptor_set())
    (place / "cutover.yaml").write_text(config + LISTEN % port)
    return place


@dataclass
class Proxy:
    """A running `cutover serve` and what it says on stderr."""

    process: asyncio.subprocess.Process
    told: list[dict[str, Any]]

    async def tell(self, event: str, **fields: object) -> dict[str, Any]:
        """Read stderr until it says *event*, with those fields."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = await self.process.stderr.readline()
                assert line, f"it ended without a word of {event!r}: {self.told}"
                self.told.append(json.loads(line))
                if {"event": event, **fields}.items() <= self.told[-1].items():
                    return self.told[-1]

    async def end(self) -> tuple[int, bytes]:
        """The exit code and what was left on stdout, when it and all its children have ended."""
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await self.process.communicate()
        self.told += [json.loads(line) for line in errors.splitlines()]
        assert self.process.returncode is not None
        return self.process.returncode, output or b""


@asynccontextmanager
async def serving(
    place: Path,
    *options: str,
    cwd: Path | None = None,
    stdout: int = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.PIPE,
    through: tuple[str, ...] = (),
) -> AsyncIterator[Proxy]:
    """The command over the folder *place*; *cwd* is where its code is, *through* what starts it."""
    process = await asyncio.create_subprocess_exec(
        *through,
        *(sys.executable, "-m", "proxy", "serve", "--config", str(place), *options),
        stdout=stdout,
        stderr=stderr,
        cwd=cwd,
    )
    try:
        yield Proxy(process, [])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
