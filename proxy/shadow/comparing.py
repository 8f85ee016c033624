"""Where comparing is done: what is small at once, what is large in the helper process.

Belongs here: that choice. Does not: what is compared, and what it costs (`metering`).

Large answers are rendered by the helper too: a thread would hold the interpreter, and with it every
request, for milliseconds at a time.
"""

from typing import Final
from weakref import WeakKeyDictionary

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document
from proxy.errors import UpstreamError
from proxy.shadow.helper import Helper
from proxy.status import Code, Status
from proxy.transcoding.httpbody import Content
from proxy.transcoding.protojson import kinds as protojson
from proxy.transcoding.response import JSON_CONTENT, ResponseRenderer

#: Bytes of both bodies up to which a pair is compared on the event loop: no longer than it takes
#: to answer a few requests.
INLINE_BYTES: Final = 16 << 10
#: Bytes of a message up to which it is rendered there. In JSON it has several times as many.
INLINE_WIRE_BYTES: Final = 8 << 10


class Comparing:
    """Compares pairs, of which *helper* has the large ones."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._closed: WeakKeyDictionary[ResponseRenderer, bool] = WeakKeyDictionary()
        #: Pairs that were compared on the event loop, and by the helper.
        self.inline = 0
        self.helped = 0

    def __repr__(self) -> str:
        return f"<Comparing inline={self.inline} helped={self.helped} {self._helper!r}>"

    async def compare(self, comparator: Comparator, legacy: Document, grpc: Document) -> Comparison:
        """What *comparator* says of a pair; an obstacle in it where it can say nothing."""
        if len(legacy.body) + len(grpc.body) > INLINE_BYTES:
            self.helped += 1
            return await self._helper.compare(comparator, legacy, grpc)
        self.inline += 1
        return comparator.compare(legacy, grpc)

    async def render(self, renderer: ResponseRenderer, wire: bytes) -> Content | None:
        """What *renderer* makes of a message; None when the helper cannot say.

        Raises `UpstreamError` for a message that has no form as an answer.
        """
        if renderer.raw or len(wire) <= INLINE_WIRE_BYTES or not self._can_help(renderer):
            return renderer.render(wire)
        rendered = await self._helper.render(renderer, wire)
        if rendered is None:
            return None
        if rendered.problem:
            raise UpstreamError(Status(Code.INTERNAL, rendered.problem), http_status=502)
        return Content(JSON_CONTENT, rendered.body)

    def _can_help(self, renderer: ResponseRenderer) -> bool:
        """Whether the helper can render as *renderer* does; looked up but once."""
        known = self._closed.get(renderer)
        if known is None:
            known = self._closed[renderer] = is_closed(renderer)
        return known


def is_closed(renderer: ResponseRenderer) -> bool:
    """Whether the files that an RPC leads to are all that its answers can need.

    Not where a message may hold one of any type, or extensions: only the whole pool knows these.
    """
    every = protojson.reachable(renderer.binding.method.output_type)
    fields = (field for message in every for field in message.fields)
    kinds = {protojson.field_kind(protojson.element(field)) for field in fields}
    return protojson.Kind.ANY not in kinds and not any(each.is_extendable for each in every)
