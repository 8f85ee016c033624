"""Where a server is, by a gRPC target.

Belongs here: the grammar of targets. Does not: looking names up (`resolving`).
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

_DEFAULT_PORT: Final = 443
_DNS_PORT: Final = 53
_NAME: Final = re.compile(r"[\w.-]+")
_SERVED: Final = "host:port, dns:///host:port, dns://server/host:port, ipv4:, ipv6: or unix:"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One place to connect to: an IP address, or a host's name while it is not looked up."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_literal(self) -> bool:
        """Whether the host is an IP address, which needs no look-up."""
        return is_ip(self.host)


@dataclass(frozen=True, slots=True)
class Target:
    """What a target names: addresses, or the path of a Unix socket, and the authority.

    *dns_server* is the one to ask for the address's host, when it is not for the system to say.
    """

    authority: str
    hosts: tuple[Address, ...] = ()
    path: str = ""
    dns_server: Address | None = None

    @property
    def needs_resolver(self) -> bool:
        """Whether a name stands for the addresses, whatever they are at the time."""
        return len(self.hosts) == 1 and not self.hosts[0].is_literal


def parse_target(text: str) -> Target:
    """Read a gRPC target. Raises `ValueError` for one that only grpcio serves.

    >>> target = parse_target("dns:///dns:50051")
    >>> target.authority, target.hosts
    ('dns:50051', (Address(host='dns', port=50051),))
    >>> str(parse_target("dns://10.0.0.10/dns:50051").dns_server)
    '10.0.0.10:53'
    >>> parse_target("unix:///run/dns.sock").path
    '/run/dns.sock'
    >>> parse_target("vsock:1:2")
    Traceback (most recent call last):
    ValueError: is not a target of transport h2: host:port, dns:///host:port, \
dns://server/host:port, ipv4:, ipv6: or unix:
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme == "unix":
        return _unix(rest)
    if colon and scheme in ("ipv4", "ipv6"):
        return _addresses(scheme, rest)
    server = None
    # A host may be called dns; and no host is called like a port.
    if colon and scheme == "dns" and not rest.isdecimal():
        server, text = _dns_server(rest)
    return Target(text, (_address(text, _DEFAULT_PORT),), dns_server=server)


def _refused() -> ValueError:
    return ValueError(f"is not a target of transport h2: {_SERVED}")


def _unix(rest: str) -> Target:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path or path.startswith("//"):
        raise _refused()
    return Target("localhost", path=path)


def _addresses(scheme: str, rest: str) -> Target:
    hosts = tuple(_address(part, _DEFAULT_PORT) for part in rest.split(","))
    if any((":" in each.host) != (scheme == "ipv6") or not each.is_literal for each in hosts):
        raise _refused()
    return Target(rest.split(",")[0], hosts)


def _dns_server(rest: str) -> tuple[Address | None, str]:
    """The server that a dns target names, None for the system's, and the name to look up."""
    if not rest.startswith("//"):
        return None, rest
    server, slash, name = rest.removeprefix("//").partition("/")
    if not slash:
        raise _refused()
    if not server:
        return None, name
    address = _address(server, _DNS_PORT)
    if not address.is_literal:
        # Its name would have to be looked up first, by whom?
        raise _refused()
    return address, name


def _address(text: str, default_port: int) -> Address:
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
    return Address(host, int(port or default_port))


def is_ip(text: str) -> bool:
    """Whether *text* is an IP address.

    >>> is_ip("::1"), is_ip("127.0.0.1"), is_ip("localhost")
    (True, True, False)
    """
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16)
