"""Processes that use a state directory, for tests of what several of them do to it.

python -m tests.state.movers move DIRECTORY ROUTE COUNT     moves and prints each revision
python -m tests.state.movers lead DIRECTORY                 leads until its input ends
python -m tests.state.movers fork DIRECTORY                 leads, forks, and both say who does
python -m tests.state.movers temporary -                    closes in a child, then here
python -m tests.state.movers full DIRECTORY                 tries to move when no file may grow
"""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from proxy.cutover.moves import Action
from proxy.state.directory import StateDirectory
from proxy.state.errors import StateError
from proxy.state.moving import carry_out
from tests.cutover.plans import CANARY, move


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def move_often(directory: str, route: str, count: str) -> None:
    plans = {route: replace(CANARY, name=route)}
    with StateDirectory(Path(directory)) as state:
        for number in range(int(count)):
            each = move(Action.PERCENT, route=route, basis_points=number % 10_000)
            say(carry_out(state, each, plans, digest="d").revision)


def lead(directory: str) -> None:
    with StateDirectory(Path(directory)) as state:
        say(state.lead.try_lead())
        sys.stdin.read()


def lead_and_fork(directory: str) -> None:
    with StateDirectory(Path(directory)) as state:
        say(f"parent {state.lead.try_lead()}")
        child = os.fork()
        if not child:
            say(f"child {state.lead.try_lead()}")
            os._exit(0)
        os.waitpid(child, 0)
        say(f"parent {state.lead.try_lead()}")


def close_in_child(directory: str) -> None:
    state = StateDirectory.temporary()
    child = os.fork()
    if not child:
        state.close()
        say(f"child closed, there {state.path.exists()}")
        os._exit(0)
    os.waitpid(child, 0)
    state.close()
    say(f"parent closed, there {state.path.exists()}")


def move_when_full(directory: str) -> None:
    plans = {CANARY.name: CANARY}
    with StateDirectory(Path(directory)) as state:
        allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, allowed[1]))
        for each in (move(Action.PERCENT, basis_points=700), move(Action.KILL, on=True)):
            try:
                carry_out(state, each, plans, digest="d")
            except StateError as error:
                say(f"{type(error).__name__} {error}")
        say(f"killed {state.read().is_killed(0.0)}")
        # What measures this process writes a file when it ends.
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)


COMMANDS = {
    "move": move_often,
    "lead": lead,
    "fork": lead_and_fork,
    "temporary": close_in_child,
    "full": move_when_full,
}


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A process of this module; killed at the end if it has not ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.state.movers", *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(*words: object) -> list[str]:
    """What a process of this module prints until it ends."""
    with running(*words) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    return output.splitlines()


if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
