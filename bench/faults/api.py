"""The API that is served while things break: the example's records, over gRPC and over HTTP.

A request's id is in its path, so that the access log knows it, and in `x-request-id`, so that the
backends know it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from bench.stand.backend import Canned, RpcAnswers
from bench.stand.traffic import Kind
from bench.stand.zone import (
    METHODS,
    SERVICE,
    MessageClasses,
    compile_example,
    json_bytes,
    json_of_record,
    keep_methods,
)

GET: Final = f"{SERVICE}.GetRecord"
CREATE: Final = f"{SERVICE}.CreateRecord"
LIST: Final = f"{SERVICE}.ListRecords"
#: The names that these RPCs have as routes without one of their own.
GET_ROUTE: Final = "record-service-get-record"
CREATE_ROUTE: Final = "record-service-create-record"

JSON: Final = {"content-type": "application/json"}
READ: Final = Kind("read", "GET", "/v4/zones/example.com/records/{id}", weight=8)
READ_ALONE: Final = replace(READ, name="read-alone", weight=1, close=True)
WRITE: Final = Kind(
    "write",
    "POST",
    "/v4/zones/{id}/records",
    json_bytes({"host": "www", "type": "A", "ttl": "3600s", "ipv4": "192.0.2.1"}).decode(),
    JSON,
)
OTHER: Final = Kind("other", "GET", "/unmapped/{id}")
READS: Final = ("read", "read-alone")
#: Nine reads to a write, one read in ten over a connection of its own.
MIXED: Final = (READ, READ_ALONE, WRITE)

#: Lines that break something on purpose measure that, and not what guards against it.
UNGUARDED: Final[Mapping[str, str]] = {"fallback": "off", "breaker": "off", "rollback": "off"}


def describe(folder: Path) -> tuple[Path, MessageClasses]:
    """The descriptor set of the API in `folder`, and its messages."""
    path = folder / "dns.binpb"
    compile_example(path)
    keep_methods(path, METHODS)
    return path, MessageClasses(path.read_bytes())


def answers(messages: MessageClasses, comment: str = "") -> Canned:
    """What a backend says on either side; `comment` tells backends apart."""
    one = json_of_record(17) | {"comment": comment}
    record = RpcAnswers({0: messages.wire("Record", one)})
    return Canned(
        rpc={f"/{SERVICE}/GetRecord": record, f"/{SERVICE}/CreateRecord": record},
        http_by_method={method: json_bytes(one) for method in ("GET", "POST")},
    )


def configuration(
    descriptor_set: Path,
    *,
    legacy: str,
    grpc: str | Mapping[str, Any],
    defaults: Mapping[str, Any],
    routes: Sequence[Mapping[str, Any]] = (),
    **sections: Any,
) -> dict[str, Any]:
    """A configuration whose ports are free ones; `legacy` and `grpc` are `host:port`."""
    upstream = {"target": grpc, "plaintext": True} if isinstance(grpc, str) else dict(grpc)
    return {
        "version": 1,
        "listen": {"host": "127.0.0.1", "port": 0},
        "admin": {"host": "127.0.0.1", "port": 0},
        "descriptors": [{"descriptor_set": str(descriptor_set)}],
        "upstreams": {"legacy": {"url": f"http://{legacy}"}, "dns": upstream},
        "defaults": {"stage": "grpc", "timeout": "5s", **defaults},
        "routes": list(routes),
        "drain": {"wait": "0s", "timeout": "5s"},
        "debug": {"expose_side": True},
        **sections,
    }
