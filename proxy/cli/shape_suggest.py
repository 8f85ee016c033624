"""`cutover shape suggest`: the settings of a shape that make differences vanish.

Belongs here: options, where differences come from, what is printed. Does not: the search
(`shaping`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import orjson

from proxy.cli.judging import Evidence, judging_command, tell_json
from proxy.cli.options import snapshot_or_exit
from proxy.routing.snapshot import Snapshot
from proxy.routing.table import RouteBinding
from proxy.shaping.evidence import Guess, guesses, seen_in, settings_of
from proxy.shaping.pairs import BadPair, read_pairs
from proxy.shaping.search import Found, search
from proxy.shaping.trial import NoMessage, Trial

#: Bytes of a file of pairs, and pairs of it: the search reads them all into memory.
MAX_FILE_BYTES: Final = 256 << 20
MAX_PAIRS: Final = 20_000
_MOST_PRINTED: Final = 30
_EXAMPLES: Final = 1000


@click.group("shape")
def shape() -> None:
    """Find the shape of an old API."""


@judging_command("suggest")
@click.argument("route")
@click.option(
    "--pairs",
    type=click.Path(path_type=Path),
    help='File with a pair on each line: {"legacy": …, "grpc": …}, gRPC\'s in ProtoJSON.',
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def suggest_shape(
    route: str,
    pairs: Path | None,
    as_json: bool,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> int:
    """Propose a shape for ROUTE from how both sides differ.

    With --pairs shapes are tried on whole answers, and what is proposed was seen to work. Without,
    the stored examples of a running proxy are asked, which have types and no values: what they
    speak for are guesses. Printed is YAML for the entry of the route, with what remains. Exits
    with 0, or with 3 when nothing can be said.
    """
    if pairs is not None:
        if url is not None or token_file is not None:
            raise click.UsageError("--admin and --token-file do nothing with --pairs")
        snapshot = snapshot_or_exit(folder)
        binding = _binding(snapshot, route)
        found = search(_trial(snapshot, binding, pairs))
        if as_json:
            tell_json(_found_values(found))
        else:
            click.echo("\n".join(_found_lines(binding.route.rpc, found)))
        return 0
    evidence = Evidence(url, token_file, folder)
    examples = evidence.of_route(route, "examples", limit=_EXAMPLES)["examples"]
    report = evidence.of_route(route, "report")
    rpc, seen = report["rpc"], [*seen_in(report["fields"], examples)]
    told = guesses(seen)
    total = sum(each.times for each in seen)
    if as_json:
        tell_json(_guess_values(told, total))
    else:
        click.echo("\n".join(_guess_lines(rpc, told, total)))
    return 0


shape.add_command(suggest_shape)


def _binding(snapshot: Snapshot, route: str) -> RouteBinding:
    for binding in snapshot.bindings:
        if route in (binding.route.name, binding.route.rpc):
            if binding.route.cardinality.response_streams or binding.response.raw:
                raise click.BadParameter("its answers are streams, or no JSON", param_hint="ROUTE")
            return binding
    raise click.BadParameter(f"there is no route '{route}'", param_hint="ROUTE")


def _trial(snapshot: Snapshot, target: RouteBinding, file: Path) -> Trial:
    if target.binding.response_body is not None:
        message = "its answers are one field of the message: give `of` in a shape in place of that"
        raise click.BadParameter(message, param_hint="ROUTE")
    bindings = [b.binding for b in snapshot.bindings if b.route is target.route]
    ordered = [target.binding, *(each for each in bindings if each is not target.binding)]
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise BadPair(f"is larger than {MAX_FILE_BYTES >> 20} MiB")
        pairs = [*read_pairs(file.read_text(encoding="utf-8"))]
        if not 0 < len(pairs) <= MAX_PAIRS:
            raise BadPair(f"must have 1 to {MAX_PAIRS} pairs")
        return Trial(snapshot.pool, ordered, target.response.options, pairs)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise click.BadParameter(message, param_hint="--pairs") from error
    except (BadPair, NoMessage, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{file}: {error}", param_hint="--pairs") from error


# --- what is told


def patch(rpc: str, settings: Mapping[str, Any]) -> str:
    """The entry of a route with its shape, as YAML.

    >>> print(patch("shop.v1.Shop.Get", {"names": "snake", "add": {"Order": {"on": "yes: 1"}}}))
    routes:
    - rpc: shop.v1.Shop.Get
      shape:
        names: snake
        add:
          Order:
            "on": "yes: 1"
    """
    return "\n".join([*("routes:", f"- rpc: {rpc}", "  shape:"), *_yaml(settings, "    ")])


def _yaml(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _yaml(value, f"{indent}  ")
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    """A value in YAML, of which JSON is a part; words that are plain to everybody without quotes.

    Words that some readers of YAML take for truth or for null are none of these.
    """
    if isinstance(value, str) and value.replace("_", "").replace(".", "").isalnum():
        is_word = value.isascii() and not value[0].isdigit() and value[0] not in "._"
        if is_word and value.lower() not in _SPECIAL:
            return value
    return json.dumps(value, ensure_ascii=False)


_SPECIAL: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "none"})


def _found_lines(rpc: str, found: Found) -> Iterator[str]:
    gone = found.before - found.after
    yield f"# {gone} of {found.before} differences in {found.pairs} pairs vanish"
    for step in found.steps:
        yield f"#   {step.vanished:>6}  {orjson.dumps(step.setting).decode()}"
    if found.bounded:
        yield "# the search was ended by its bound: there may be more"
    if found.settings:
        yield patch(rpc, found.settings)
    if found.rest:
        yield f"# {found.after} remain"
        yield from (f"#   {count:>6}  {path}  {kind}" for path, kind, count in _shown(found))


def _shown(found: Found) -> tuple[tuple[str, str, int], ...]:
    return found.rest[:_MOST_PRINTED]


def _found_values(found: Found) -> dict[str, Any]:
    return {
        "pairs": found.pairs,
        "before": found.before,
        "after": found.after,
        "settings": found.settings,
        "steps": [{"setting": s.setting, "vanished": s.vanished} for s in found.steps],
        "rest": [{"path": p, "kind": kind, "count": count} for p, kind, count in found.rest],
        "bounded": found.bounded,
    }


def _guess_lines(rpc: str, told: tuple[Guess, ...], total: int) -> Iterator[str]:
    explained = sum(guess.times for guess in told)
    yield f"# {explained} of {total} stored differences would vanish; not tried, see --pairs"
    for guess in told:
        where = ", ".join(sorted(guess.paths)[:3])
        yield f"#   {guess.times:>6}  {orjson.dumps(guess.setting).decode()}  at {where}"
    if told:
        yield patch(rpc, settings_of(told))


def _guess_values(told: tuple[Guess, ...], total: int) -> dict[str, Any]:
    return {
        "differences": total,
        "settings": settings_of(told),
        "guesses": [
            {"setting": guess.setting, "times": guess.times, "paths": sorted(guess.paths)}
            for guess in told
        ],
    }
