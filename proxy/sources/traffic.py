"""Files with requests of the past: access logs, HAR, either of them compressed with gzip.

Belongs here: opening, unpacking, limits, and what is wrong with a file. Does not: what a line says
(`inventory.hits`, `inventory.har`).
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, cast

from proxy.inventory.har import is_har, read_har
from proxy.inventory.hits import BadLine, Hit, parse_line

#: Bytes of one line; what is longer is skipped, and counted as bad.
MAX_LINE_BYTES: Final = 64 * 1024
#: Bytes of a HAR file, unpacked: it is one JSON value, and read as a whole.
MAX_HAR_BYTES: Final = 256 * 1024 * 1024
#: Bad lines of a file that are named; all are counted.
MAX_NAMED: Final = 5

_GZIP: Final = b"\x1f\x8b"
_PEEKED: Final = 512


@dataclass(slots=True)
class TrafficFile:
    """The hits of one file, and what it was once they were read.

    *bad* are lines, or entries of a HAR, that tell of no request; *named* the first of them, each
    with its number and what is wrong.
    """

    path: Path
    max_har_bytes: int = MAX_HAR_BYTES
    hits: int = 0
    bad: int = 0
    named: list[str] = field(default_factory=list)

    def read(self) -> Iterator[Hit]:
        """The hits, in the order of the file; memory does not grow with a log. Raises `OSError`."""
        with _opened(self.path) as file:
            try:
                yield from self._har(file) if is_har(_beginning(file)) else self._lines(file)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self._refuse("end", f"the compressed data breaks off or is broken: {error}")

    def _lines(self, file: BinaryIO) -> Iterator[Hit]:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                _skip_line(file)
                self._refuse(str(number), f"is longer than {MAX_LINE_BYTES} bytes")
            elif not line.isspace():
                yield from self._line(number, line)

    def _line(self, number: int, line: bytes) -> Iterator[Hit]:
        try:
            hit = parse_line(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
        except BadLine as error:
            self._refuse(str(number), str(error))
        else:
            self.hits += hit.times
            yield hit

    def _har(self, file: BinaryIO) -> Iterator[Hit]:
        data = file.read(self.max_har_bytes + 1)
        if len(data) > self.max_har_bytes:
            self._refuse("file", f"HAR of more than {self.max_har_bytes} bytes; split it")
            return
        try:
            for number, entry in enumerate(read_har(data), 1):
                if isinstance(entry, BadLine):
                    self._refuse(f"entry {number}", str(entry))
                    continue
                self.hits += entry.times
                yield entry
        except BadLine as error:
            self._refuse("file", str(error))

    def _refuse(self, where: str, message: str) -> None:
        self.bad += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(f"{self.path}:{where}: {message}")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _beginning(file: BinaryIO) -> bytes:
    """What a file begins with; it is read from the start afterwards."""
    beginning = file.read(_PEEKED)
    file.seek(0)
    return beginning


def _skip_line(file: BinaryIO) -> None:
    while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass
