"""The kill switch as a file: on while it is there.

Belongs here: reading, making and removing that file. Does not: what follows (`cutover.decision`).

The file is the truth, so that the switch works with nothing but a shell: `touch kill` turns it
on for the next request, `rm kill` turns it off. What is inside says who and why, and until when
if the switch has an end. Whoever touches a file that is there already wants the switch on: it has
no end from then on.
"""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from proxy.cutover.moves import MAX_REASON_LENGTH, MAX_WHO_LENGTH
from proxy.cutover.overrides import KillSwitch
from proxy.state.document import storable
from proxy.state.files import opened, sync_directory, write_all

#: How far, in seconds, the time of a file may be from that of its content when nobody touched it;
#: some file systems keep times in steps of two seconds.
_TOUCHED_S: Final = 2.0

#: What is read of a file that somebody made by hand, in bytes.
_READ_BYTES: Final = 16 << 10


class KillFile:
    """The file *path*, whose being there is the kill switch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw_path = os.fsencode(path)

    def __repr__(self) -> str:
        return f"<KillFile {self.path} exists={self.exists}>"

    @property
    def exists(self) -> bool:
        """Whether the switch is on; one system call, about half a microsecond."""
        return os.access(self._raw_path, os.F_OK)

    def read(self) -> KillSwitch | None:
        """The switch, or None while it is off. What cannot be read is on all the same."""
        try:
            with opened(self.path, os.O_RDONLY | os.O_NONBLOCK) as descriptor:
                since_s = os.fstat(descriptor).st_mtime
                return _switch(os.read(descriptor, _READ_BYTES), since_s)
        except FileNotFoundError:
            return None
        except OSError as error:
            return KillSwitch(reason=f"{self.path} is there, but: {error.strerror}")

    def write(self, switch: KillSwitch) -> None:
        """Turn the switch on. It is on even if there was no room for who and why.

        Raises OSError when the file could not be made.
        """
        content = {
            "who": storable(switch.who),
            "reason": storable(switch.reason),
            "since_s": switch.since_s,
            "expires_s": switch.expires_s,
        }
        with opened(self.path, os.O_WRONLY | os.O_CREAT) as descriptor:
            try:
                os.ftruncate(descriptor, 0)
                write_all(descriptor, orjson.dumps(content))
            except OSError:
                # Half of a text would be shown as the reason, and could lose the end of the time.
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
        with suppress(OSError):  # it is on; without this it had no end
            os.utime(self.path, (switch.since_s, switch.since_s))
        with suppress(OSError):  # this is for a crash of the host
            sync_directory(self.path.parent)

    def remove(self) -> None:
        """Turn the switch off. Raises OSError."""
        self.path.unlink(missing_ok=True)


def _switch(content: bytes, made_s: float) -> KillSwitch:
    """The switch that *content* tells of; a text made by hand is its reason."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        text = content.decode("utf-8", "replace").strip()
        return KillSwitch(reason=text[:MAX_REASON_LENGTH], since_s=made_s)
    since_s = _seconds(found.get("since_s"))
    touched = since_s is None or abs(made_s - since_s) > _TOUCHED_S
    return KillSwitch(
        who=_text(found.get("who"))[:MAX_WHO_LENGTH],
        reason=_text(found.get("reason"))[:MAX_REASON_LENGTH],
        since_s=since_s or made_s,
        expires_s=None if touched else _seconds(found.get("expires_s")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
