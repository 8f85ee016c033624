"""The page `docs/configuration.md`, made from the schema.

`python -m tests.config.documentation` writes it; `tests/test_documents.py` checks that it is up to
date. It stands with the tests because nothing at run time needs it.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from proxy.config.base import OrOff, Section
from proxy.config.messages import keys_of, section_of
from proxy.config.options import Options, Route
from proxy.config.scalars import Day, Number, Percent, Share, number_text, share_text
from proxy.config.schema import Settings
from proxy.config.units import OFF, Quantity
from proxy.config.upstreams import GrpcUpstream, LegacyUpstream
from proxy.cutover.percent import percent_text

PAGE: Final = Path(__file__).parents[2] / "docs" / "configuration.md"

EXAMPLE: Final = """\
version: 1
listen: {host: 0.0.0.0, port: 8080}
admin: {host: 127.0.0.1, port: 9901}

descriptors:                               # merged into one pool
- proto_path: ../proto                     # a folder of .proto files, compiled at load
- service_config: rules.yaml               # HTTP rules for what has no annotations

upstreams:
  legacy: {url: "http://legacy:8080"}      # the old host: everything that is not moved yet
  dns:                                     # every other name is a gRPC server
    target: dns:///dns:50051
    tls: {ca: "${DNS_CA}"}                 # from the environment
    services: ["dns.v1.*"]

state: {directory: /var/lib/cutover}       # what operators moved survives a restart

defaults:                                  # for every RPC that has an HTTP rule
  stage: legacy
  timeout: 15s
  canary: {sticky: [{header: x-user-id}, {cookie: sid}]}

routes:                                    # RPCs that differ
- rpc: dns.v1.RecordService.GetRecord
  name: get-record
  stage: grpc                              # moved
- rpc: dns.v1.RecordService.ListRecords
  name: list-records
  stage: canary                            # moving: the proxy takes the steps up to 25 %
  canary: {group: records, steps: [1, 5, 25, 100], hold: 24h, max_auto_percent: 25}
  fallback: {on: [not_ready, unavailable]}
- rpc: dns.v1.RecordService.ExportZone
  stage: grpc
  timeout: 2m
  stream_format: ndjson
"""

_INTRODUCTION: Final = f"""\
# Configuration

<!-- Made from the schema by `python -m tests.config.documentation`: change the schema instead. -->

The configuration is a flat folder of YAML files, read as one. A complete one:

```yaml
{EXAMPLE}```

`cutover check` reads a folder and prints every problem with its file, line and column.

## Rules for all files

- **Spread.** Each top-level key may stand in any file, but in one only: a key given twice is an
  error that names both places. A file with `type: google.api.Service` is a service config; it is
  read when an entry of `descriptors` names it, and refused when none does.
- **Strict.** Unknown keys, values of the wrong type and values out of range are errors. Nothing is
  clamped or guessed, and a key without a value is an error too.
- **Scalars** are read as in JSON: `yes`, `on`, `010` and `1:30` are text. Anchors and aliases
  work; tags and merge keys (`<<`) do not.
- **Environment.** `${{NAME}}` in a value is replaced by that variable, and `$${{` stands for a
  plain `${{`. A variable that is not set is an error, but for `${{NAME:-default}}`, which also
  stands in for an empty one. Numbers and truth values may come from
  variables too, quoted or not. The admin port shows `${{NAME}}` and not what it stood for.
- **Durations** have a unit, `ms`, `s`, `m`, `h` or `d`: `250ms`, `1.5s`. **Sizes** have one as
  well, `B`, `KiB`, `MiB` or `GiB`: `64KiB`. **Shares** are a percentage or a number from 0 to 1:
  `0.1%`, `0.001`.
- **Files** that are named here are relative to the folder of the configuration.

