"""The corpus of shapes: pairs of messages and legacy JSON, as data in `corpus/*.yaml`.

Belongs here: reading it, and a snapshot for each shape. Does not: what is asserted (`test_corpus`).

A file is a list of pairs. Each has a `name`, the `rpc` whose answer it is, the `shape` of its route
(keys as in a configuration; `route` has further options, `profile` is one that the shape names),
the `message` in ProtoJSON and the `legacy` JSON, to the letter, key order included. `values` are
what an envelope gets from elsewhere. `one_way` says why the legacy JSON does not give the same
message back; without it, it must. `reads` are other legacy JSON that gives the message, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml
from google.protobuf import json_format
from google.protobuf.message import Message

from proxy.config.load import load_config
from proxy.config.source import SourceText
from proxy.errors import Place
from proxy.routing.json_tables import TableKey
from proxy.routing.schema import Schema, examine_schema
from proxy.routing.snapshot import Snapshot, build_snapshot
from proxy.routing.table import RouteBinding
from proxy.shape.codecs import ShapedCodecs
from proxy.sources.protos import compile_folder
from proxy.transcoding.descriptors import message_class
from tests.shape.shop import CONFIG, FOLDER

TODAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Pair:
    """One pair of the corpus."""

    name: str
    rpc: str
    message: Any
    legacy: Any
    shape: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    profile: Mapping[str, Any] | None = None
    values: Mapping[str, Any] | None = None
    one_way: str | None = None
    reads: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    def served(self) -> "Served":
        """What serves the RPC under the shape of this pair."""
        settings = {"rpc": f"shop.v1.Shop.{self.rpc}", "shape": self.shape, **self.route}
        profiles = {} if self.profile is None else {"legacy": self.profile}
        return served(orjson.dumps(settings).decode(), orjson.dumps(profiles).decode())


@dataclass(frozen=True)
class Served:
    """An RPC under a shape."""

    binding: RouteBinding
    codecs: ShapedCodecs

    def answer(self, content: Any) -> Message:
        """The message of an answer, from ProtoJSON."""
        message = message_class(self.binding.binding.method.output_type)()
        return json_format.ParseDict(content, message, descriptor_pool=schema().descriptors.pool)


def pairs(name: str) -> Iterator[Pair]:
    """The pairs of a file."""
    text = (Path(__file__).parent / "corpus" / name).read_text(encoding="utf-8")
    for entry in yaml.safe_load(text):
        yield Pair(**{**entry, "reads": tuple(entry.get("reads", ()))})


@cache
def schema() -> Schema:
    """The schema of `shop.proto`."""
    return examine_schema(compile_folder(FOLDER, "shape", Place("tests")), ())


def snapshot_of(more: str) -> Snapshot:
    """The snapshot of a configuration with *more*. Raises `ConfigError`."""
    files = [SourceText("cutover.yaml", CONFIG + more)]
    return build_snapshot(load_config(files, {}, TODAY), schema())


@cache
def served(settings: str, profiles: str) -> Served:
    """The RPC of a route with *settings* in JSON, which is YAML, too."""
    snapshot = snapshot_of(f"profiles: {profiles}\nroutes: [{settings}]\n")
    rpc = orjson.loads(settings)["rpc"]
    inputs, binding = next(
        each for each in snapshot.compiled.bindings.items() if each[1].route.rpc == rpc
    )
    codecs = snapshot.compiled.tables[TableKey(inputs.json, inputs.shape)].codecs
    assert isinstance(codecs, ShapedCodecs), "the shape does nothing"
    return Served(binding, codecs)
