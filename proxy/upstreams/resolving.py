"""Asking which addresses stand behind a name.

Belongs here: who can be asked, and asking the system. Does not: asking a DNS server that the
target names (`dns_server`), how often (`refreshing`), what is done with the answer (`members`).
"""

import asyncio
import socket
from typing import Protocol

from proxy.upstreams.target import Address, Target


class Unresolved(Exception):
    """There was no answer; the text says why."""


class Resolver(Protocol):
    """Who knows the addresses behind one name."""

    async def resolve(self) -> tuple[Address, ...]:
        """The addresses as they are now, without repeats, perhaps none. Raises `Unresolved`."""
        ...


def resolver_for(target: Target) -> Resolver:
    """Who is to be asked for the addresses of *target*, which is a name."""
    name = target.hosts[0]
    if target.dns_server is None:
        return SystemResolver(name)
    # Here, since few need it: the library takes a tenth of a second to load.
    from proxy.upstreams.dns_server import NamedServerResolver

    return NamedServerResolver(name, target.dns_server)


class SystemResolver:
    """Asks the system: the hosts file, DNS, whatever it is set up for."""

    __slots__ = ("_name", "_question")

    def __init__(self, name: Address) -> None:
        self._name = name
        self._question: asyncio.Task[tuple[Address, ...]] | None = None

    def __repr__(self) -> str:
        return f"<SystemResolver {self._name}>"

    async def resolve(self) -> tuple[Address, ...]:
        """The addresses as they are now. Raises `Unresolved`.

        One question at a time: each holds a thread until the system answers, even when nobody
        waits for it any more, and a DNS server that is silent must not take all of them.
        """
        question = self._question
        if question is None or question.done():
            question = self._question = asyncio.create_task(self._ask(), name=repr(self))
            # Whoever asked may have gone; then nobody looks at a failure.
            question.add_done_callback(_look_at)
        return await asyncio.shield(question)

    async def _ask(self) -> tuple[Address, ...]:
        host, port = self._name.host, self._name.port
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unresolved(f"{host}: {error}") from error
        return tuple(dict.fromkeys(Address(str(place[0]), port) for *_, place in infos))


def _look_at(question: "asyncio.Task[tuple[Address, ...]]") -> None:
    if not question.cancelled():
        question.exception()
