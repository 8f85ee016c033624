"""Forms that name the method that is meant: read before it is known which binding they are for.

Belongs here: when a form is read early, and how much of it. Does not: what its parameter means
(`routing.legacy_urls`).
"""

from proxy.errors import StatusError
from proxy.exchange.messages import Request
from proxy.routing.legacy_urls import LegacyRouteTable
from proxy.routing.table import Found, RouteTable


def form_reader(table: RouteTable) -> LegacyRouteTable | None:
    """*table* when forms may name methods in it, else None: nothing is read then."""
    return table if isinstance(table, LegacyRouteTable) and table.reads_forms else None


async def named_in_form(table: LegacyRouteTable, found: Found, request: Request) -> Found:
    """What the form in a request's body asks for; *found*, which its URL asks for, else.

    Read are forms that say how long they are, up to what the route takes that they could lead to.
    A form that cannot be read changes nothing: whoever answers finds that again.
    """
    content_type = request.headers.get("content-type")
    limit = table.form_limit(request.http_method, request.path, content_type)
    length = request.body.length
    if found.quirks or not limit or not length or length > limit:
        return found
    try:
        body = await request.body.read(limit)
    except StatusError:
        return found
    return table.find_by_form(request.path, content_type, body) or found
