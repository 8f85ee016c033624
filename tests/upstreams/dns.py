"""A DNS server whose records the test changes, for targets `dns://127.0.0.1:port/name:port`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """Answers for any name with *addresses*; with *failure* when it is set.

    *is_silent* makes it answer nothing at all. *questions* counts what it was asked for.
    """

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.failure: dns.rcode.Rcode | None = None
        self.is_silent = False
        self.questions = 0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self.questions += 1
        if not self.is_silent:
            self._transport.sendto(self._answer(data), sender)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        if self.failure is not None:
            response.set_rcode(self.failure)
            return response.to_wire()
        question = query.question[0]
        wanted = dns.rdatatype.to_text(question.rdtype)
        found = [a for a in self.addresses if (":" in a) == (wanted == "AAAA")]
        if found:
            response.answer.append(dns.rrset.from_text(question.name, 0, "IN", wanted, *found))
        return response.to_wire()

    def target(self, port: int, name: str = "orders.example") -> str:
        """A target that asks this server for *name*."""
        return f"dns://127.0.0.1:{self.port}/{name}:{port}"


@asynccontextmanager
async def dns_server(*addresses: str) -> AsyncIterator[DnsServer]:
    """A DNS server on loopback."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: DnsServer(list(addresses)), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
