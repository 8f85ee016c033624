"""What is asked of the errors of a route, as values. Belongs here: the options; no behaviour.

They are hashable, since renderers are shared by them.
"""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from proxy.shape.holes import Document, Text

ErrorFormat = Literal[
    "status", "aip-193", "rfc9457", "grpc-gateway", "grpc-gateway-v1", "esp", "envoy"
]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Table(Generic[V]):
    """Values by what an error is; the first that has one counts, then *default*.

    *reasons* are those of `google.rpc.ErrorInfo`. *http* are HTTP statuses as they are without
    such a table. *names* are names of codes: they count where the HTTP status is the code's own,
    and not for what the proxy says of paths, HTTP methods and sizes.
    """

    reasons: tuple[tuple[str, V], ...] = ()
    http: tuple[tuple[int, V], ...] = ()
    names: tuple[tuple[str, V], ...] = ()
    default: V | None = None


@dataclass(frozen=True, slots=True)
class ErrorTemplate:
    """The body of errors, made of a document.

    *violation* is what each of its `{violations}` is, *error* each of its `{errors}`.
    """

    body: Document
    content_type: str = "application/json"
    violation: Document | None = None
    error: Document | None = None


@dataclass(frozen=True, slots=True)
class ErrorOptions:
    """How the errors of a route are written; a *template* takes the place of the *format*.

    *by_code* are the HTTP statuses of codes where they are not those of google.rpc. *headers* says
    that `grpc-status` and `grpc-message` are headers of errors as well. *reveal_upstream* is as
    `transcoding.errorbody.error_json` has it.
    """

    format: ErrorFormat = "status"
    template: ErrorTemplate | None = None
    by_code: tuple[tuple[str, int], ...] = ()
    statuses: Table[int] = Table()
    codes: Table[int | str] = Table()
    messages: Table[Text] = Table()
    headers: bool = False
    reveal_upstream: bool = False
