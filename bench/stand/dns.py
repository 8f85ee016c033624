"""A name server for one benchmark: a table of addresses that the benchmark changes."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

TTL_S: Final = 1


class NameServer(socketserver.ThreadingUDPServer):
    """Answers every question for an IPv4 address with `addresses`, all others with none."""

    daemon_threads = True
    addresses: Sequence[str] = ()

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)

    def __repr__(self) -> str:
        return f"<NameServer {self.port} {list(self.addresses)}>"

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        port: int = self.server_address[1]
        return port


class Answering(socketserver.BaseRequestHandler):
    """One question."""

    def handle(self) -> None:
        data, reply_to = self.request
        reply_to.sendto(answer(data, self.server.addresses), self.client_address)  # type: ignore[attr-defined]


def answer(data: bytes, addresses: Sequence[str]) -> bytes:
    """The answer to a question, both as they go over the wire."""
    query = dns.message.from_wire(data)
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    asked = query.question[0]
    if asked.rdtype == dns.rdatatype.A and addresses:
        response.answer.append(dns.rrset.from_text_list(asked.name, TTL_S, "IN", "A", addresses))
    return response.to_wire()


@contextmanager
def name_server(addresses: Sequence[str]) -> Iterator[NameServer]:
    """A name server in a thread; it ends with the context."""
    with NameServer() as server:
        server.addresses = addresses
        options: dict[str, Any] = {"kwargs": {"poll_interval": 0.05}, "daemon": True}
        thread = threading.Thread(target=server.serve_forever, **options)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
