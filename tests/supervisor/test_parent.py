"""The parent over workers that are forked from this process and do what a test says."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from proxy.supervisor.channel import Channel, Message
from proxy.supervisor.handover import Handover, WorkerLeft
from proxy.supervisor.parent import Parent, Plan
from proxy.supervisor.runtime import RuntimeDirectory, tally_name
from proxy.supervisor.worker import EXIT_BROKEN, Assignment, fork_worker
from proxy.telemetry import names
from proxy.telemetry.shared import SharedTallies
from proxy.telemetry.tally import Tally
from tests.alone import alone, alone_on, children

Script = Callable[[Assignment], object]


def say(assignment: Assignment, what: str, **facts: object) -> None:
    assert assignment.channel.send({"say": what, **facts})


def messages(assignment: Assignment) -> Iterator[Message]:
    """What the parent says, for as long as it lives."""
    os.set_blocking(assignment.channel.fileno(), True)
    while not assignment.channel.ended:
        yield from assignment.channel.receive()


def serve(assignment: Assignment, *, on_ready: Callable[[], object] = bool) -> int:
    """Serve as a worker does, from its first word to its last; *on_ready* is called in between."""
    SharedTallies(assignment.runtime.path, tally_name(assignment.serial)).write(Tally())
    say(assignment, "ready", serial=assignment.serial)
    on_ready()
    for message in messages(assignment):
        if message["do"] in ("drain", "retire"):
            say(assignment, "draining", within_s=5.0)
            return 0
        if message["do"] == "stop":
            to_parent(signal.SIGTERM)()
    return 0


def to_parent(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getppid(), number)


class Stage:
    """A parent of two. *scripts* has what the worker of a serial number does instead of serving."""

    def __init__(self, place: Path) -> None:
        self.scripts: dict[int, Script] = {}
        self.listening, self.admin = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.runtime = RuntimeDirectory.make([place])
        self.notes = place / "notes"
        self.told: list[Any] = []
        self.served: list[dict[str, Any]] = []
        self.trial: tuple[str, ...] = ("/bin/true",)

    def plan(self) -> Plan:
        return Plan(2, self._work, ("/nowhere/python",), self.trial)

    def _work(self, assignment: Assignment) -> int:
        code = self.scripts.get(assignment.serial, serve)(assignment)
        return code if isinstance(code, int) else 0

    def run(self, left: Handover | None = None) -> int:
        """Run the parent to its end, which a script has to bring about."""
        if left is None:
            parent = Parent(
                self.plan(),
                *(self.listening, self.admin),
                self.runtime,
                on_serving=self.served.append,
            )
        else:
            parent = Parent.resumed(self.plan(), left)
        with capture_logs() as self.told:
            return parent.run()

    def events(self) -> list[str]:
        return [line["event"] for line in self.told]

    def note(self, text: str) -> None:
        """Note, in a worker, what the test is to see."""
        with self.notes.open("a") as notes:
            notes.write(f"{text}\n")

    def noted(self) -> list[str]:
        return sorted(self.notes.read_text().splitlines())


@contextmanager
def staged(place: Path) -> Iterator[Stage]:
    """A stage; in the end nothing of it is left."""
    stage = Stage(place)
    yield stage
    assert not stage.runtime.path.exists(), "the runtime directory was left behind"
    for each in (stage.listening, stage.admin):
        each.close()


on_stage = alone_on(staged)


def stop(assignment: Assignment) -> int:
    """Serve, and have another worker end the service once the parent knows of this one."""
    return serve(assignment, on_ready=lambda: say(assignment, "pass", message={"do": "stop"}))


@on_stage
def test_it_starts_all_and_drains_all(stage: Stage) -> None:
    stage.scripts[2] = stop
    assert stage.run() == 0
    assert stage.served == [{"serial": 1}]
    assert stage.events().count("worker left") == 2
    assert stage.events()[-1] == "stopped"


@on_stage
def test_an_end_while_it_starts_starts_no_more(stage: Stage) -> None:
    def end_first(assignment: Assignment) -> int:
        to_parent(signal.SIGTERM)()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return serve(assignment)

    stage.scripts[1] = end_first
    assert stage.run() == 0
    assert stage.served == []
    assert stage.events()[-1] == "stopped"


@on_stage
def test_what_the_first_worker_cannot_do_none_can(stage: Stage) -> None:
    stage.scripts[1] = lambda _: 1
    assert stage.run() == 1
    assert stage.served == []
    assert stage.events() == []


def break_down(_: Assignment) -> int:
    raise ValueError("broken")


def leave(_: Assignment) -> int:
    raise SystemExit("text")


def be_killed(_: Assignment) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@alone
def test_a_first_worker_that_breaks_down_is_the_end_too(place: Path) -> None:
    for script in (break_down, leave, be_killed):
        with staged(place) as stage:
            stage.scripts[1] = script
            assert stage.run() == EXIT_BROKEN
            assert not children()


@on_stage
def test_one_that_dies_is_replaced_and_its_counts_stay(stage: Stage) -> None:
    def count_and_die(assignment: Assignment) -> int:
        tally = Tally()
        tally.put(names.REFUSED, ("inflight",), 5)
        SharedTallies(assignment.runtime.path, tally_name(assignment.serial)).write(tally)
        say(assignment, "ready")
        return 3

    def look(assignment: Assignment) -> int:
        merged = Tally()
        for other in SharedTallies(assignment.runtime.path, "reader").others():
            merged.merge(other)
        restarts = merged.families[names.WORKER_RESTARTS.name].samples
        stage.note(f"{merged.families[names.REFUSED.name].samples} {restarts[('died',)]}")
        return stop(assignment)

    stage.scripts[2] = count_and_die
    stage.scripts[3] = look
    assert stage.run() == 0
    died = next(line for line in stage.told if line["event"] == "worker died")
    assert (died["how"], died["worker"]) == ("exit code 3", 1)
    assert stage.noted()[0].startswith("{('inflight',): [5]}")


@on_stage
def test_signals_are_passed_to_all_workers(stage: Stage) -> None:
    def note(assignment: Assignment) -> int:
        say(assignment, "ready")
        if assignment.serial == 2:
            to_parent(signal.SIGHUP)()
        for message in messages(assignment):
            stage.note(str(dict(message)))
            if message["do"] == "reload" and assignment.serial == 2:
                to_parent(signal.SIGUSR1)()
            if message["do"] == "kill" and assignment.serial == 2:
                to_parent(signal.SIGTERM)()
            if message["do"] == "drain":
                return 0
        return 0

    stage.scripts |= {1: note, 2: note}
    assert stage.run() == 0
    reload = "{'do': 'reload', 'trigger': 'signal'}"
    assert stage.noted() == ["{'do': 'drain'}"] * 2 + ["{'do': 'kill'}"] * 2 + [reload] * 2


@on_stage
def test_what_one_worker_is_asked_for_the_others_are_told(stage: Stage) -> None:
    def ask(assignment: Assignment) -> int:
        message = {"do": "reload", "force": True}
        return serve(assignment, on_ready=lambda: say(assignment, "pass", message=message))

    def hear(assignment: Assignment) -> int:
        say(assignment, "ready")
        for message in messages(assignment):
            if message["do"] == "reload":
                stage.note(str(dict(message)))
                to_parent(signal.SIGTERM)()
            else:
                return 0
        return 0

    stage.scripts |= {1: hear, 2: ask}
    assert stage.run() == 0
    assert stage.noted() == ["{'do': 'reload', 'force': True}"]


@on_stage
def test_one_that_is_asked_to_end_goes_when_it_is_replaced(stage: Stage) -> None:
    def asked(assignment: Assignment) -> int:
        return serve(assignment, on_ready=lambda: say(assignment, "terminated"))

    stage.scripts |= {2: asked, 3: stop}
    assert stage.run() == 0
    assert "worker died" not in stage.events()
    assert stage.events().count("worker serves") == 3


@on_stage
def test_what_cannot_be_served_replaces_nothing(stage: Stage) -> None:
    stage.trial = ("/bin/sh", "-c", "echo broken; kill -TERM $PPID; exit 1")
    stage.scripts[2] = lambda one: serve(one, on_ready=to_parent(signal.SIGUSR2))
    assert stage.run() == 0
    assert len([each for each in stage.events() if each == "worker serves"]) == 2


@on_stage
def test_a_program_that_cannot_be_run_replaces_nothing(stage: Stage) -> None:
    def upgrade(assignment: Assignment) -> int:
        return serve(assignment, on_ready=lambda: ask_and_wait(stage.notes))

    def ask_and_wait(notes: Path) -> None:
        """Ask for an upgrade; when its trial is gone, the parent has acted on it."""
        to_parent(signal.SIGUSR2)()
        while not notes.exists() or not (pid := notes.read_text().strip()):
            continue
        while Path(f"/proc/{pid}").exists():
            continue
        to_parent(signal.SIGTERM)()

    stage.trial = ("/bin/sh", "-c", f"echo $$ >{stage.notes}")
    stage.scripts[2] = upgrade
    assert stage.run() == 0
    assert "nothing is replaced: the program cannot be run" in stage.events()
    assert stage.events().count("worker serves") == 2


@on_stage
def test_it_goes_on_where_the_program_before_it_stopped(stage: Stage) -> None:
    """Both old workers are replaced; the new ones do not serve before they are."""

    def old(assignment: Assignment) -> int:
        for message in messages(assignment):
            stage.note(f"{assignment.serial} {message['do']}")
            if assignment.serial == 2:
                to_parent(signal.SIGTERM)()
            return 0
        return 0

    left = []
    for slot in range(2):
        ours, theirs = Channel.pair()
        sockets = {"listening": stage.listening, "admin_listening": stage.admin}
        assignment = Assignment(
            slot, slot + 1, first=False, runtime=stage.runtime, channel=theirs, **sockets
        )
        pid = fork_worker(assignment, old, [ours])
        theirs.close()
        descriptor = os.dup(ours.fileno())
        ours.close()
        left.append(WorkerLeft(slot, slot + 1, pid, descriptor, "", True, False, None))
    SharedTallies(stage.runtime.path, tally_name(99)).write(Tally())
    handover = Handover(
        listening=os.dup(stage.listening.fileno()),
        admin_listening=os.dup(stage.admin.fileno()),
        runtime=str(stage.runtime.path),
        serial=2,
        restarts={"died": 4},
        workers=tuple(left),
    )
    assert stage.run(handover) == 0
    assert stage.noted() == ["1 retire", "2 retire"]
    assert stage.events()[0] == "rolling restart"
    assert stage.events().count("worker left") == 4


@on_stage
def test_the_kill_switch_waits_for_a_worker_that_serves(stage: Stage) -> None:
    """Both die; nobody who is there when it is asked for can turn it on."""

    def die(_: Assignment) -> int:
        to_parent(signal.SIGUSR1)()
        return 3

    def hear(assignment: Assignment) -> int:
        say(assignment, "ready")
        for message in messages(assignment):
            if message["do"] == "kill" and not stage.notes.exists():
                stage.note("kill")
                say(assignment, "killed")
                to_parent(signal.SIGTERM)()
            if message["do"] == "drain":
                return 0
        return 0

    stage.scripts |= {1: lambda one: serve(one, on_ready=lambda: os._exit(3)), 2: die, 3: hear}
    stage.scripts[4] = hear
    assert stage.run() == 0
    assert stage.noted() == ["kill"]
