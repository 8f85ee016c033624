"""The files that make a TLS connection to an upstream: found, read and tried.

Belongs here: what all kinds of upstream need for TLS. Does not: making a connection.
"""

import ssl
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
        raise _refused(path, f"cannot be read: {error.strerror}") from error


def client_context(tls: TlsOptions) -> ssl.SSLContext:
    """The TLS context that verifies a server as *tls* says, and shows our certificate.

    Raises `ConfigError` naming the file that cannot be read or used: an authorities' file without
    a certificate must never mean that the system's are trusted.
    """
    read_pem(tls.ca)
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except ssl.SSLError as error:
        raise _refused(tls.ca, "holds no certificate that can be read") from error
    if tls.certificate is not None:
        read_pem(tls.certificate)
        read_pem(tls.key)
        try:
            # No password: without this, OpenSSL asks for one on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            message = f"is no certificate to which {tls.key} is the key, unencrypted"
            raise _refused(tls.certificate, message) from error
    return context


def _no_password() -> str:
    return ""


def _refused(path: Path | None, message: str) -> ConfigError:
    return ConfigError([Problem(Place(str(path)), message)])
