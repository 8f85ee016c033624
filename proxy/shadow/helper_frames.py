"""What a process says to its helper and hears from it: frames of bytes, and what is in them.

Belongs here: the form of both directions. Does not: the two ends (`helper`, `helper_process`).

A frame is its length in four bytes, big-endian, and that many bytes. Towards the helper they are
pickles: it is our child, and runs our code. From the helper they are JSON: it has read what
strangers sent, and what it says must not be able to run anything.
"""

import json
import pickle
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from proxy.comparison.comparator import Comparator, CompareOptions
from proxy.comparison.documents import Comparison, Difference, Document, Excerpt, Obstacle
from proxy.comparison.kinds import Kind

#: Bytes of a frame's length.
HEADER_BYTES: Final = 4
#: Largest frame from a helper: 64 differences and some thousand paths take far less.
MAX_REPLY_BYTES: Final = 16 << 20


class Definition(NamedTuple):
    """What a comparator is compiled from: *files* are serialized, dependencies first."""

    key: int
    files: tuple[bytes, ...]
    message: str
    field: str | None
    options: CompareOptions
    streams: bool


class Job(NamedTuple):
    """A pair to be compared by the comparator *key*."""

    number: int
    key: int
    legacy: Document
    grpc: Document


class Forget(NamedTuple):
    """The comparator *key* is not needed any more."""

    key: int


def framed(content: bytes) -> bytes:
    """*content* as one frame."""
    return len(content).to_bytes(HEADER_BYTES, "big") + content


def request_frame(request: Definition | Job | Forget) -> bytes:
    """A frame for the helper."""
    return framed(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))


def read_request(content: bytes) -> Definition | Job | Forget:
    """What the parent said."""
    return cast(Definition | Job | Forget, pickle.loads(content))  # noqa: S301 - our parent


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


def _collect(file: FileDescriptor, files: dict[str, bytes]) -> None:
    """Add *file* and what it imports, what is imported first. Imports have no circles."""
    if file.name in files:
        return
    for dependency in file.dependencies:
        _collect(dependency, files)
    files[file.name] = file.serialized_pb


def reply_frame(number: int, comparison: Comparison) -> bytes:
    """A frame for the parent: what came of a job."""
    content = {
        "number": number,
        "differences": comparison.differences,
        "truncated": comparison.truncated,
        "rule_hits": [*comparison.rule_hits.items()],
        "fields": [*comparison.fields],
        "obstacle": comparison.obstacle,
    }
    return framed(json.dumps(content).encode())


def read_reply(content: bytes) -> tuple[int, Comparison]:
    """The number of a job and what came of it. Raises `ValueError` for anything else."""
    try:
        reply = json.loads(content)
        return int(reply["number"]), _comparison(reply)
    except (TypeError, KeyError) as error:
        raise ValueError("the helper's reply has another form") from error


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
