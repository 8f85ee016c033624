"""`cutover replay`: recorded exchanges through the transcoder and today's gRPC servers.

Belongs here: options, files, the upstreams while it runs, what is printed. Does not: replaying
(`shadow.replaying`), what came of it as XML (`recordings.junit`).
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any, Final

import click
import orjson

from proxy.cli.judging import JudgingCommand
from proxy.cli.options import EXIT_CANNOT_START, aligned, config_option, snapshot_or_exit
from proxy.cli.upstreams import make_grpc_upstream
from proxy.cutover.override_header import DEFAULT_NAME
from proxy.errors import ConfigError
from proxy.programs.pool import ProgramPool
from proxy.programs.steps import ProgramSteps
from proxy.recordings.binding_rules import redaction_rules
from proxy.recordings.exchange import Headers, NoRecording, Recorded
from proxy.recordings.json_lines import read_recording
from proxy.recordings.junit import difference_line, junit_xml
from proxy.recordings.replays import Ending, Replayed, Tally, exit_code
from proxy.routing.replay_tools import ReplayTools
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.shadow.carried import Carrier
from proxy.shadow.legs import Legs
from proxy.shadow.marks import Mark
from proxy.shadow.replaying import Replayer, Tools, mirror_of
from proxy.telemetry.metrics import Metrics
from proxy.upstreams import Upstream

#: Seconds that the servers get to be connected before the first call.
CONNECT_S: Final = 10.0
_CONNECT_STEP_S: Final = 0.01
#: Bytes of a recording: it is read as a whole.
MAX_FILE_BYTES: Final = 512 << 20
#: Exchanges that are printed one by one; XML and JSON have all.
_MOST_PRINTED: Final = 20
_EPILOG: Final = """\b
Exit codes:
  0  all answers are the same, or differ as the route's rules allow
  1  answers differ
  2  an exchange could not be compared, or none was
  3  it could not be tried: wrong use, a bad configuration, no recording
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of the options is for the replay itself."""

    translate_only: bool
    writes: bool
    routes: tuple[str, ...]
    side: str | None
    limit: int | None
    headers: Headers


@click.command("replay", cls=JudgingCommand, epilog=_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--translate-only", is_flag=True, help="Call nobody: see whether each request has a message."
)
@click.option(
    "--writes",
    is_flag=True,
    help="Send requests that may change something, to upstreams that are a shadow_sink.",
)
@click.option("--route", "routes", multiple=True, help="Only of this route. May be given again.")
@click.option(
    "--side", type=click.Choice(["legacy", "grpc"]), help="Only answers that this side gave."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, from the beginning.")
@click.option(
    "-H", "--header", "headers", multiple=True, help="A header of all requests, 'name: value'."
)
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), help="File for JUnit XML."
)
@click.option("--fail-on-skipped", is_flag=True, help="Exit with 2 when anything was not tried.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all differences.")
@config_option
def replay(
    file: Path,
    translate_only: bool,
    writes: bool,
    routes: tuple[str, ...],
    side: str | None,
    limit: int | None,
    headers: tuple[str, ...],
    junit: Path | None,
    fail_on_skipped: bool,
    as_json: bool,
    folder: Path,
) -> int:
    """Replay recorded exchanges, and compare the answers.

    FILE is HAR or lines of JSON, such as `cutover record` writes. Each request goes through the
    transcoder of the configuration to the upstream of its route, marked as a copy; the answer that
    clients would get is compared with the recorded one by the route's rules. No proxy has to run.
    Of a redacted recording types and forms are compared, and the values that it kept.
    """
    if translate_only and writes:
        raise click.UsageError("--writes does nothing with --translate-only")
    asked = _Asked(translate_only, writes, routes, side, limit, tuple(map(_header, headers)))
    recorded = _recorded_or_exit(file, asked)
    snapshot = snapshot_or_exit(folder)
    known = {route.name for route in snapshot.routes}
    for name in routes:
        if name not in known:
            raise click.BadParameter(f"there is no route '{name}'", param_hint="--route")
    try:
        replayed = asyncio.run(_replay(snapshot, folder, recorded, asked))
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CANNOT_START)
    if junit is not None:
        junit.write_bytes(junit_xml(replayed))
    code = exit_code(replayed, skips_fail=fail_on_skipped)
    if as_json:
        click.echo(orjson.dumps(_values(replayed), option=orjson.OPT_INDENT_2))
    else:
        for line in _lines(replayed):
            click.echo(line)
    return code


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"'{text}' is not 'name: value'", param_hint="-H")
    return name.strip(), value.strip()


# --- the recording


def _recorded_or_exit(file: Path, asked: _Asked) -> list[tuple[str, Recorded]]:
    """The exchanges that are asked for, with their names; exits where one cannot be read."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise NoRecording(f"is larger than {MAX_FILE_BYTES >> 20} MiB")
        named = [*_named(read_recording(file.read_bytes()))]
    except OSError as error:
        raise click.BadParameter(f"cannot read {file}: {error.strerror}") from error
    except NoRecording as fault:
        raise click.BadParameter(f"{file}: {fault}") from fault
    kept = [each for each in named if asked.side is None or each[1].side == asked.side]
    return kept if asked.routes else kept[: asked.limit]


