"""Commands against a running admin port, as an operator's shell runs them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.routing.snapshot import Snapshot
from proxy.state.directory import StateDirectory
from tests.admin.stand import ROUTES, TOKEN, Stand, stand_of
from tests.live.edge import CONFIG, LEGACY, OLD, descriptor_set


@dataclass
class Shell:
    """*folder* has the configuration, with the port and the token of *stand*."""

    stand: Stand
    folder: Path

    async def run(self, *arguments: str, code: int = 0, configured: bool = True) -> Result:
        """A command in a thread, since the port answers in this one."""
        given = [*arguments, *(["-c", str(self.folder)] if configured else [])]
        result = await asyncio.to_thread(invoke, given)
        assert result.exit_code == code, (result.output, result.exception)
        return result


def invoke(arguments: list[str]) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def write_operated(folder: Path, port: str) -> Path:
    """A configuration whose admin port is *port*, and whose state is beside it."""
    folder.mkdir()
    (folder / "edge.binpb").write_bytes(descriptor_set())
    (folder / "admin.token").write_text(f"{TOKEN}\n")
    own = f"admin: {{port: {port}, token_file: admin.token}}\nstate: {{directory: ../state}}\n"
    (folder / "cutover.yaml").write_text(CONFIG % (LEGACY, OLD) + ROUTES + own)
    return folder


@asynccontextmanager
async def shell_of(snapshot: Snapshot, place: Path) -> AsyncIterator[Shell]:
    async with stand_of(snapshot, StateDirectory(place / "state")) as stand:
        yield Shell(stand, write_operated(place / "mappings", stand.url.rpartition(":")[2]))
