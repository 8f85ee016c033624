"""The state directory: read, and changed by one process at a time.

Belongs here: the order of writes, so that a crash at any moment leaves the old or the new state.
Does not: the meaning of a change (`moving`, `cutover.moves`), who looks when (`view`).

A change takes the lock, reads, decides, and then: the kill file if it is turned on; `state.json`
with its audit entry in one atomic rename (here it counts); the kill file if it is turned off; the
epoch; the audit log. An entry that a crash keeps from the log is added by the next change; a switch
that a crash keeps from being turned off stays on, and is seen to be.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from typing import Final, Self

import structlog

from proxy.cutover.overrides import KillSwitch, Overrides
from proxy.state.audit import AUDIT_BYTES, AuditLog
from proxy.state.document import AuditEntry, DamagedDocument, StateDocument, decode, encode
from proxy.state.epoch import Epoch
from proxy.state.errors import RevisionConflict, StateError
from proxy.state.files import DIRECTORY_MODE, mapped, replace_file, sync_directory
from proxy.state.kill_file import KillFile
from proxy.state.lock import LOCK_TIMEOUT_S, Lead, locked

_log: Final = structlog.get_logger("proxy.state")

#: The largest `state.json` that is read, in bytes: some 100,000 routes that were all moved.
STATE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What the audit log tells of a change, but for what it changed."""

    action: str
    who: str
    why: str
    route: str = ""
    digest: str = ""
    ttl_s: float | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a change comes to: the overrides, and in words what they were and are."""

    overrides: Overrides
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Committed:
    """A change that was kept."""

    overrides: Overrides
    entry: AuditEntry

    @property
    def revision(self) -> int:
        """The revision that the change has made."""
        return self.overrides.revision

    @property
    def audit_id(self) -> str:
        """The id of its line in the audit log."""
        return self.entry.id


class StateDirectory:
    """The state in the directory *path*, which is made, for its owner alone, if it is missing.

    Use it as a context manager, or `close` it. *clock* gives seconds of the Unix clock. It can be
    opened before a fork; only the lead belongs to one process. Raises StateError when the
    directory cannot be used, or what is in it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        clock: Callable[[], float] = time.time,
        audit_bytes: int = AUDIT_BYTES,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        self.path = path.absolute()
        self.durable = durable
        self.clock = clock
        self.kill = KillFile(self.path / "kill")
        self.lead = Lead(self.path / "ramp.lock")
        self._state_path = self.path / "state.json"
        self._accepted_path = self.path / "accepted"
        self._audit = AuditLog(self.path, audit_bytes)
        self._lock_timeout_s = lock_timeout_s
        self._made_by: int | None = None
        try:
            self.path.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
            self._epoch = Epoch(self.path / "epoch")
        except OSError as error:
            raise StateError(f"the state directory cannot be used: {error}") from error
        self.read()

    @classmethod
    def temporary(cls, clock: Callable[[], float] = time.time) -> Self:
        """A directory for as long as this process lives: moves do not survive it."""
        made = cls(Path(tempfile.mkdtemp(prefix="cutover-state-")), durable=False, clock=clock)
        made._made_by = os.getpid()
        return made

    def __repr__(self) -> str:
        return f"<StateDirectory {self.path} durable={self.durable}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lead back; remove the directory if it was temporary and made by this process."""
        self.lead.resign()
        if self._made_by == os.getpid():
            rmtree(self.path, ignore_errors=True)

    def epoch(self) -> Epoch:
        """A view of the counter of changes, for one reader. Raises OSError."""
        return Epoch(self.path / "epoch")

    def shared_memory(self, name: str, size: int) -> memoryview:
        """*size* bytes under *name* that all processes of the directory share; zeros at first.

        Raises OSError. They outlive the processes, but nothing makes them certain to outlive the
        host: for what may be lost.
        """
        return mapped(self.path / name, size)

    def read(self) -> Overrides:
        """What was moved, with the kill switch. Takes no lock. Raises StateError."""
        return replace(self._document().overrides, kill=self.kill.read())

    def commit(
        self,
        change: Callable[[Overrides], Change],
        facts: Facts,
        *,
        if_revision: int | None = None,
    ) -> Committed:
        """Change the state, for all processes and for good.

        *change* is called with what holds, while the lock is held; what it raises goes through,
        with nothing changed. So do RevisionConflict, if the state is not at *if_revision* any
        more, and StateError, if the disk or the lock fails. Blocks for the time of three to five
        flushes of the disk: a few milliseconds on a good one, and for 5 s at most for its turn.
        """
        with locked(self.path / "lock", self._lock_timeout_s):
            self.check_place()
            document = self._document()
            current = replace(document.overrides, kill=self.kill.read())
            if if_revision is not None and if_revision != current.revision:
                raise RevisionConflict(if_revision, current.revision)
            changed = change(current)
            overrides = changed.overrides.following(current)
            entry = self._entry(facts, changed, overrides.revision)
            self._complete_audit(document.entry)
            self._keep(StateDocument(overrides, entry), current.kill)
            return Committed(overrides, entry)

    def note(self, facts: Facts, before: str = "", after: str = "") -> Committed:
        """Tell the audit log of what changes nothing here, such as a reload. As `commit`."""
        return self.commit(lambda overrides: Change(overrides, before, after), facts)

    def accept(self, digest: str, facts: Facts) -> Committed:
        """Take the configuration *digest* by force, in all processes. As `commit`."""
        committed = self.note(facts, self.accepted() or "", digest)
        with locked(self.path / "lock", self._lock_timeout_s):
            replace_file(self._accepted_path, digest.encode())
            self._epoch.bump()
        return committed

    def accepted(self) -> str | None:
        """The digest of the configuration that was last taken by force. Raises StateError."""
        try:
            return self._accepted_path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._accepted_path} cannot be read: {error.strerror}") from error

    def read_audit(self, limit: int, route: str | None = None) -> Iterator[AuditEntry]:
        """The last *limit* changes, or those of *route*, the newest first. Raises StateError."""
        entries = (each for each in self._entries() if route is None or each.route == route)
        return islice(entries, limit)

    def _entries(self) -> Iterator[AuditEntry]:
        """The log, with the last change even if a crash kept it from the log; each one once."""
        last = self._document().entry
        previous = ""
        for entry in self._audit.newest():
            if last is not None and last.revision > entry.revision:
                yield last
                previous = last.id
            last = None
            if entry.id != previous:
                yield entry
            previous = entry.id
        if last is not None:
            yield last

    def check_place(self) -> None:
        """Raise StateError if the directory was removed or replaced under this process."""
        if not self._epoch.is_ours:
            raise StateError(
                f"{self.path} was removed or replaced while it was in use: start the service anew"
            )

    def _document(self) -> StateDocument:
        try:
            with self._state_path.open("rb") as file:
                content = file.read(STATE_BYTES + 1)
            if len(content) > STATE_BYTES:
                raise StateError(f"{self._state_path} is larger than {STATE_BYTES} bytes")
            return decode(content)
        except FileNotFoundError:
            return StateDocument()
        except OSError as error:
            raise StateError(f"{self._state_path} cannot be read: {error.strerror}") from error
        except DamagedDocument as error:
            raise StateError(f"{self._state_path} cannot be understood: {error}") from error

    def _entry(self, facts: Facts, changed: Change, revision: int) -> AuditEntry:
        time_text = datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")
        return AuditEntry(
            id=f"{revision}-{token_hex(4)}",
            time=time_text.replace("+00:00", "Z"),
            who=facts.who,
            why=facts.why,
            action=facts.action,
            route=facts.route,
            before=changed.before,
            after=changed.after,
            digest=facts.digest,
            revision=revision,
            ttl_s=facts.ttl_s,
            gate=facts.gate,
        )

    def _keep(self, document: StateDocument, before: KillSwitch | None) -> None:
        """Write what changed, in the order in which a crash can do no harm. Raises OSError."""
        kill = document.overrides.kill
        if kill is not None and kill != before:
            self.kill.write(kill)
        replace_file(self._state_path, encode(document))
        if kill is None and before is not None:
            self.kill.remove()
        self._epoch.bump()
        # It counts from here on. What follows cannot undo it, so that its failure is no refusal.
        try:
            sync_directory(self.path)
            self._complete_audit(document.entry)
        except OSError as error:
            _log.error("a change counts, but may not survive a crash", problem=str(error))

    def _complete_audit(self, entry: AuditEntry | None) -> None:
        if entry is not None and not self._audit.ends_with(entry):
            self._audit.append(entry)
