"""The files that hold secrets: which ones there are, and what their content must be.

Belongs here: content to a secret, or to the problem with it. Does not: reading a file, which the
caller does (`Config.with_secrets`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from proxy.config.override import secret_fault
from proxy.errors import ConfigError, Place, Problem

#: Bytes of a secret's file; tokens of the largest kinds have a tenth of it.
MAX_SECRET_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file with a secret: its *path* as written, relative to the folder, and where it is named.

    A path that several keys name is one file for each of them.
    """

    path: str
    place: Place


def read_secrets(files: Iterable[SecretFile], read: Callable[[str], bytes]) -> Mapping[str, str]:
    """The secrets by path. Raises `ConfigError` with a problem for each file without a good one.

    *read* gives the content of a path as written, or raises `OSError`. White space at the ends of
    a file counts for nothing: editors and `echo` leave a line end.
    """
    found = [(file, _secret(file, read)) for file in files]
    problems = [secret for _, secret in found if isinstance(secret, Problem)]
    if problems:
        raise ConfigError(problems)
    return {file.path: secret for file, secret in found if isinstance(secret, str)}


def _secret(file: SecretFile, read: Callable[[str], bytes]) -> str | Problem:
    try:
        content = read(file.path)
    except (OSError, ValueError) as error:
        # No path can hold a NUL: that is a ValueError.
        why = getattr(error, "strerror", None) or error
        return Problem(file.place, f"cannot read {file.path}: {why}")
    secret = content.decode("ascii", "replace").strip()
    too_large = "is too large for a secret" if len(content) > MAX_SECRET_BYTES else None
    fault = too_large or secret_fault(secret)
    return secret if fault is None else Problem(file.place, f"{file.path} {fault}")


def digest_with(digest: str, secrets: Mapping[str, str]) -> str:
    """The digest of a configuration together with its secrets, which it does not give away."""
    if not secrets:
        return digest
    parts = (f"{path}\0{sha256(secret.encode()).hexdigest()}" for path, secret in secrets.items())
    return sha256("\0".join((digest, *sorted(parts))).encode()).hexdigest()
