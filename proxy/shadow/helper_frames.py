"""What a process says to its helper and hears from it: frames of bytes, and what is in them.

Belongs here: the form of both directions. Does not: the two ends (`helper`, `helper_process`).

Towards the helper the content of a frame is a pickle: it is our child, and runs our code. From the
helper it is JSON: it has read what strangers sent, and nothing that it says may be able to run.
"""

import json
import pickle
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from proxy.children import framed
from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Difference, Document, Excerpt, Obstacle
from proxy.comparison.kinds import Kind
from proxy.errors import Place, RequestError, StatusError
from proxy.shape.options import ShapeOptions
from proxy.status import Code, Detail, Status
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.httprule import HttpRule, Pattern
from proxy.transcoding.protojson import JsonOptions
from proxy.transcoding.protojson.codec import Values
from proxy.transcoding.request import RequestBuilder, RequestOptions
from proxy.transcoding.response import ResponseRenderer

#: Largest frame from a helper. 64 differences and some thousand paths take far less; a message in
#: JSON may take more, but not usefully.
MAX_REPLY_BYTES: Final = 64 << 20
#: How a rule spells the bodies that are no field.
_SELECTORS: Final = {Body.NONE: "", Body.WHOLE: Body.WHOLE.value}
#: JSON in one line has none: it ends what is JSON in a frame.
_END_OF_LINE: Final = b"\n"


class Definition(NamedTuple):
    """What a comparator is compiled from: *files* are serialized, dependencies first."""

    key: int
    files: tuple[bytes, ...]
    message: str
    field: str | None
    options: CompareOptions
    streams: bool


class RenderDefinition(NamedTuple):
    """What a renderer of answers is made from: those of the RPC *method*, or their *field*."""

    key: int
    files: tuple[bytes, ...]
    method: str
    field: str | None
    options: JsonOptions
    shape: ShapeOptions | None


class RenderJob(NamedTuple):
    """A message to be rendered by the renderer *key*, with *values* from elsewhere."""

    number: int
    key: int
    wire: bytes
    values: Values | None = None


class BuildDefinition(NamedTuple):
    """What a builder of requests is made from: an RPC *method*, its *rule*, both options."""

    key: int
    files: tuple[bytes, ...]
    method: str
    rule: HttpRule
    options: RequestOptions
    json_options: JsonOptions
    shape: ShapeOptions | None


class BuildJob(NamedTuple):
    """A request whose message is to be made by the builder *key*, and printed again."""

    number: int
    key: int
    captures: tuple[str, ...]
    query: str
    body: bytes
    content_type: str | None


class Refusal(NamedTuple):
    """A `RequestError` as it was raised, or a limit that was passed.

    *details* are those of its status: type URLs, and the bytes of the messages in hexadecimal.
    """

    message: str
    field: str
    code: int
    http_status: int
    headers: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: StatusError) -> "Refusal":
        """The refusal that an error is."""
        status = error.status
        return cls(
            status.message,
            error.field if isinstance(error, RequestError) else "",
            status.code.value,
            error.http_status,
            error.headers,
            tuple((each.type_url, each.value.hex()) for each in status.details),
        )

    @property
    def error(self) -> RequestError:
        """The error that it was. Raises `ValueError` for what none was."""
        error = RequestError(
            self.message, field=self.field, http_status=self.http_status, headers=self.headers
        )
        details = tuple(Detail(url, bytes.fromhex(value)) for url, value in self.details)
        error.status = Status(Code(self.code), self.message, details)
        return error


class Built(NamedTuple):
    """The *wire* form of a request's message and its body *printed* from that; or a *refusal*.

    *printed* is None where there is no JSON to compare with, and not *complete* where the message
    has no such form.
    """

    wire: bytes
    printed: bytes | None = None
    complete: bool = True
    refusal: Refusal | None = None


class Rendered(NamedTuple):
    """The JSON of a message, or why it has none."""

    body: bytes
    problem: str = ""


class Job(NamedTuple):
    """A pair to be compared by the comparator *key*."""

    number: int
    key: int
    legacy: Document
    grpc: Document


class Forget(NamedTuple):
    """The comparator, renderer or builder *key* is not needed any more."""

    key: int


Request = Definition | RenderDefinition | BuildDefinition | Job | RenderJob | BuildJob | Forget
Reply = Comparison | Rendered | Built


def request_frame(request: Request) -> bytes:
    """A frame for the helper."""
    return framed(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))


def read_request(content: bytes) -> Request:
    """What the parent said."""
    return cast(Request, pickle.loads(content))  # noqa: S301 - our parent


