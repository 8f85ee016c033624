"""What an HTTP rule means once it is resolved against an RPC: values, no behaviour.

`transcoding.rules` makes them, `routing` matches them, `transcoding.request` compiles them.
"""

from dataclasses import dataclass
from enum import Enum

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from proxy.transcoding.template import PathTemplate, Variable


class Cardinality(Enum):
    """How many messages go each way."""

    UNARY_UNARY = "unary-unary"
    UNARY_STREAM = "unary-stream"
    STREAM_UNARY = "stream-unary"
    STREAM_STREAM = "stream-stream"

    @property
    def request_streams(self) -> bool:
        """Whether the client sends any number of messages."""
        return self in (Cardinality.STREAM_UNARY, Cardinality.STREAM_STREAM)

    @property
    def response_streams(self) -> bool:
        """Whether the server answers with any number of messages."""
        return self in (Cardinality.UNARY_STREAM, Cardinality.STREAM_STREAM)


class Body(Enum):
    """The body selectors that name no field; the third kind is a `FieldDescriptor`."""

    NONE = "none"
    WHOLE = "*"


@dataclass(frozen=True, slots=True)
class BoundVariable:
    """A template variable with the field that it fills: a path of singular messages to a leaf."""

    variable: Variable
    fields: tuple[FieldDescriptor, ...]

    @property
    def path(self) -> str:
        """The dotted proto path, `record.zone_id`."""
        return ".".join(self.variable.field_path)


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP rule (or additional binding) resolved against one RPC method.

    *http_method* is upper case for the five standard patterns, the kind as written for `custom`,
    and "*" for any method. *body* and *response_body* are `Body` or a top-level field.
    *origin* names where the rule stands, for people.
    """

    method: MethodDescriptor
    http_method: str
    template: PathTemplate
    variables: tuple[BoundVariable, ...]
    body: Body | FieldDescriptor
    response_body: FieldDescriptor | None
    fully_decode_reserved_expansion: bool
    origin: str

    @property
    def rpc(self) -> str:
        """The method's full name, `dns.v1.RecordService.GetZone`."""
        return self.method.full_name

    @property
    def cardinality(self) -> Cardinality:
        """How many messages go each way."""
        sends, answers = self.method.client_streaming, self.method.server_streaming
        return {
            (False, False): Cardinality.UNARY_UNARY,
            (False, True): Cardinality.UNARY_STREAM,
            (True, False): Cardinality.STREAM_UNARY,
            (True, True): Cardinality.STREAM_STREAM,
        }[sends, answers]
