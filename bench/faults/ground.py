"""What every line stands on: backends, proxies, load, and how much of it.

Belongs here: starting things on the right cores and ending them. Does not: breaking them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from time import sleep, time
from typing import Any, Final

from bench.faults import api
from bench.figures import Unavailable
from bench.stand.backend import Canned, backend_command, python_backend
from bench.stand.generators import Generator, Load, go_generator, python_generator
from bench.stand.ledger import Entry, read_ledger
from bench.stand.processes import Cores, Process, free_port
from bench.stand.service import Service, write_folder
from bench.stand.traffic import Kind, Record, failed
from bench.stand.zone import MessageClasses

SHARE: Final = 0.7  # of the maximum that the same run has measured
MEASURE_S: Final = 4.0
WARM_UP_S: Final = 1.0
CONNECTIONS: Final = 64  # of a closed loop
MOST_CONNECTIONS: Final = 1024  # of an open one: a client that waits is no client
GO_WITHOUT: Final = "the backends need a Go toolchain and its module proxy"


@dataclass(frozen=True)
class Backend:
    """A server behind the proxy, on ports that it gets again when it comes back."""

    name: str
    command: tuple[str, ...]
    cores: Sequence[int]
    folder: Path
    grpc: str
    http: str
    ledger: Path

    @contextmanager
    def running(self) -> Iterator[Process]:
        """The process, listening; it ends with the context."""
        with self.start() as process:
            yield process

    def start(self) -> Process:
        """Start the process and wait until it listens."""
        process = Process(
            self.name,
            self.command,
            cores=self.cores,
            log=self.folder / f"{self.name}.log",
            announces=True,
        )
        try:
            process.announcement()
        except BaseException:
            process.stop()
            raise
        return process

    def done(self) -> list[Entry]:
        """What it was asked to do."""
        return read_ledger(self.ledger)


@dataclass(frozen=True)
class Ground:
    """Where a line runs.

    `fixed_rate`, in requests per second, takes the place of the share of the measured maximum:
    for short runs, which ask whether it holds and not how fast it is. `connections` bounds those
    of a load.
    """

    folder: Path
    cores: Cores
    generator: Generator
    backend_command: tuple[str, ...]
    descriptor_set: Path
    messages: MessageClasses
    fixed_rate: float = 0.0
    connections: int = MOST_CONNECTIONS
    numbers: Iterator[int] = field(default_factory=partial(count, 1))

    @classmethod
    def full(cls, folder: Path) -> "Ground":
        """With the programs in Go. Raises `Unavailable` where they cannot be built."""
        cores = Cores.here()
        command, _, compiled = backend_command()
        if not compiled:
            raise Unavailable(GO_WITHOUT)
        generator = go_generator(cores.load, folder)
        return cls(folder, cores, generator, tuple(command), *api.describe(folder))

    @classmethod
    def short(cls, folder: Path, *, rate: float, connections: int) -> "Ground":
        """With the programs in Python, which run wherever the proxy does."""
        cores = Cores.everywhere()
        command, _, _ = python_backend("")
        generator = python_generator(cores.load, folder)
        described = api.describe(folder)
        return cls(folder, cores, generator, tuple(command), *described, rate, connections)

    def backend(
        self,
        name: str,
        *,
        canned: Canned | None = None,
        grpc: str | None = None,
        delay_ms: float = 0.0,
    ) -> Backend:
        """A backend that is not started yet. `grpc` is where it serves gRPC."""
        number = next(self.numbers)
        manifest = self.folder / f"{name}-{number}.json"
        manifest.write_text((canned or api.answers(self.messages, name)).manifest())
        grpc = grpc or f"127.0.0.1:{free_port()}"
        http = f"127.0.0.1:{free_port()}"
        ledger = self.folder / f"{name}-{number}.ledger"
        command = [
            *self.backend_command,
            *("-manifest", str(manifest), "-grpc", grpc, "-http", http, "-ledger", str(ledger)),
            *("-delay", f"{delay_ms:g}ms"),
        ]
        cores = self.cores.load
        return Backend(f"{name}-{number}", tuple(command), cores, self.folder, grpc, http, ledger)

    def configuration(self, **options: Any) -> dict[str, Any]:
        """A configuration of the API."""
        return api.configuration(self.descriptor_set, **options)

    def service(self, configuration: Mapping[str, Any], *, workers: int = 1) -> Service:
        """The proxy with a configuration: alone on its core, or on all when there are several."""
        mappings = write_folder(self.folder / f"mappings-{next(self.numbers)}", configuration)
        return self.service_of(mappings, workers=workers)

    def service_of(self, mappings: Path, *, workers: int = 1) -> Service:
        """The proxy on a folder that is there."""
        cores = self.cores.proxy if workers == 1 else self.cores.all
        return Service(mappings, cores, workers=workers)

    def maximum(self, address: str, kinds: Sequence[Kind]) -> float:
        """Requests per second that are answered when each connection always has one on its way."""
        self._saturate(address, kinds, WARM_UP_S)
        records = self._saturate(address, kinds, MEASURE_S)
        good = len(records) - len(failed(records))
        return good / MEASURE_S

    def _saturate(self, address: str, kinds: Sequence[Kind], for_s: float) -> list[Record]:
        with self.generator.load(address, kinds, connections=CONNECTIONS, duration_s=for_s) as load:
            return load.wait()

    def rate(self, address: str, kinds: Sequence[Kind], share: float = SHARE) -> float:
        """How many requests per second to send: a share of the maximum, or what is fixed."""
        return self.fixed_rate or share * self.maximum(address, kinds)

    @contextmanager
    def load(
        self, address: str, kinds: Sequence[Kind], rate: float, **options: Any
    ) -> Iterator[Load]:
        """Open-loop load until the end of the context, at the latest."""
        options = {"connections": self.connections, **options}
        with self.generator.load(address, kinds, rate=rate, **options) as load:
            yield load

    def quiet(self, address: str, kinds: Sequence[Kind], rate: float, for_s: float) -> list[Record]:
        """The same load with nothing broken: what to compare with."""
        with self.load(address, kinds, rate, duration_s=for_s) as load:
            return load.wait()


def pause(for_s: float) -> float:
    """Let things go on for a while; the time afterwards, in microseconds since the epoch."""
    sleep(for_s)
    return time() * 1e6
