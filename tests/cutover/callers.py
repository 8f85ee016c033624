"""Callers as the tests of the cutover need them: the headers are those that requests have."""

from collections.abc import Iterable

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.cutover.sticky import Caller


def caller(*headers: tuple[str, str], query: str = "", client_address: str = "192.0.2.7") -> Caller:
    return Caller(headers_of(headers), query, client_address)


def headers_of(pairs: Iterable[tuple[str, str]]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))
