"""What a configuration was read from: any change of it is seen, and nothing else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config.load import load_config
from proxy.sources.fingerprint import Inputs, inputs_of
from proxy.sources.folder import read_folder
from tests.config.loading import TODAY

CONFIG = """
version: 1
descriptors:
- {proto_path: ../proto}
- {descriptor_set: api.binpb}
- {service_config: rules.yaml}
- {reflection: dns}
upstreams:
  legacy: {url: "https://old.test", tls: {ca: old.pem}}
  dns: {target: "dns.test:1", tls: {ca: ca.pem, cert: client.pem, key: client.key}}
  plain: {target: "plain.test:1", plaintext: true, services: ["a.*"]}
"""
RULES = "type: google.api.Service\n"
FILES = ("api.binpb", "old.pem", "ca.pem", "client.pem", "client.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mappings"
    (tmp_path / "proto" / "v1").mkdir(parents=True)
    (tmp_path / "proto" / "v1" / "dns.proto").write_text("one")
    folder.mkdir()
    (folder / "cutover.yaml").write_text(CONFIG)
    (folder / "rules.yaml").write_text(RULES)
    for name in FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def inputs(folder: Path) -> Inputs:
    return inputs_of(
        load_config(read_folder(folder), {}, TODAY).settings, folder, [folder / "secret"]
    )


def test_everything_that_a_load_reads_is_an_input(folder: Path, inputs: Inputs):
    named = [path.name for path in inputs.files]
    assert sorted(named) == sorted([*FILES, "rules.yaml", "secret"])
    assert inputs.trees == (folder / "../proto",)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cutover.yaml").write_text(CONFIG + " "),
        lambda folder: (folder / "cutover.yaml").rename(folder / "other.yaml"),
        lambda folder: (folder / "new.yaml").write_text(""),
        lambda folder: (folder / "rules.yaml").unlink(),
        shutil.rmtree,
        *(
            lambda folder, name=name: (folder / name).write_text("changed")
            for name in ("rules.yaml", *FILES)
        ),
        lambda folder: (folder / "api.binpb").unlink(),
        lambda folder: (folder / "secret").write_text("it came"),
        lambda folder: (folder / "../proto/v1/dns.proto").write_text("two"),
        lambda folder: (folder / "../proto/v1/dns.proto").rename(folder / "../proto/dns.proto"),
        lambda folder: (folder / "../proto/more.proto").write_text(""),
        lambda folder: shutil.rmtree(folder / "../proto"),
    ],
)
def test_every_change_changes_it(folder: Path, inputs: Inputs, change: Callable[[Path], object]):
    before = inputs.fingerprint()
    assert inputs.fingerprint() == before
    change(folder)
    assert inputs.fingerprint() != before


def test_a_file_of_the_same_size_and_time_is_another_one_by_its_content(
    folder: Path, inputs: Inputs
):
    before, path = inputs.fingerprint(), folder / "api.binpb"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text("API.BINPB")
    os.utime(path, ns=times)
    assert inputs.fingerprint() != before


def test_what_no_load_reads_does_not_count(folder: Path, inputs: Inputs):
    before = inputs.fingerprint()
    (folder / "README.md").write_text("words")
    (folder / ".hidden.yaml").write_text("words")
    (folder / "../proto/notes.txt").write_text("words")
    os.utime(folder / "cutover.yaml", (1, 1))
    assert inputs.fingerprint() == before


def test_a_mount_of_kubernetes_changes_by_one_link(tmp_path: Path):
    """Every name stays what it was; the link that all go through leads elsewhere."""
    folder = tmp_path / "mappings"
    for version in ("..1", "..2"):
        (folder / version).mkdir(parents=True)
        (folder / version / "cutover.yaml").write_text(version)
    (folder / "..data").symlink_to("..1")
    (folder / "cutover.yaml").symlink_to("..data/cutover.yaml")
    inputs = Inputs(folder)
    before = inputs.fingerprint()
    (folder / "..new").symlink_to("..2")
    (folder / "..new").rename(folder / "..data")
    assert inputs.fingerprint() != before


def test_what_was_read_already_is_not_read_again(folder: Path, inputs: Inputs):
    before, sources = inputs.fingerprint(), read_folder(folder)
    (folder / "cutover.yaml").write_text("changed since")
    assert inputs.fingerprint(sources) == before
