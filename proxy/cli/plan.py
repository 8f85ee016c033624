"""`cutover plan`: what would change if one folder took the place of another."""

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import orjson

from proxy.cli.composition import attempt_load
from proxy.cli.options import EXIT_PROBLEMS, tell_problems
from proxy.cli.upstreams import grpc_upstream_key
from proxy.errors import ConfigError
from proxy.routing.compatibility import breaking, find_losses, live_by_file
from proxy.routing.differences import Difference, find_differences
from proxy.routing.losses import Loss
from proxy.routing.snapshot import Snapshot

_TITLES: Final = {"route": "routes", "upstream": "upstreams", "setting": "settings"}

_LOSSES: Final = "clients would lose"
_MARKED: Final = "! gRPC answers this route, before and after: a reload must be forced"
#: Routes with the same change that are told one by one.
_MAX_NAMED: Final = 3

_FOLDER: Final = click.Path(path_type=Path)


@click.command()
@click.argument("old", type=_FOLDER)
@click.argument("new", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--check", "checking", is_flag=True, help="Exit with 1 when a reload would need --force."
)
def plan(old: Path, new: Path, as_json: bool, checking: bool) -> None:
    """Tell the difference of two folders in words.

    OLD and NEW are configuration folders. Told are routes, stages and shares, options, upstreams
    and settings; and what clients would lose: bindings, fields and values that are gone or have
    another form. A loss on a route that gRPC answers before and after (stage canary or grpc in
    both folders) is marked: a running proxy refuses such a reload unless it is forced. What
    operators moved since is not looked at.

    Exits with 0 whether there are differences or not, and with 1 when a folder has problems or
    when --check finds a marked loss.
    """
    before, after = asyncio.run(_load_both(old, new))
    certificates = _other_certificates(before, old, after, new)
    differences = (*find_differences(before, after), *certificates)
    losses = find_losses(before, after)
    broken = frozenset(breaking(losses, after, live_by_file(before), live_by_file(after)))
    if as_json:
        click.echo(_document(differences, losses, broken))
    else:
        for line in _lines(differences, losses, broken):
            click.echo(line)
    if checking and broken:
        sys.exit(EXIT_PROBLEMS)


async def _load_both(old: Path, new: Path) -> tuple[Snapshot, Snapshot]:
    """Both folders; or every problem of both, and the end."""
    attempts = [await attempt_load(folder, os.environ) for folder in (old, new)]
    before, after = (attempt.snapshot for attempt in attempts)
    if before is None or after is None:
        problems = dict.fromkeys(each for attempt in attempts for each in attempt.problems)
        tell_problems(ConfigError([*problems]))
        sys.exit(EXIT_PROBLEMS)
    return before, after


def _other_certificates(
    before: Snapshot, old: Path, after: Snapshot, new: Path
) -> Iterator[Difference]:
    """Upstreams of which nothing differs but the content of their TLS files."""
    were, are = before.config.settings.upstreams, after.config.settings.upstreams
    for name in were.grpc.keys() & are.grpc.keys():
        if were.grpc[name] == are.grpc[name] and grpc_upstream_key(
            name, were.grpc[name], old
        ) != grpc_upstream_key(name, are.grpc[name], new):
            yield Difference("upstream", name, "tls", "certificates", "others")


def _lines(
    differences: Sequence[Difference], losses: Iterable[Loss], broken: frozenset[Loss]
) -> Iterator[str]:
    sections = {
        title: [*_gathered(each for each in differences if each.kind == kind)]
        for kind, title in _TITLES.items()
    }
    sections[_LOSSES] = [f"{'!' if loss in broken else ' '} {loss}" for loss in losses]
    told = {title: lines for title, lines in sections.items() if lines}
    if not told:
        yield "no difference"
    for index, (title, lines) in enumerate(told.items()):
        yield from (["", title] if index else [title])
        yield from (f"  {line}" for line in lines)
    if broken:
        yield f"\n{_MARKED}"


def _gathered(differences: Iterable[Difference]) -> Iterator[str]:
    """A line for each difference, and one for an option that changes alike for many routes."""
    alike: dict[tuple[str, str, str], list[Difference]] = {}
    for each in differences:
        alike.setdefault((each.key, each.before, each.after), []).append(each)
    for (key, before, after), group in alike.items():
        if key and len(group) > _MAX_NAMED:
            yield f"{len(group)} {_TITLES[group[0].kind]}: {key} {before} -> {after}"
        else:
            yield from map(str, group)


def _document(
    differences: Iterable[Difference], losses: Iterable[Loss], broken: frozenset[Loss]
) -> bytes:
    document = {
        "differences": [
            {
                "kind": each.kind,
                "subject": each.subject,
                "key": each.key,
                "before": each.before,
                "after": each.after,
            }
            for each in differences
        ],
        "losses": [
            {
                "route": loss.route,
                "rpc": loss.rpc,
                "binding": loss.binding,
                "part": loss.part,
                "path": loss.path,
                "message": loss.message,
                "origin": loss.origin,
                "needs_force": loss in broken,
            }
            for loss in losses
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
