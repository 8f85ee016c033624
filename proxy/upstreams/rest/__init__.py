"""The legacy side: HTTP/1.1 requests passed on as they came, answers passed back.

Belongs here: connections to the legacy host, framing, the deadline of an answer. Does not: which
headers pass (`transcoding.forwarding`), and anything that looks into a body.

Over aiohttp's connection protocol and its C parser rather than its client session: the session
upper-cases methods, rewrites targets through a URL object, adds headers, merges others, repeats
requests on its own terms, and costs more than all the rest of a passed request.

What does not pass: trailers (the parser drops them) and upgrades such as WebSocket.
"""

from proxy.upstreams.rest.exchange import RestRequest
from proxy.upstreams.rest.options import RestOptions
from proxy.upstreams.rest.response import RestResponse
from proxy.upstreams.rest.upstream import RestUpstream

__all__ = ["RestOptions", "RestRequest", "RestResponse", "RestUpstream"]
