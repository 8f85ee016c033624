"""Where a server is, by a gRPC target.

Belongs here: the grammar of targets. Does not: looking names up (`dialing`).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

_DEFAULT_PORT: Final = 443
_NAME: Final = re.compile(r"[\w.-]+")
_SERVED: Final = "host:port, dns:///host:port, ipv4:, ipv6: or unix:"


@dataclass(frozen=True, slots=True)
class Target:
    """What a target names: hosts and ports, or the path of a Unix socket, and the authority."""

    authority: str
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""


def parse_target(text: str) -> Target:
    """Read a gRPC target. Raises `ValueError` for one that only grpcio serves.

    >>> parse_target("dns:///dns:50051")
    Target(authority='dns:50051', hosts=(('dns', 50051),), path='')
    >>> parse_target("unix:///run/dns.sock").path
    '/run/dns.sock'
    >>> parse_target("xds:///dns")
    Traceback (most recent call last):
    ValueError: is not a target of transport h2: host:port, dns:///host:port, ipv4:, ipv6: or unix:
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "unix":
        return _unix(rest)
    if colon and scheme in ("ipv4", "ipv6"):
        return _addresses(scheme, rest)
    # A host may be called dns; and no host is called like a port.
    if colon and scheme == "dns" and not rest.isdecimal():
        text = rest.removeprefix("///")
    host = _host(text)
    return Target(text, (host,))


def _refused() -> ValueError:
    return ValueError(f"is not a target of transport h2: {_SERVED}")


def _unix(rest: str) -> Target:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path or path.startswith("//"):
        raise _refused()
    return Target("localhost", path=path)


def _addresses(scheme: str, rest: str) -> Target:
    hosts = tuple(_host(part) for part in rest.split(","))
    if any((":" in host) != (scheme == "ipv6") for host, _ in hosts):
        raise _refused()
    return Target(rest.split(",")[0], hosts)


def _host(text: str) -> tuple[str, int]:
    """A host and its port; an IPv6 address in brackets, or bare without a port."""
    host, colon, port = text.rpartition(":")
    if not colon or _is_ipv6(text):
        host, port = text, ""
    if host[:1] == "[" and host[-1:] == "]" and _is_ipv6(host[1:-1]):
        host = host[1:-1]
    elif not _NAME.fullmatch(host) and not _is_ipv6(host):
        raise _refused()
    if not _is_port(port):
        raise _refused()
    return host, int(port or _DEFAULT_PORT)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16)
