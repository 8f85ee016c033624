"""A configuration folder, loaded into a snapshot with all that it names.

Belongs here: the order of reading, and doing it again when files change meanwhile. What is opened
here is closed here. Does not: serving a snapshot (`cli.generation`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import grpc

from proxy.cli.aside import aside
from proxy.cli.upstreams import grpc_options, grpc_tls, legacy_tls, tls_problems
from proxy.config.load import load_config
from proxy.config.resolved import Config
from proxy.config.schema import Settings
from proxy.config.secret_files import MAX_SECRET_BYTES
from proxy.errors import ConfigError, Place, Problem
from proxy.evidence import EvidenceError, read_key
from proxy.routing.schema import Schema, examine_schema
from proxy.routing.snapshot import Snapshot, build_snapshot
from proxy.sources.fingerprint import Inputs, descriptor_inputs, inputs_of
from proxy.sources.folder import read_folder
from proxy.sources.load import Loaded, load_descriptors
from proxy.upstreams.grpc.options import make_channel
from proxy.upstreams.h2 import parse_target

#: Loads of a folder whose files change while they are read. A deployment swaps them once.
_MAX_LOADS: Final = 5


@dataclass(frozen=True, slots=True)
class Attempt:
    """One load of a folder: a snapshot, or every problem that there is instead of it.

    *fingerprint* is of everything that was read, *inputs*: what a later one is compared with.
    *schema* spares the next one the descriptors when they have not changed.
    """

    inputs: Inputs
    fingerprint: str
    snapshot: Snapshot | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()
    schema: Schema | None = field(default=None, repr=False)


def utc_today() -> date:
    """The day by which rules of comparison expire."""
    return datetime.now(UTC).date()


async def load_snapshot(
    folder: Path, environ: Mapping[str, str], today: Callable[[], date] = utc_today
) -> Snapshot:
    """Load and compile a configuration folder. Raises `ConfigError` with every problem.

    *environ* is what `${NAME}` in the files names, *today* what expiries are held against.
    Reflection is the only thing that needs an upstream to be up.
    """
    attempt = await attempt_load(folder, environ, today=today)
    if attempt.snapshot is None:
        raise ConfigError(attempt.problems)
    return attempt.snapshot


async def attempt_load(
    folder: Path,
    environ: Mapping[str, str],
    before: Attempt | None = None,
    in_force: Snapshot | None = None,
    breathe: Callable[[], None] = lambda: None,
    *,
    today: Callable[[], date] = utc_today,
) -> Attempt:
    """Load *folder*, again when its files changed meanwhile: no snapshot is made of two versions.

    *before* is an earlier attempt: its inputs count as read when the configuration itself cannot
    be. What is the same in the snapshot *in_force* is taken from there. What takes long runs in
    threads, which call *breathe* between one step and the next. Never raises for a bad folder.
    """
    before = before or Attempt(Inputs(folder), "")
    known, schema = before.inputs, before.schema
    for _ in range(_MAX_LOADS):
        loading = _Loading(folder, environ, known, Before(schema, in_force), breathe, today)
        try:
            snapshot: Snapshot | None = await loading.load()
            problems: tuple[Problem, ...] = ()
        except ConfigError as error:
            snapshot, problems = None, error.problems
        known, schema = loading.inputs, loading.schema
        if await asyncio.to_thread(known.fingerprint) == loading.fingerprint:
            whole = snapshot and replace(snapshot, fingerprint=loading.fingerprint)
            return Attempt(known, loading.fingerprint, whole, problems, schema)
    unsteady = Problem(Place(str(folder)), "changes faster than it can be read")
    return Attempt(known, "", problems=(unsteady,))


@dataclass(frozen=True, slots=True)
class Before:
    """What a load need not do again: the *schema* of an earlier one, the snapshot *in_force*."""

    schema: Schema | None
    in_force: Snapshot | None

    def of_key(self, key: str) -> Schema | None:
        """A schema that is there already; none where nothing says what it was made from."""
        current = None if self.in_force is None else self.in_force.schema
        known = (schema for schema in (current, self.schema) if schema is not None)
        return next((schema for schema in known if key and schema.key == key), None)


class _Loading:
    """One pass over a folder. *fingerprint* is of *inputs*, once it is known what those are.

    *schema* is what its descriptors say, once they have been read without a problem.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        inputs: Inputs,
        before: Before,
        breathe: Callable[[], None],
        today: Callable[[], date],
    ) -> None:
        self._today = today
        self._folder = folder
        self._environ = environ
        self._breathe = breathe
        self._problems: list[Problem] = []
        self._source_problems: tuple[Problem, ...] = ()
        self.inputs = inputs
        self._before = before
        self.schema: Schema | None = None
        self.fingerprint = ""

    async def load(self) -> Snapshot:
        """The folder's snapshot. Raises `ConfigError` with every problem."""
        config = await aside(self._read)
        schema = await self._describe(config)
        return await aside(self._build, config, schema)

    async def _describe(self, config: Config) -> Schema:
        """What the sources say; the same as before, when their files are the same.

        Most reloads change a stage or a share. To run protoc for them, and to compile what it
        gives, would take far more of the processor than all the rest.
        """
        key = await asyncio.to_thread(_descriptor_key, config.settings, self._folder)
        schema = self._before.of_key(key)
        if schema is None:
            loaded = await _load_sources(config, self._folder)
            self._source_problems = loaded.problems
            schema = await aside(self._examine, loaded, "" if loaded.problems else key)
        self.schema = schema
        return schema

    def _examine(self, loaded: Loaded, key: str) -> Schema:
        configs = loaded.service_configs
        return examine_schema(loaded.files, configs, loaded.report, key, self._breathe)

    def _read(self) -> Config:
        try:
            sources = read_folder(self._folder)
        except ConfigError:
            self.fingerprint = self.inputs.fingerprint()
            raise
        self.fingerprint = self.inputs.fingerprint(sources)
        config = load_config(sources, self._environ, self._today())
        secrets = [self._folder / secret.path for secret in config.secret_files()]
        self.inputs = inputs_of(config.settings, self._folder, secrets)
        self.fingerprint = self.inputs.fingerprint(sources)
        return self._with_secrets(config)

    def _with_secrets(self, config: Config) -> Config:
        try:
            return config.with_secrets(self._read_secret)
        except ConfigError as error:
            # What else is wrong is told together with these.
            self._problems += error.problems
            return config

    def _read_secret(self, path: str) -> bytes:
        with (self._folder / path).open("rb") as file:
            return file.read(MAX_SECRET_BYTES + 1)

    def _build(self, config: Config, schema: Schema) -> Snapshot:
        problems = [
            *self._problems,
            *self._source_problems,
            *_bad_tls_files(config.settings, self._folder),
            *_bad_key_file(config, self._folder),
            *_unserved_targets(config),
        ]
        try:
            snapshot = build_snapshot(config, schema, self._before.in_force, self._breathe)
        except ConfigError as error:
            # With a source missing, what it would have held is missed all over: say the cause only.
            raise ConfigError(problems or error.problems) from error
        if problems:
            raise ConfigError(problems)
        return snapshot


