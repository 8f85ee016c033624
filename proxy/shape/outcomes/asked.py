"""The request that an answer is for, as far as the answer depends on it.

Belongs here: values. Does not: what is made of them (the other modules of this package).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from google.protobuf.message import Message

#: A host as a URL may have it (RFC 3986 §3.2.2), with a port: clients may send anything.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class HeaderValues(Protocol):
    """The headers of a request, names in any case."""

    def get(self, name: str, /) -> str | None:
        """The first value of *name*."""
        ...

    def getall(self, name: str, default: tuple[()], /) -> "list[str] | tuple[()]":
        """Every value of *name*."""
        ...


class Client(NamedTuple):
    """What a client sent: *path* and *query* are raw, *scheme* is http or https."""

    http_method: str
    scheme: str
    path: str
    query: str
    headers: HeaderValues

    @property
    def reads(self) -> bool:
        """Whether it asked for a representation and for nothing to be done."""
        return self.http_method in ("GET", "HEAD")

    @property
    def origin(self) -> str:
        """The scheme and host that it used; "" for a host that no URL can have."""
        host = self.headers.get("host") or ""
        return f"{self.scheme}://{host}" if _HOST.fullmatch(host) else ""


class Turn(NamedTuple):
    """Which page is asked for."""

    page: int
    per_page: int
    first: int

    @property
    def skipped(self) -> int:
        """How many elements come before it."""
        return (self.page - self.first) * self.per_page


@dataclass(slots=True)
class Asked:
    """A request on its way: *query* is what of the client's query the message is made of.

    *turn* is None where there are no pages, or the client turns them by the API's own tokens.
    *message* is None until it is made; *metadata* goes with the call beside that of the route.
    """

    client: Client
    query: str
    turn: Turn | None = None
    per_page_given: bool = False
    message: Message | None = None
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    matches: bool = False


class Replied(NamedTuple):
    """What came back: the *wire* of the message, with metadata and trailers.

    *has_next* says whether more elements follow, None where only the message can say it.
    """

    wire: bytes
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    trailers: tuple[tuple[str, str | bytes], ...] = ()
    has_next: bool | None = None


#: Values of holes by their names.
Values = Mapping[str, Any]
