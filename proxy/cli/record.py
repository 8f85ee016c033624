"""`cutover record`: redacted exchanges of a running proxy, into a file.

Belongs here: options, the file. Does not: what is recorded (`exchange.recording`), what may be kept
of it (`recordings.redaction`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import orjson

from proxy import __version__
from proxy.cli.admin_client import (
    AdminClient,
    Refused,
    Unreachable,
    admin_options,
    client_or_exit,
    whoever,
)
from proxy.cli.options import EXIT_CANNOT_START, EXIT_PROBLEMS, config_option
from proxy.config.units import parse_duration, parse_size
from proxy.recordings.har import CLOSING, har_entry, opening
from proxy.recordings.json_lines import of_values

_PATH: Final = "/admin/v1/recordings"


def _parsed(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str], Any]:
    def parsed(_context: click.Context, parameter: click.Parameter, value: str) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from None

    return parsed


@click.command("record")
@click.option("--route", "routes", multiple=True, required=True, help="May be given again.")
@click.option(
    "--limit", type=click.IntRange(min=1), required=True, help="Exchanges after which it ends."
)
@click.option(
    "--for",
    "duration_s",
    callback=_parsed(parse_duration),
    required=True,
    help="How long it may go on: 10m.",
)
@click.option(
    "--max-bytes",
    callback=_parsed(parse_size),
    default="16MiB",
    show_default=True,
    help="Bytes of lines after which it ends.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Exchanges of each route in a second.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A new file; HAR if it ends in .har, else lines of JSON.",
)
@click.option("--reason", required=True, help="Why; goes into the audit log.")
@click.option("--who", default=whoever, help="Who does it, if not the user of this shell.")
@admin_options
@config_option
def record(
    routes: tuple[str, ...],
    limit: int,
    duration_s: float,
    max_bytes: int,
    rate: float,
    out: Path,
    reason: str,
    who: str,
    folder: Path,
    url: str | None,
    token_file: Path | None,
) -> None:
    """Record redacted exchanges of a running proxy.

    Values are placeholders of the same type and form, but for paths in compare.reveal. The
    configuration must have a section `record`, which says the most that may be asked for. Nothing
    stays at the proxy; Ctrl-C ends the recording, and the file is whole.
    """
    client = client_or_exit(url, token_file, folder)
    asked = {
        "routes": [*routes],
        "max_exchanges": limit,
        "max_bytes": max_bytes,
        "max_duration_s": duration_s,
        "max_rps": rate,
        "reason": reason,
        "who": who,
    }
    try:
        with _new_file(out) as file:
            told = _write(file, client, asked, as_har=out.suffix.lower() == ".har")
    except (Refused, Unreachable) as error:
        click.echo(str(error), err=True)
        raise SystemExit(
            EXIT_PROBLEMS if isinstance(error, Refused) else EXIT_CANNOT_START
        ) from error
    finally:
        if out.exists() and not out.stat().st_size:
            out.unlink()
    click.echo(_summary(told, out))


def _new_file(path: Path) -> BinaryIO:
    """A new file that nobody else may read; one that is there already is not replaced."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise click.BadParameter(f"cannot make {path}: {error.strerror}", param_hint="-o") from None


def _write(
    file: BinaryIO, client: AdminClient, asked: dict[str, Any], *, as_har: bool
) -> dict[str, Any]:
    """Write what comes until it ends; what the end says, with `recorded` in any case."""
    written, last = 0, dict[str, Any]()
    lines = client.lines(_PATH, asked)
    try:
        with closing(lines):
            for values in _values(lines):
                if "end" in values:
                    last = values
                    break
                _put(file, values, first=not written, as_har=as_har)
                written += 1
    except KeyboardInterrupt:
        last = {"end": "interrupt"}
    if as_har:
        file.write((b"" if written else opening(__version__)) + CLOSING)
    return {"end": "the connection", "dropped": {}, **last, "recorded": written}


def _values(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    return (orjson.loads(line) for line in lines if line.strip())


def _put(file: BinaryIO, values: dict[str, Any], *, first: bool, as_har: bool) -> None:
    if as_har:
        before = opening(__version__) if first else b",\n"
        file.write(before + orjson.dumps(har_entry(of_values(values))))
    else:
        file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
    file.flush()


def _summary(told: dict[str, Any], out: Path) -> str:
    dropped = told["dropped"]
    left_out = "".join(f", {count} left out: {why}" for why, count in sorted(dropped.items()))
    return f"{told['recorded']} recorded in {out}{left_out}; ended by {told['end']}"
