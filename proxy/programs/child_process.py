"""The process that runs programs: `python -m proxy.programs.child_process MEMORY_BYTES`.

Belongs here: reading jobs from standard input, running them, answering on standard output. Does
not: how long one may take (`pool`).

A program comes from the configuration, what it reads from strangers. It sees no environment, opens
no file, writes no log, and may take so much memory and no more; the process ends when its parent
has: then its input ends.
"""

import json
import os
import resource
import signal
import sys
from functools import lru_cache
from typing import Any, BinaryIO, Final

import jq

from proxy.children import framed, read_frame
from proxy.shape.programs import NO_VALUE, guarded, restored, wrapped

#: Compiled programs that are kept.
MAX_PROGRAMS: Final = 256
#: Seconds that one job may take before the process ends itself: the parent has given up long
#: before, if it is still there to do so.
LONGEST_S: Final = 15
#: Signals that are meant for the parent and sent to all processes around it.
_NOT_MEANT: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: The first byte of an answer: what the program gave, or why it gave nothing.
DONE: Final = b"+"
FAILED: Final = b"-"
#: What a process says when it is ready, before any job.
READY: Final = b"ready"


def run(program: Any, text: bytes) -> bytes:
    """The answer to one job."""
    try:
        made = program.input_text(guarded(text).decode()).text()
        if not made:
            raise ValueError(NO_VALUE)  # `halt` ends all of the program, with what is around it
        return DONE + restored(made.encode())
    except (ValueError, RecursionError) as error:
        return FAILED + str(error).encode(errors="replace")


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Say that it is ready, and answer the jobs of *source* on *sink*, until it ends.

    A job is the program's JSON text on a line, and what it reads behind it.
    """
    compiled = lru_cache(MAX_PROGRAMS)(jq.compile)
    sink.write(framed(READY))
    sink.flush()
    while (content := read_frame(source)) is not None:
        line, _, text = content.partition(b"\n")
        signal.alarm(LONGEST_S)
        answer = run(compiled(wrapped(json.loads(line))), text)
        signal.alarm(0)
        sink.write(framed(answer))
        sink.flush()


def main(memory_bytes: int) -> None:
    """Confine this process, then serve."""
    for each in _NOT_MEANT:
        signal.signal(each, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # `$ENV` and `env` have what is here, `debug` and `stderr` write there.
    os.environ.clear()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        # The parent is gone, and nobody waits for the rest.
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
