"""The sticky key: what of a request keeps its client on one side.

Belongs here: where a key can come from, and reading it there. Whatever a client sends, reading
raises nothing and takes time in proportion to its length. Does not: what becomes of the key
(`bucket`, `pins`), nor whose word on the client's address is taken (`transcoding.forwarding`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from proxy.transcoding.percent import PercentError, decode_query
from proxy.transcoding.query import MAX_PARAMETERS

#: Characters of a key; a longer one counts as absent. As much as browsers keep of a cookie at
#: least (RFC 6265 §6.1), and more than session names and most tokens need; each is hashed.
MAX_KEY_CHARACTERS: Final = 4096


class HeaderLookup(Protocol):
    """The headers of a request by name, in any case; a name may be there more than once."""

    def get(self, key: str, /) -> str | None:
        """The first value, or None."""
        ...

    def getall(self, key: str, default: tuple[()], /) -> Sequence[str]:
        """All values in their order, or *default*."""
        ...


class Caller(NamedTuple):
    """What of a request says who sends it. *query* is raw, *client_address* by trusted hops."""

    headers: HeaderLookup
    query: str
    client_address: str


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """The value of a header as it came; of several, the first."""

    name: str

    def of(self, caller: Caller) -> str | None:
        """The key, None when it is absent, empty or too long."""
        return _usable(caller.headers.get(self.name))


@dataclass(frozen=True, slots=True)
class CookieKey:
    """The value of a cookie: of several, the first, as clients send the nearest path first.

    A pair of quotes around it is no part of it (RFC 6265 §4.1.1); nothing else is decoded. What is
    no cookie in a header is passed over.
    """

    name: str
    _search: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # White space is looked for behind a separator only, so that no run of it is read twice.
        pattern = rf"(?:^|;)[ \t]*{re.escape(self.name)}[ \t]*=([^;]*)"
        object.__setattr__(self, "_search", re.compile(pattern))

    def of(self, caller: Caller) -> str | None:
        """The key, None when it is absent, empty or too long."""
        for line in caller.headers.getall("cookie", ()):
            found = self._search.search(line)
            if found:
                return _usable(_unquoted(found[1].strip(" \t")))
        return None


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


@dataclass(frozen=True, slots=True)
class QueryKey:
    """The value of a query parameter, decoded as for a field; of several, the first.

    A query that cannot be decoded so far has no key: the gRPC side would refuse it anyway.
    """

    name: str

    def of(self, caller: Caller) -> str | None:
        """The key, None when it is absent, empty, too long or past `MAX_PARAMETERS`."""
        try:
            return _usable(_parameter(caller.query, self.name))
        except PercentError:
            return None


def _parameter(query: str, name: str) -> str | None:
    for piece in query.split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        given, _, value = piece.partition("=")
        # Letters and digits stand for themselves; most names are made of nothing else.
        if (given if given.isalnum() else decode_query(given)) == name:
            return decode_query(value)
    return None


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The client's address, as far as the proxies in front are trusted to tell it."""

    def of(self, caller: Caller) -> str | None:
        """The key, None when the address is not known (a Unix socket has none)."""
        return caller.client_address or None


StickySource = HeaderKey | CookieKey | QueryKey | ClientKey


def sticky_key(sources: Sequence[StickySource], caller: Caller) -> str | None:
    """The key from the first of *sources* that has one, else None. Raises nothing."""
    for source in sources:
        key = source.of(caller)
        if key is not None:
            return key
    return None


def _usable(key: str | None) -> str | None:
    return key if key and len(key) <= MAX_KEY_CHARACTERS else None
