"""The process for what is large of mirrors: `python -m proxy.shadow.helper_process`.

Belongs here: reading jobs from standard input, doing them, answering on standard output. Does not:
who starts it, and how long it may take (`helper`).

It is as polite as a process can be: it yields the processor to everybody else, it may take so much
memory and no more, and it ends when its parent has: then its input ends.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import BinaryIO, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.children import read_frame
from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Obstacle
from proxy.comparison.requests import RequestComparator
from proxy.errors import StatusError, UpstreamError
from proxy.shadow.helper_frames import (
    BuildDefinition,
    BuildJob,
    Built,
    Definition,
    Forget,
    Job,
    Refusal,
    RenderDefinition,
    Rendered,
    RenderJob,
    Request,
    built_frame,
    read_request,
    rendered_frame,
    reply_frame,
)
from proxy.shape.codecs import codecs_of
from proxy.shape.requests import request_builder
from proxy.transcoding.binding import Binding, Body
from proxy.transcoding.bindrule import bind_rule
from proxy.transcoding.request import RequestBuilder
from proxy.transcoding.response import ResponseRenderer
from proxy.transcoding.template import parse_template

#: Sets of files whose descriptors are kept: tools of one service share them.
MAX_POOLS: Final = 16
#: Seconds that one job may take before the process ends itself: the parent has given up long
#: before, if it is still there to do so.
LONGEST_S: Final = 60
#: Signals that are meant for the parent and sent to all processes around it: by a terminal, by
#: whoever stops or reloads a service. The parent finishes what it has begun, with our help.
_NOT_MEANT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How much lower its priority is than that of its parent (nice(2)): half of the way down.
NICENESS: Final = 10


class Worker:
    """Compares pairs, makes messages and renders them by what it was told of."""

    def __init__(self) -> None:
        self._comparators: dict[int, Comparator] = {}
        self._renderers: dict[int, ResponseRenderer] = {}
        self._builders: dict[int, tuple[RequestBuilder, RequestComparator]] = {}
        self._pool_of = lru_cache(MAX_POOLS)(pool_of)

    def __repr__(self) -> str:
        tools = len(self._comparators), len(self._renderers), len(self._builders)
        return "<Worker comparators={} renderers={} builders={}>".format(*tools)

    def take(self, request: Request) -> bytes | None:
        """Do what is asked; gives the frame to answer with, None where no answer is wanted."""
        match request:
            case Job():
                return reply_frame(request.number, self._compare(request))
            case RenderJob():
                return rendered_frame(request.number, self._render(request))
            case BuildJob():
                return built_frame(request.number, self._build(request))
            case Definition():
                self._comparators[request.key] = compiled(request, self._pool_of(request.files))
            case RenderDefinition():
                self._renderers[request.key] = renderer_of(request, self._pool_of(request.files))
            case BuildDefinition():
                self._builders[request.key] = builder_of(request, self._pool_of(request.files))
            case Forget():
                self._comparators.pop(request.key, None)
                self._renderers.pop(request.key, None)
                self._builders.pop(request.key, None)
        return None

    def _compare(self, job: Job) -> Comparison:
        try:
            return self._comparators[job.key].compare(job.legacy, job.grpc)
        except MemoryError:
            return Comparison(obstacle=Obstacle.BUDGET)

    def _render(self, job: RenderJob) -> Rendered:
        try:
            return Rendered(self._renderers[job.key].render(job.wire, job.values).body)
        except UpstreamError as error:
            return Rendered(b"", error.status.message)

    def _build(self, job: BuildJob) -> Built:
        builder, requests = self._builders[job.key]
        try:
            message = builder.build(job.captures, job.query, job.body, job.content_type).message
        except StatusError as error:
            return Built(b"", refusal=Refusal.of(error))
        wire = message.SerializePartialToString()
        documents = requests.documents(job.body, message, job.content_type)
        if documents is None:
            return Built(wire)
        return Built(wire, documents[1].body, documents[1].complete)


def compiled(definition: Definition, pool: DescriptorPool) -> Comparator:
    """The comparator of *definition*, whose types are in *pool*."""
    answer = pool.FindMessageTypeByName(definition.message)
    field = None if definition.field is None else answer.fields_by_name[definition.field]
    return Comparator.compile(answer, field, definition.options, streams=definition.streams)


def renderer_of(definition: RenderDefinition, pool: DescriptorPool) -> ResponseRenderer:
    """The renderer of *definition*, whose types are in *pool*; the request is of no account."""
    method = pool.FindMethodByName(definition.method)
    field = definition.field and method.output_type.fields_by_name[definition.field]
    binding = Binding(
        method, "GET", parse_template("/"), (), Body.NONE, field or None, False, "helper"
    )
    codecs = codecs_of(pool, definition.options, definition.shape)
    return ResponseRenderer.compile(binding, codecs)


def builder_of(
    definition: BuildDefinition, pool: DescriptorPool
) -> tuple[RequestBuilder, RequestComparator]:
    """The builder of *definition*, whose types are in *pool*, and what prints its messages."""
    method, rule = pool.FindMethodByName(definition.method), definition.rule
    if rule.pattern is None:
        raise ValueError("a binding has a pattern")
    codecs = codecs_of(pool, definition.json_options, definition.shape)
    binding = bind_rule(method, rule, rule.pattern, fully_decode=False)
    builder = request_builder(binding, codecs, definition.options)
    return builder, RequestComparator.compile(builder, codecs)


def pool_of(files: tuple[bytes, ...]) -> DescriptorPool:
    """A pool of *files*, each after those that it imports."""
    pool = DescriptorPool()
    for file in files:
        pool.Add(FileDescriptorProto.FromString(file))
    return pool


def serve(source: BinaryIO, sink: BinaryIO, alarm: Callable[[int], object]) -> None:
    """Answer the frames of *source* on *sink*, until it ends.

    *alarm* is told before each job after how many seconds to end the process, and 0 behind it.
    """
    worker = Worker()
    while (content := read_frame(source)) is not None:
        alarm(LONGEST_S)
        reply = worker.take(read_request(content))
        alarm(0)
        if reply is not None:
            sink.write(reply)
            sink.flush()


def main(memory_bytes: int) -> None:
    """Confine this process, then serve."""
    for each in _NOT_MEANT:
        signal.signal(each, signal.SIG_IGN)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # Whatever else may print must not get between the frames.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin.buffer, answers, signal.alarm)
    except BrokenPipeError:
        # The parent is gone, and nobody waits for the rest.
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