def _descriptor_key(settings: Settings, folder: Path) -> str:
    """The sources and the content of their files; "" when a server is one of them."""
    if any(source.reflection for source in settings.descriptors):
        return ""
    files = descriptor_inputs(settings, folder).fingerprint(())
    return f"{settings.descriptors!r} {files}"


async def _load_sources(config: Config, folder: Path) -> Loaded:
    """Read the descriptor sources, over channels that live as long as that takes."""
    channels: dict[str, grpc.aio.Channel] = {}

    def channel_for(name: str) -> grpc.aio.Channel:
        settings = config.settings.upstreams.grpc[name]
        channels[name] = make_channel(settings.target, grpc_options(settings, folder))
        return channels[name]

    try:
        return await load_descriptors(
            config.settings.descriptors, folder, channel_for, config.place
        )
    finally:
        for channel in channels.values():
            await channel.close()


def _bad_tls_files(settings: Settings, folder: Path) -> list[Problem]:
    """The TLS files that cannot be read or used, before a connection is what fails."""
    legacy, upstreams = settings.upstreams.legacy, settings.upstreams.grpc.values()
    every = [None if legacy is None else legacy_tls(legacy, folder)]
    every += [grpc_tls(upstream, folder) for upstream in upstreams]
    problems: dict[str, Problem] = {}
    for tls in every:
        for problem in () if tls is None else tls_problems(tls):
            problems.setdefault(str(problem), problem)
    return list(problems.values())


def _bad_key_file(config: Config, folder: Path) -> list[Problem]:
    """The key of the evidence, if it is named and is none: hosts without it would each be alone."""
    named = config.settings.evidence.key_file
    if named is None:
        return []
    try:
        read_key(folder / named)
    except EvidenceError as error:
        return [Problem(config.place("evidence.key_file"), str(error))]
    return []


def _unserved_targets(config: Config) -> list[Problem]:
    """The targets that the chosen transport cannot serve."""
    problems: list[Problem] = []
    for name, upstream in config.settings.upstreams.grpc.items():
        if upstream.transport == "h2":
            try:
                parse_target(upstream.target)
            except ValueError as error:
                problems.append(Problem(config.place(f"upstreams.{name}.target"), str(error)))
    return problems