def definition_of(comparator: Comparator, key: int) -> Definition:
    """What the helper has to know to compile *comparator*."""
    answer: Descriptor = comparator.answer
    field: FieldDescriptor | None = comparator.field
    files: dict[str, bytes] = {}
    _collect(answer.file, files)
    return Definition(
        key,
        tuple(files.values()),
        answer.full_name,
        None if field is None else field.name,
        comparator.options,
        comparator.streams,
    )


def render_definition_of(renderer: ResponseRenderer, key: int) -> RenderDefinition:
    """What the helper has to know to render as *renderer* does."""
    method, field = renderer.binding.method, renderer.binding.response_body
    files: dict[str, bytes] = {}
    _collect(method.containing_service.file, files)
    return RenderDefinition(
        key,
        tuple(files.values()),
        method.full_name,
        None if field is None else field.name,
        renderer.options,
        cast(ShapeOptions | None, renderer.shape),
    )


def build_definition_of(builder: RequestBuilder, key: int) -> BuildDefinition:
    """What the helper has to know to build requests as *builder* does."""
    binding = builder.binding
    files: dict[str, bytes] = {}
    _collect(binding.method.containing_service.file, files)
    return BuildDefinition(
        key,
        tuple(files.values()),
        binding.rpc,
        _rule_of(binding),
        builder.options,
        builder.json_options,
        cast(ShapeOptions | None, builder.shape),
    )


def _rule_of(binding: Binding) -> HttpRule:
    """The rule of *binding* as it was written, as far as requests go by it."""
    body = _SELECTORS[binding.body] if isinstance(binding.body, Body) else binding.body.name
    pattern = Pattern(binding.http_method, binding.template.text)
    return HttpRule(binding.rpc, pattern, body, "", (), Place(binding.origin))


def _collect(file: FileDescriptor, files: dict[str, bytes]) -> None:
    """Add *file* and what it imports, what is imported first. Imports have no circles."""
    if file.name in files:
        return
    for dependency in file.dependencies:
        _collect(dependency, files)
    files[file.name] = file.serialized_pb


def reply_frame(number: int, comparison: Comparison) -> bytes:
    """A frame for the parent: what came of a comparison."""
    content = {
        "number": number,
        "differences": comparison.differences,
        "truncated": comparison.truncated,
        "rule_hits": [*comparison.rule_hits.items()],
        "fields": [*comparison.fields],
        "obstacle": comparison.obstacle,
    }
    return framed(json.dumps(content).encode())


def rendered_frame(number: int, rendered: Rendered) -> bytes:
    """A frame for the parent: a line of JSON, and the rendered bytes behind it as they are."""
    line = json.dumps({"number": number, "problem": rendered.problem}).encode()
    return framed(line + _END_OF_LINE + rendered.body)


def built_frame(number: int, built: Built) -> bytes:
    """A frame for the parent: a line of JSON, the message behind it, and what was printed of it."""
    facts = {
        "number": number,
        "wire": len(built.wire),
        "is_printed": built.printed is not None,
        "complete": built.complete,
        "refusal": built.refusal,
    }
    line = json.dumps(facts).encode()
    return framed(b"".join((line, _END_OF_LINE, built.wire, built.printed or b"")))


def read_reply(content: bytes) -> tuple[int, Reply]:
    """The number of a job and what came of it. Raises `ValueError` for anything else."""
    line, newline, body = content.partition(_END_OF_LINE)
    try:
        reply = json.loads(line)
        if "wire" in reply:
            return int(reply["number"]), _built(reply, body)
        if newline:
            return int(reply["number"]), Rendered(body, str(reply["problem"]))
        return int(reply["number"]), _comparison(reply)
    except (TypeError, KeyError) as error:
        raise ValueError("the helper's reply has another form") from error


def _built(reply: dict[str, Any], content: bytes) -> Built:
    if reply["refusal"] is not None:
        message, field, code, http_status, headers, details = reply["refusal"]
        pairs = (tuple((name, value) for name, value in each) for each in (headers, details))
        return Built(b"", refusal=Refusal(message, field, code, http_status, *pairs))
    wire, printed = content[: reply["wire"]], content[reply["wire"] :]
    return Built(wire, printed if reply["is_printed"] else None, bool(reply["complete"]))


def _comparison(reply: dict[str, Any]) -> Comparison:
    excerpt: Callable[[list[Any]], Excerpt] = Excerpt._make
    return Comparison(
        tuple(
            Difference(path, Kind(kind), times, excerpt(legacy), excerpt(grpc))
            for path, kind, times, legacy, grpc in reply["differences"]
        ),
        reply["truncated"],
        dict(reply["rule_hits"]),
        frozenset(reply["fields"]),
        None if reply["obstacle"] is None else Obstacle(reply["obstacle"]),
    )
