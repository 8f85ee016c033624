"""Where the legacy host is, and the limits that hold towards it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.upstreams.tls import TlsOptions


@dataclass(frozen=True, slots=True)
class RestOptions:
    """The options of the legacy upstream; times in seconds, sizes in bytes.

    *idle_timeout_s* is the longest pause within a response body, after the header; the deadline
    of a request covers the time up to the header. *expect_wait_s* is how long a body waits for a
    100 that its header asks for, before it is sent all the same: RFC 9110 §10.1.1 wants a bound
    and names none. *keepalive_s* is how long an unused connection
    is kept: less than common servers keep theirs (5 s), so that they seldom close one while a
    request is on its way. *max_connections* bounds open connections; further requests wait for
    one until their deadline. *buffer_bytes* is what is read ahead of a slow client, twice at
    most.
    """

    tls: TlsOptions | None = None
    connect_timeout_s: float = 5.0
    idle_timeout_s: float = 60.0
    expect_wait_s: float = 1.0
    keepalive_s: float = 4.0
    max_connections: int = 512
    buffer_bytes: int = 65536
    max_line_bytes: int = 65536
    max_header_bytes: int = 65536
    max_headers: int = 512


@dataclass(frozen=True, slots=True)
class Address:
    """The legacy host: where to connect to and what to call it in a Host header."""

    host: str
    port: int
    authority: str
    is_tls: bool


def parse_url(url: str) -> Address:
    """The address in an upstream's URL. Raises `ValueError`.

    >>> parse_url("http://legacy:8080")
    Address(host='legacy', port=8080, authority='legacy:8080', is_tls=False)
    >>> parse_url("http://legacy/v4")
    Traceback (most recent call last):
    ValueError: the URL of the legacy host is a scheme, a host and a port, nothing more
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the URL of the legacy host begins with http:// or https:// and a host")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("the URL of the legacy host is a scheme, a host and a port, nothing more")
    is_tls = parts.scheme == "https"
    return Address(parts.hostname, parts.port or (443 if is_tls else 80), parts.netloc, is_tls)
