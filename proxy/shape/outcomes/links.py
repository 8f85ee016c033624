"""The `Link` header of a page (RFC 8288): where the pages around it are.

Belongs here: URLs of pages, made of the client's own. Does not: which pages there are (`paging`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from proxy.shape.outcomes.asked import Client, Turn
from proxy.shape.outcomes.options import Relation

#: What a URL may have beside letters and digits, escapes among it; no angle bracket.
_SAFE: Final = "%/:?#[]@!$&'()*+,;=~"


def link_value(
    relations: tuple[Relation, ...],
    parameter: str,
    client: Client,
    turn: Turn,
    pages: Mapping[str, Any],
    origin: str,
    reach: int | None = None,
) -> str | None:
    """The value of `Link`, None when no page is around.

    A link to the page itself is left out: the first page has no `first`, the last no `last`. So is
    one to a page after *reach*, which would be refused.
    """
    targets: dict[Relation, int | None] = {
        "first": turn.first,
        "prev": pages["@prev_page"],
        "next": pages["@next_page"],
        "last": _last(turn, pages["@total_pages"]),
    }
    links = [
        f'<{_page_url(parameter, client, target, origin)}>; rel="{relation}"'
        for relation in relations
        if (target := targets[relation]) is not None
        and target != turn.page
        and (reach is None or target <= reach)
    ]
    return ", ".join(links) or None


def _last(turn: Turn, total_pages: int | None) -> int | None:
    """The number of the last page: the first one, when there is nothing."""
    return None if total_pages is None else turn.first + max(total_pages, 1) - 1


def _page_url(parameter: str, client: Client, page: int, origin: str) -> str:
    """The client's URL with another page: all other parameters stay as it wrote them."""
    query = "&".join(_with_page(client.query, parameter, page))
    # Two slashes would begin the name of a host.
    path = "" if not origin and client.path.startswith("//") else client.path
    return origin + quote(f"{path}?{query}", safe=_SAFE)


def _with_page(query: str, parameter: str, page: int) -> Iterator[str]:
    ours, found = f"{quote(parameter, safe='')}={page}", False
    for part in query.split("&") if query else ():
        if unquote_plus(part.partition("=")[0]) == parameter:
            found = True
            yield ours
        else:
            yield part
    if not found:
        yield ours
