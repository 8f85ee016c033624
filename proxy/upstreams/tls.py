"""The files that make a TLS connection to an upstream, read into memory.

Belongs here: what both kinds of upstream need for TLS. Does not: making a connection.
"""

from dataclasses import dataclass
from pathlib import Path

from proxy.errors import ConfigError, Place, Problem


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Where the TLS material of an upstream lies, as PEM files.

    Without *ca*, the system's authorities are trusted. *certificate* and *key* go together: the
    client certificate chain and its key. *server_name* is the name to verify, and to send as SNI,
    when it is not the host of the address.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a client certificate and its key go together")


def read_pem(path: Path | None) -> bytes | None:
    """The bytes of a PEM file, None without one. Raises `ConfigError` naming the file."""
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        problem = Problem(Place(str(path)), f"cannot be read: {error.strerror}")
        raise ConfigError([problem]) from error
