"""Asking the DNS server that a target names, as in `dns://10.0.0.10/orders:50051`.

Belongs here: the use of dnspython. Does not: anything that needs no such server.
"""

from typing import Final

from dns.asyncresolver import Resolver
from dns.exception import DNSException

from proxy.upstreams.resolving import Unresolved
from proxy.upstreams.target import Address

#: How long the server may take for one question, repetitions included.
_TIMEOUT_S: Final = 5.0


class NamedServerResolver:
    """Asks one DNS server for the A and AAAA records of a name, which is taken as it stands."""

    __slots__ = ("_name", "_resolver", "_server")

    def __init__(self, name: Address, server: Address) -> None:
        self._name = name
        self._server = server
        # Nothing of the system's settings: no search list, no other servers.
        self._resolver = Resolver(configure=False)
        self._resolver.nameservers = [server.host]
        self._resolver.port = server.port
        self._resolver.lifetime = _TIMEOUT_S

    def __repr__(self) -> str:
        return f"<NamedServerResolver {self._name} at {self._server}>"

    async def resolve(self) -> tuple[Address, ...]:
        """The addresses as they are now. Raises `Unresolved`."""
        try:
            answers = await self._resolver.resolve_name(self._name.host, search=False)
        except (DNSException, OSError) as error:
            raise Unresolved(f"{self._name.host}: {error}") from error
        return tuple(dict.fromkeys(Address(host, self._name.port) for host in answers.addresses()))