"""

_ROUTE_INTRODUCTION: Final = """\
An RPC with an HTTP rule needs no entry; what an entry does not set comes from
[`defaults`](#defaults). An RPC has one entry at most, for all its bindings. Beside the keys below
it takes every key of `defaults`. Of the sections `canary`, `fallback`, `breaker`, `rollback`,
`mirror`, `compare` and `gate` it takes the keys that it does not give itself.

"""

_SCALARS: Final = (Number, Percent, Share, Day)
_OR_OFF: Final = f", or `{OFF}`"
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


def render_documentation() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(_all_sections()).rstrip() + "\n"


def _all_sections() -> Iterator[str]:
    yield "## Top level\n\n" + _table(keys_of(Settings))
    for key, info in keys_of(Settings).items():
        section = section_of(info.annotation)
        if section is Route:
            own = {k: i for k, i in keys_of(Route).items() if k not in keys_of(Options)}
            yield f"## `routes[]`\n\n{_text(Route)}\n\n{_ROUTE_INTRODUCTION}" + _table(own)
        elif key == "upstreams":
            yield "## `upstreams`\n\n" + _upstreams_text()
            yield from _section("upstreams.legacy", LegacyUpstream)
            yield from _section("upstreams.NAME", GrpcUpstream)
        elif section is not None:
            yield from _section(_listed(key, info), section)


def _upstreams_text() -> str:
    return (
        "All upstreams by name: lower-case letters, digits and single hyphens. The one named "
        "`legacy` is the old REST host; every other one is a gRPC server. Without `legacy`, "
        "requests that no route maps get 404 and every route is in stage `grpc`.\n\n"
    )


def _section(path: str, section: type[Section]) -> Iterator[str]:
    yield f"## `{path}`\n\n{_text(section)}\n\n" + _table(keys_of(section))
    for key, info in keys_of(section).items():
        inner = section_of(info.annotation)
        if inner is not None:
            yield from _section(f"{path}.{_listed(key, info)}", inner)


def _listed(key: str, info: FieldInfo) -> str:
    return f"{key}[]" if get_origin(info.annotation) is tuple else key


def _text(section: type[Section]) -> str:
    return " ".join((section.__doc__ or "").split())


def _table(rows: dict[str, FieldInfo]) -> str:
    lines = ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
    lines += [_row(key, info) for key, info in rows.items()]
    return "\n".join(lines) + "\n\n"


def _row(key: str, info: FieldInfo) -> str:
    cells = (f"`{key}`", _type(info), _default(info), info.description or "", _example(key, info))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(info: FieldInfo) -> str:
    quantity = _found(info.metadata, Quantity)
    if quantity is not None:
        off = _OR_OFF if quantity.can_be_off else ""
        return f"{quantity.kind.name}, {quantity.minimum} to {quantity.maximum}{off}"
    scalar = _found(info.metadata, _SCALARS)
    if scalar is not None:
        return _scalar(scalar)
    if info.annotation in (int, int | None):
        low, high = _found(info.metadata, Ge), _found(info.metadata, Le)
        assert low is not None
        assert high is not None
        return f"`{low.ge}`" if low.ge == high.le else f"number, {low.ge} to {high.le}"
    return _name(info.annotation) + (_OR_OFF if _found(info.metadata, OrOff) else "")


def _scalar(scalar: Number | Percent | Share | Day) -> str:
    if isinstance(scalar, Day):
        return "day"
    if isinstance(scalar, Share):
        return f"share, {share_text(scalar.minimum)} to {share_text(scalar.maximum)}"
    if isinstance(scalar, Percent):
        return "percentage"
    ends = f"number, {number_text(scalar.minimum)} to {number_text(scalar.maximum)}"
    return ends + (_OR_OFF if scalar.can_be_off else "")


def _found(metadata: Iterable[object], kind: type[Any] | tuple[type[Any], ...]) -> Any:
    return next((item for item in metadata if isinstance(item, kind)), None)


def _name(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (UnionType, Union):
        return _name(next(part for part in get_args(annotation) if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{_flow(choice)}`" for choice in get_args(annotation))
    if origin is tuple:
        entry = _name(get_args(annotation)[0])
        return f"list of {entry}s" if entry.isalpha() and entry != "text" else f"list of {entry}"
    if origin is Annotated:
        scalar = _found(annotation.__metadata__, _SCALARS)
        return _name(annotation.__origin__) if scalar is None else _scalar(scalar)
    names = {str: "text", bool: "`true`, `false`"}
    return names.get(annotation, "mapping")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    quantity = _found(info.metadata, (Quantity, Number, Share))
    if quantity is not None and (info.default is not None or quantity.can_be_off):
        return f"`{quantity.text(info.default)}`"
    if isinstance(info.default, int) and _found(info.metadata, Percent):
        return f"`{percent_text(info.default).removesuffix(' %')}`"
    if info.default is None or isinstance(info.default, Section):
        return "none" if info.default is None else "see below"
    return f"`{_flow(info.default)}`"


def _example(key: str, info: FieldInfo) -> str:
    return f"`{key}: {_flow(info.examples[0])}`" if info.examples else "see below"


def _flow(value: object) -> str:
    """A value as YAML on one line; PyYAML would quote `off`, which is plain text here."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    listed = list(value) if isinstance(value, tuple) else value
    return (
        yaml.safe_dump(listed, default_flow_style=True, width=1000, sort_keys=False)
        .replace("\n...", "")
        .strip()
    )


if __name__ == "__main__":
    PAGE.write_text(render_documentation(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} written\n")
