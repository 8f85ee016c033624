"""A PostgreSQL server of Debian's packages, for tests alone: its files and its socket are its own.

It refuses to run as root, so that root starts it as another user.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

#: The newest server that is installed, None for none.
BINARIES = max(
    Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: path.parent
)
#: How long the server may take to start or to stop, in seconds: far longer than it needs.
PATIENCE_S = 60


class PostgresServer:
    """A server on a socket in a directory of its own; start it, and remove it at the end."""

    def __init__(self) -> None:
        assert BINARIES is not None
        self._binaries = BINARIES
        self.directory = Path(tempfile.mkdtemp(prefix="cutover-pg-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _other_user()
        if self._user:
            os.chown(self.directory, self._user["user"], self._user["group"])
        initdb = (self._binaries / "initdb", "--no-sync", "--auth=trust", "--username=cutover")
        self._run(*initdb, "--encoding=UTF8", "--locale=C", "-D", self.directory / "data")

    @property
    def url(self) -> str:
        return f"postgresql://cutover@/postgres?host={self.directory}"

    def start(self) -> None:
        settings = ("listen_addresses=", f"unix_socket_directories={self.directory}", "fsync=off")
        options = [part for each in settings for part in ("-c", each)]
        command = [self._binaries / "postgres", "-D", self.directory / "data", *options]
        # To become another user a process is forked in earnest, and grpcio's handlers of forks can
        # end the child before it is a server.
        assert any(self._begins(command) for _ in range(5)), (self.directory / "log").read_text()

    def _begins(self, command: list[Any]) -> bool:
        """Start the server once; whether it came to be ready."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._user
            )
        deadline_s = time.monotonic() + PATIENCE_S
        ready = [self._binaries / "pg_isready", "-q", "-h", self.directory, "-t", "1"]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None:
                return False
            assert time.monotonic() < deadline_s
        return True

    def kill(self) -> None:
        """Let it end at once, with every connection, as a crash would."""
        self._stop(signal.SIGQUIT)

    def remove(self) -> None:
        self._stop(signal.SIGINT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _stop(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _run(self, *command: Any) -> None:
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **self._user)
        assert done.returncode == 0, done.stderr.decode()


def _other_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    names = {each.pw_name: each for each in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
