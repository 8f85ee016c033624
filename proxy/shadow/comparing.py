"""Where the work on requests and answers is done: what is small at once, the rest in the helper.

Belongs here: that choice. Does not: what is compared, and what it costs (`metering`).

Large ones are built and rendered by the helper too: a thread would hold the interpreter, and with
it every request, for milliseconds at a time. What the helper cannot do is not done.
"""

from enum import Enum
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Document
from proxy.comparison.requests import RequestComparator
from proxy.errors import UpstreamError
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.routing.table import RouteBinding
from proxy.shadow.helper import Helper
from proxy.shadow.helper_frames import Built
from proxy.shadow.sample import Sample
from proxy.status import Code, Status
from proxy.transcoding.binding import Body
from proxy.transcoding.body import is_raw
from proxy.transcoding.descriptors import message_class
from proxy.transcoding.httpbody import Content
from proxy.transcoding.protojson import kinds as protojson
from proxy.transcoding.protojson.codec import Values
from proxy.transcoding.request import RequestBuilder
from proxy.transcoding.response import JSON_CONTENT, ResponseRenderer

#: Bytes of both bodies up to which a pair is compared on the event loop. Where every element of a
#: list differs, that takes a microsecond for each byte: no longer than to answer some dozen
#: requests.
INLINE_BYTES: Final = 8 << 10
#: Bytes of a message up to which it is rendered there. In JSON it has several times as many.
INLINE_WIRE_BYTES: Final = 8 << 10
#: Bytes of a request's body up to which its message is made and printed there: as much work, where
#: it holds many small messages.
INLINE_BODY_BYTES: Final = 8 << 10
#: Bytes of a message or a body with which it is done there all the same, when the helper cannot: it
#: may hold messages of any type, and only the whole pool knows all. Beyond, it is not done.
INLINE_UNCLOSED_BYTES: Final = 16 << 10

_JSON: Final = (("content-type", JSON_CONTENT),)


class Where(Enum):
    """Where some work is done."""

    HERE = "event loop"
    HELPER = "helper"
    NOWHERE = "nowhere"


class Made(NamedTuple):
    """A request's *message*; *documents* are its body and what the message makes of it.

    There are none where nothing of a body is to be compared.
    """

    message: Message
    documents: tuple[Document, Document] | None


class Comparing:
    """Compares pairs, makes and renders messages, of which *helper* has the large ones.

    *programs* are run for the bodies of bindings that have some.
    """

    def __init__(self, helper: Helper, programs: ProgramSteps | None = None) -> None:
        self._helper = helper
        self._programs = programs or ProgramSteps(ProgramPool())
        self._closed: WeakKeyDictionary[ResponseRenderer | RequestBuilder, bool] = (
            WeakKeyDictionary()
        )
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

    async def build(self, sample: Sample, requests: RequestComparator) -> Made | None:
        """The message of a request; None when the helper cannot say.

        Raises `RequestError` for a request that has none.
        """
        builder, body = sample.binding.request, sample.body
        content_type = sample.headers.get("content-type")
        if sample.binding.programs is not None:
            body = await self._programs.request(sample.binding.programs, body, content_type)
        input_type = builder.binding.method.input_type
        where = self._where(builder, input_type, len(body), INLINE_BODY_BYTES)
        if where is Where.HERE or _is_passed_on(builder):
            built = builder.build(sample.captures, sample.query, body, content_type)
            if builder.options.reads_form:
                return Made(built.message, None)
            return Made(built.message, requests.documents(body, built.message, content_type))
        if where is Where.NOWHERE:
            return None
        helped = await self._helper.build(
            builder, sample.captures, sample.query, body, content_type
        )
        return None if helped is None else _made(builder, body, helped)

    async def answer(
        self, binding: RouteBinding, wire: bytes, values: Values | None = None
    ) -> Content | None:
        """What a client gets of a message and *values*; None when the helper cannot say.

        Raises `UpstreamError` for a message that has no form as an answer.
        """
        content = await self.render(binding.response, wire, values)
        if content is None or binding.programs is None:
            return content
        return await self._programs.answer(binding.programs, content)

    async def render(
        self, renderer: ResponseRenderer, wire: bytes, values: Values | None = None
    ) -> Content | None:
        """What *renderer* makes of a message and *values*; None when the helper cannot say.

        Raises `UpstreamError` for a message that has no form as an answer.
        """
        output_type = renderer.binding.method.output_type
        where = self._where(renderer, output_type, len(wire), INLINE_WIRE_BYTES)
        if where is Where.HERE or renderer.raw:
            return renderer.render(wire, values)
        if where is Where.NOWHERE:
            return None
        rendered = await self._helper.render(renderer, wire, values)
        if rendered is None:
            return None
        if rendered.problem:
            raise UpstreamError(Status(Code.INTERNAL, rendered.problem), http_status=502)
        return Content(JSON_CONTENT, rendered.body)

    def _where(
        self, tool: ResponseRenderer | RequestBuilder, message: Descriptor, size: int, inline: int
    ) -> Where:
        """Where *tool* does its work on *size* bytes of a *message*."""
        if size <= inline:
            return Where.HERE
        known = self._closed.get(tool)
        if known is None:
            known = self._closed[tool] = is_closed(message)
        if known:
            return Where.HELPER
        return Where.HERE if size <= INLINE_UNCLOSED_BYTES else Where.NOWHERE


def _is_passed_on(builder: RequestBuilder) -> bool:
    """Whether bodies are no JSON, so that hardly anything is to be done with them."""
    return builder.binding.body is Body.NONE or is_raw(builder.binding)


def _made(builder: RequestBuilder, body: bytes, helped: Built) -> Made:
    """What the helper made. Raises `RequestError` where it was one."""
    if helped.refusal is not None:
        raise helped.refusal.error
    message = message_class(builder.binding.method.input_type).FromString(helped.wire)
    if helped.printed is None:
        return Made(message, None)
    printed = Document(200, _JSON, helped.printed, helped.complete)
    return Made(message, (Document(200, _JSON, body), printed))


def is_closed(message: Descriptor) -> bool:
    """Whether the files that lead to *message* are all that it can need.

    Not where it may hold messages of any type, or extensions: only the whole pool knows these.
    """
    every = protojson.reachable(message)
    fields = (field for each in every for field in each.fields)
    kinds = {protojson.field_kind(protojson.element(field)) for field in fields}
    return protojson.Kind.ANY not in kinds and not any(each.is_extendable for each in every)
