"""What a program leaves to the next one in the same process."""

import os
import socket

import orjson
import pytest
from structlog.testing import capture_logs

from proxy.supervisor.handover import VARIABLE, Handover, WorkerLeft, replace_program

LEFT = Handover(
    listening=3,
    admin_listening=4,
    runtime="/somewhere",
    serial=7,
    restarts={"died": 1},
    workers=(WorkerLeft(0, 6, 123, 9, '{"say": "Ã', ready=True, leaving=False, due_s=None),),
)


def test_it_is_taken_once() -> None:
    environ: dict[str, str] = {}
    LEFT.leave(environ)
    assert Handover.take(environ) == LEFT
    assert environ == {}
    assert Handover.take(environ) is None


def test_it_is_not_for_a_child_that_inherits_it() -> None:
    environ: dict[str, str] = {}
    LEFT.leave(environ)
    value = orjson.loads(environ[VARIABLE]) | {"pid": os.getpid() + 1}
    assert Handover.take({VARIABLE: orjson.dumps(value).decode()}) is None


def test_an_unknown_form_is_refused() -> None:
    environ: dict[str, str] = {}
    LEFT.leave(environ)
    value = orjson.loads(environ[VARIABLE]) | {"form": 99}
    with pytest.raises(ValueError, match="unknown form"):
        Handover.take({VARIABLE: orjson.dumps(value).decode()})


def test_a_program_that_cannot_be_run_changes_nothing() -> None:
    with socket.socket() as kept, capture_logs() as told:
        replace_program(("/nowhere/python", "-m", "proxy"), LEFT, [kept])
        assert not kept.get_inheritable()
    assert told[-1]["event"] == "nothing is replaced: the program cannot be run"
    assert VARIABLE not in os.environ
