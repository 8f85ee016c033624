"""Shared by the tests of this folder: loading text, and reading off the problems."""

from collections.abc import Mapping
from datetime import date

import pytest

from proxy.config import Config, SourceText, load_config
from proxy.errors import ConfigError

#: The day on which the configurations of tests are loaded.
TODAY = date(2026, 7, 1)
#: The least that can be served; tests append keys to it.
LEAST = "version: 1\nupstreams: {legacy: {url: 'http://legacy'}}\n"
#: The same with a gRPC upstream beside.
BOTH = (
    "version: 1\n"
    "upstreams:\n"
    "  legacy: {url: 'http://legacy'}\n"
    "  dns: {target: 'dns:50051', plaintext: true}\n"
)


def load(*texts: str, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of *texts*, as files a.yaml, b.yaml and so on."""
    names = (f"{letter}.yaml" for letter in "abcdefgh")
    files = [SourceText(name, text) for name, text in zip(names, texts, strict=False)]
    return load_config(files, environ or {}, TODAY)


def problems(*texts: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Every problem with *texts*, as printed."""
    with pytest.raises(ConfigError) as caught:
        load(*texts, environ=environ)
    return [str(problem) for problem in caught.value.problems]