def _named(entries: Iterator[Recorded | NoRecording]) -> Iterator[tuple[str, Recorded]]:
    """Each exchange with a name that no other of the file has. Raises `NoRecording`."""
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, NoRecording):
            raise entry
        yield f"{number} {entry.http_method} {entry.target}", entry


# --- replaying


async def _replay(
    snapshot: Snapshot, folder: Path, recorded: Sequence[tuple[str, Recorded]], asked: _Asked
) -> list[Replayed]:
    async with AsyncExitStack() as stack:
        programs = ProgramPool(processes=1)
        stack.push_async_callback(programs.close)
        upstreams = {} if asked.translate_only else await _upstreams(snapshot, folder, stack)
        replayer = _replayer(snapshot, upstreams, programs, asked)
        replayed: list[Replayed] = []
        for name, each in recorded:
            done = await replayer.replay(each, name)
            if asked.routes and done.route not in asked.routes:
                continue
            replayed.append(done)
            if asked.limit is not None and len(replayed) == asked.limit:
                break
    return replayed


async def _upstreams(
    snapshot: Snapshot, folder: Path, stack: AsyncExitStack
) -> Mapping[str, Upstream]:
    """The gRPC upstreams of the configuration, given a moment to connect."""
    metrics, made = Metrics(), {}
    for name, section in snapshot.config.settings.upstreams.grpc.items():
        upstream = make_grpc_upstream(name, section, folder, metrics)
        stack.push_async_callback(upstream.close)
        await upstream.start()
        made[name] = upstream
    deadline_s = time.monotonic() + CONNECT_S
    while time.monotonic() < deadline_s and not all(each.ready for each in made.values()):  # noqa: ASYNC110 - none of the transports announces it
        await asyncio.sleep(_CONNECT_STEP_S)
    return made


def _replayer(
    snapshot: Snapshot, upstreams: Mapping[str, Upstream], programs: ProgramPool, asked: _Asked
) -> Replayer:
    config = snapshot.config
    settings, override = config.settings, config.settings.override
    mark = Mark(settings.shadow.mark.header, config.mark_secret or token_hex(16))
    carrier = Carrier(
        mark,
        withheld=DEFAULT_NAME if override is None else override.header,
        trusted_hops=settings.forwarding.trusted_hops,
        random_bytes=Random().randbytes,  # noqa: S311 - ids of spans are no secrets
    )
    legs = Legs(upstreams, None, carrier, version_metadata={}, clock=time.monotonic)
    return Replayer(
        snapshot.table,
        _Tools(snapshot).of,
        ProgramSteps(programs),
        legs,
        calls=not asked.translate_only,
        writes=asked.writes,
        sinks=frozenset(n for n, each in settings.upstreams.grpc.items() if each.shadow_sink),
        headers=asked.headers,
        clock=time.monotonic,
    )


class _Tools:
    """What compares the exchanges of each binding."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._compiled = ReplayTools(snapshot)

    def of(self, binding: RouteBinding) -> Tools:
        found = self._compiled.of(binding, mirror_of(binding.route))
        return Tools(found.comparator, found.requests, lambda kept: redaction_rules(binding, kept))


# --- what is told


def _lines(replayed: Sequence[Replayed]) -> Iterator[str]:
    told = [each for each in replayed if each.ending in (Ending.DIFFERENT, Ending.ERROR)]
    for each in told[:_MOST_PRINTED]:
        yield click.style(f"{each.ending.value}  {each.route}  {_shown(each.name)}", bold=True)
        yield from (f"  {_shown(line)}" for line in _reasons(each))
    if len(told) > _MOST_PRINTED:
        yield f"and {len(told) - _MOST_PRINTED} more"
    yield from aligned([*_table(replayed)])
    for reason in sorted({e.reason for e in replayed if e.ending is Ending.SKIPPED}):
        yield f"skipped: {reason}"


def _reasons(replayed: Replayed) -> Iterator[str]:
    if replayed.reason:
        yield replayed.reason
    yield from map(difference_line, replayed.differences)


def _table(replayed: Sequence[Replayed]) -> Iterator[Sequence[str]]:
    yield ("route", *(ending.value for ending in Ending))
    for route, counts in Tally.of(replayed).counts.items():
        yield (route or "(no route)", *(str(counts[ending]) for ending in Ending))


def _values(replayed: Sequence[Replayed]) -> dict[str, Any]:
    tally = Tally.of(replayed)
    return {
        "counts": {ending.value: tally.total(ending) for ending in Ending},
        "exchanges": [
            {
                "name": each.name,
                "route": each.route or None,
                "ending": each.ending.value,
                "reason": each.reason or None,
                "seconds": round(each.seconds, 6),
                "differences": [
                    {
                        "path": found.path,
                        "kind": found.kind.value,
                        "times": found.times,
                        "recorded": found.legacy._asdict(),
                        "grpc": found.grpc._asdict(),
                    }
                    for found in each.differences
                ],
            }
            for each in replayed
        ],
    }


def _shown(text: str) -> str:
    """Text from a file, without what would move a terminal's cursor."""
    return text if text.isprintable() else orjson.dumps(text).decode()
