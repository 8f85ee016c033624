"""All descriptor sources of a configuration, read in one call.

Belongs here: which reader a source needs, paths, collecting problems. Does not: the readers
themselves, merging (`transcoding.descriptors`), resolving rules (`transcoding.rules`).
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import grpc

from proxy.config.schema import DescriptorSource
from proxy.config.service_config import parse_service_config
from proxy.config.source import SourceText
from proxy.errors import ConfigError, Place, Problem
from proxy.sources.descriptor_set import read_descriptor_set
from proxy.sources.protos import compile_folder
from proxy.sources.reflection import reflect
from proxy.transcoding.declarations import DescriptorFile
from proxy.transcoding.httprule import RuleMode, ServiceConfigRules

#: Bytes of a service config. The largest public ones have a tenth of it.
MAX_SERVICE_CONFIG_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the sources gave, in their order, and what was wrong with the others.

    *report* has a line for everything that a source has and cannot describe.
    """

    files: tuple[DescriptorFile, ...] = ()
    service_configs: tuple[ServiceConfigRules, ...] = ()
    report: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(
            self.files + other.files,
            self.service_configs + other.service_configs,
            self.report + other.report,
            self.problems + other.problems,
        )


async def load_descriptors(
    sources: Sequence[DescriptorSource],
    base_dir: Path,
    channel_for: Callable[[str], grpc.aio.Channel],
    place: Callable[[str], Place],
) -> Loaded:
    """Read every source, all at once.

    Paths are relative to *base_dir*. *channel_for* gives the channel of an upstream by name; it
    stays the caller's. *place* gives the place of a path in the configuration
    (`Config.place("descriptors[0]")`). Never raises for a bad source: see `Loaded.problems`.
    """
    loader = _Loader(base_dir, channel_for)
    parts = await asyncio.gather(
        *(
            _collected(loader.load(source, place(f"descriptors[{index}]")))
            for index, source in enumerate(sources)
        )
    )
    return sum(parts, Loaded())


async def _collected(loading: Coroutine[None, None, Loaded]) -> Loaded:
    try:
        return await loading
    except ConfigError as error:
        return Loaded(problems=error.problems)


@dataclass(frozen=True, slots=True)
class _Loader:
    base_dir: Path
    channel_for: Callable[[str], grpc.aio.Channel]

    async def load(self, source: DescriptorSource, place: Place) -> Loaded:
        """Read one source. Blocking work goes to threads. Raises `ConfigError`."""
        if source.reflection is not None:
            channel = self.channel_for(source.reflection)
            reflected = await reflect(channel, source.reflection, _within(place, "reflection"))
            return Loaded(reflected.files, report=reflected.report)
        return await asyncio.to_thread(self._read, source, place)

    def _read(self, source: DescriptorSource, place: Place) -> Loaded:
        if source.proto_path is not None:
            folder, shown = self._locate(source.proto_path)
            found = compile_folder(folder, shown, _within(place, "proto_path"))
            return Loaded(tuple(found))
        if source.descriptor_set is not None:
            path, shown = self._locate(source.descriptor_set)
            found = read_descriptor_set(path, shown, _within(place, "descriptor_set"))
            return Loaded(tuple(found))
        assert source.service_config is not None  # noqa: S101 - the schema demands one of four
        path, shown = self._locate(source.service_config)
        text = _read_text(path, shown, _within(place, "service_config"))
        rules = parse_service_config(SourceText(shown, text), RuleMode(source.rules))
        return Loaded(service_configs=(rules,))

    def _locate(self, path: str) -> tuple[Path, str]:
        """Where to read, and the short form of it for people."""
        joined = self.base_dir / path
        return joined, os.path.normpath(joined)


def _within(place: Place, key: str) -> Place:
    return replace(place, path=f"{place.path}.{key}" if place.path else key)


def _read_text(path: Path, shown: str, place: Place) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SERVICE_CONFIG_BYTES + 1)
        text = data.decode()
    except OSError as error:
        message = f"cannot read {shown}: {error.strerror}"
    except UnicodeDecodeError as error:
        message = f"{shown} is not UTF-8 text: byte {error.start + 1} is wrong"
    else:
        if len(data) <= MAX_SERVICE_CONFIG_BYTES:
            return text
        message = f"{shown} has more than {MAX_SERVICE_CONFIG_BYTES} bytes"
    raise ConfigError([Problem(place, message)])
