"""The process that compares large answers: `python -m proxy.shadow.helper_process`.

Belongs here: reading pairs from standard input, comparing them, answering on standard output. Does
not: who starts it, and how long it may take (`helper`).

It is as polite as a process can be: it yields the processor to everybody else, it may take so much
memory and no more, and it ends when its parent has: then its input ends.
"""

import os
import resource
import signal
import sys
from typing import BinaryIO, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from proxy.comparison.comparator import Comparator
from proxy.comparison.documents import Comparison, Obstacle
from proxy.shadow.helper_frames import (
    HEADER_BYTES,
    Definition,
    Forget,
    Job,
    read_request,
    reply_frame,
)

#: How much lower its priority is than that of its parent (nice(2)): half of the way down.
NICENESS: Final = 10


class Worker:
    """Compares pairs by the comparators that it was told of."""

    def __init__(self) -> None:
        self._comparators: dict[int, Comparator] = {}

    def __repr__(self) -> str:
        return f"<Worker comparators={len(self._comparators)}>"

    def take(self, request: Definition | Job | Forget) -> bytes | None:
        """Do what is asked; gives the frame to answer with, None where no answer is wanted."""
        if isinstance(request, Job):
            return reply_frame(request.number, self._compare(request))
        if isinstance(request, Definition):
            self._comparators[request.key] = compiled(request)
        else:
            self._comparators.pop(request.key, None)
        return None

    def _compare(self, job: Job) -> Comparison:
        try:
            return self._comparators[job.key].compare(job.legacy, job.grpc)
        except MemoryError:
            return Comparison(obstacle=Obstacle.BUDGET)


def compiled(definition: Definition) -> Comparator:
    """The comparator of *definition*, over a pool of its own."""
    pool = DescriptorPool()
    for file in definition.files:
        pool.Add(FileDescriptorProto.FromString(file))
    answer = pool.FindMessageTypeByName(definition.message)
    field = None if definition.field is None else answer.fields_by_name[definition.field]
    return Comparator.compile(answer, field, definition.options, streams=definition.streams)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer the frames of *source* on *sink*, until it ends."""
    worker = Worker()
    while len(header := source.read(HEADER_BYTES)) == HEADER_BYTES:
        reply = worker.take(read_request(source.read(int.from_bytes(header, "big"))))
        if reply is not None:
            sink.write(reply)
            sink.flush()


def main(memory_bytes: int) -> None:
    """Confine this process, then serve."""
    # A terminal interrupts all processes in front of it: the parent finishes what it has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # Whatever else may print must not get between the frames.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        # The parent is gone, and nobody waits for the rest.
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
