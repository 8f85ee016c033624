"""The mark of mirrored calls, by which servers know them and proxies do not mirror them again.

Belongs here: the mark's secret, telling ours from what a client made up, taking it out of headers.
Does not: where it is added (`legs`), where it is taken out (`exchange`).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from secrets import token_hex
from typing import Final, TypeVar

from proxy.cutover.sticky import HeaderLookup
from proxy.state.files import opened, sync_directory, write_all
from proxy.transcoding.metadata import PREFIX

#: The file of a state directory with what the processes that share it mark their calls with.
MARK_FILE: Final = "shadow.mark"
#: Characters of a secret that is made here: 128 bits.
_SECRET_BYTES: Final = 16
#: A longer file is no secret of ours.
_MAX_SECRET_BYTES: Final = 4096

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Mark:
    """The header *header*, lower case, with the value *secret*; metadata of the same name."""

    header: str
    secret: str = field(repr=False)
    _prefixed: str = field(init=False, repr=False, compare=False)
    _digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prefixed", PREFIX + self.header)
        object.__setattr__(self, "_digest", _digest(self.secret))

    @property
    def pair(self) -> tuple[str, str]:
        """What a mirrored call carries."""
        return self.header, self.secret

    def is_in(self, headers: HeaderLookup) -> bool:
        """Whether *headers* have a mark, be it ours or not, or would make one as metadata."""
        return headers.get(self.header) is not None or headers.get(self._prefixed) is not None

    def is_ours(self, headers: HeaderLookup) -> bool:
        """Whether *headers* have the mark with our secret. Raises nothing.

        Digests are compared, in constant time: the secret cannot be learned from how long it takes.
        """
        lines = headers.getall(self.header, ())
        return bool(lines) and any(compare_digest(_digest(line), self._digest) for line in lines)

    def without(self, pairs: Iterable[tuple[str, Value]]) -> list[tuple[str, Value]]:
        """Headers or metadata without any mark, whatever the case of its name.

        >>> Mark("x-shadow", "s3cret").without([("X-Shadow", "1"), ("accept", "*/*")])
        [('accept', '*/*')]
        """
        names = self.header, self._prefixed
        return [pair for pair in pairs if pair[0].lower() not in names]

    def carried(
        self, headers: HeaderLookup, pairs: Iterable[tuple[str, Value]]
    ) -> tuple[tuple[str, Value | str], ...]:
        """*pairs* as they pass on: with our mark once if the request's *headers* have it."""
        kept = tuple(self.without(pairs))
        return (*kept, self.pair) if self.is_ours(headers) else kept


def load_mark(directory: Path, header: str, secret: str | None = None) -> Mark:
    """The mark with *secret*, else with that of the state *directory*, made there if need be.

    All processes of the directory have the same. Raises OSError, and ValueError when the file
    holds no secret.
    """
    return Mark(header.lower(), secret or _shared_secret(directory / MARK_FILE))


def _shared_secret(path: Path) -> str:
    """The secret in *path*. Two processes that make it at one time end with the same."""
    if not path.exists():
        _make_secret(path)
    with path.open("rb") as file:
        secret = file.read(_MAX_SECRET_BYTES + 1).decode("ascii", "replace").strip()
    if not secret or len(secret) > _MAX_SECRET_BYTES or not secret.isprintable():
        raise ValueError(f"{path} holds no secret; remove it, and another one is made")
    return secret


def _make_secret(path: Path) -> None:
    """Write a secret beside *path*, then give it the name: whoever sees the name sees it whole."""
    temporary = path.with_name(f"{path.name}.{token_hex(4)}.new")
    try:
        with opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            write_all(descriptor, token_hex(_SECRET_BYTES).encode())
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
        sync_directory(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape")).digest()
