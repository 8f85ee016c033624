"""A document of the old API as a file.

Belongs here: reading it, and its limit. Does not: what it says (`config.documents`, `inventory`).
"""

from pathlib import Path
from typing import Final

from proxy.config.documents import Document, read_document
from proxy.config.source import SourceText
from proxy.errors import ConfigError, Place, Problem

#: Bytes of one document; the largest public ones have some 20 MB.
MAX_DOCUMENT_BYTES: Final = 64 * 1024 * 1024


def load_document(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> Document:
    """Read a document in JSON or YAML. Raises `ConfigError` when it cannot be read, or is none."""
    return read_document(SourceText(str(path), _text(path, max_bytes)))


def _text(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        text = data.decode()
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _refusal(path, f"is not UTF-8 text: byte {error.start + 1} is wrong") from error
    if len(data) > max_bytes:
        raise _refusal(path, f"has more than {max_bytes} bytes")
    return text


def _refusal(path: Path, message: str) -> ConfigError:
    return ConfigError([Problem(Place(str(path)), message)])
