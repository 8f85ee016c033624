"""Names: a route's own, the upstream of a service, and guesses at misspelt ones."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

#: Where a new word begins in CamelCase: before a capital after a small letter or digit, and
#: before the last capital of a run ("HTTPBody" is two words).
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")


def default_route_name(rpc: str) -> str:
    """The name of a route whose entry gives none: its service and method.

    >>> default_route_name("dns.v1.RecordService.GetRecord")
    'record-service-get-record'
    >>> default_route_name("files.HTTPStore.get_v2")
    'http-store-get-v2'
    """
    service, method = rpc.split(".")[-2:]
    words = (word for part in (service, method) for word in _WORD_START.split(part) if word)
    return "-".join(words).lower()


class ServiceTable:
    """Which upstream serves a service: an entry for the name itself, else the longest package.

    >>> table = ServiceTable({"dns.v1.*": "dns", "dns.v1.Zones": "zones", "*": "rest"})
    >>> [table.find(service) for service in ("dns.v1.Zones", "dns.v1.a.B", "dns.v2.C")]
    ['zones', 'dns', 'rest']
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = dict(entries)

    def __repr__(self) -> str:
        return f"ServiceTable({self._entries!r})"

    def find(self, service: str) -> str | None:
        """The upstream's name, None when no entry covers *service*."""
        found = (self._entries.get(glob) for glob in _globs(service))
        return next((name for name in found if name is not None), None)


def _globs(service: str) -> Iterator[str]:
    """Every entry that would cover *service*, the most specific first."""
    yield service
    parts = service.split(".")
    for length in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:length]) + ".*"
    yield "*"


def service_of(rpc: str) -> str:
    """The full service name of a full method name."""
    return rpc.rpartition(".")[0]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A guess as the end of a sentence, or nothing.

    >>> did_you_mean("timout", ["timeout", "stage"])
    '; did you mean timeout?'
    """
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""
