"""The configuration folder: which files count, and every file that cannot be read is named."""

import os
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.sources.folder import MAX_FILE_BYTES, read_folder


def refusals(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read_folder(folder)
    return [str(problem) for problem in error.value.problems]


def test_yaml_files_are_read_in_the_order_of_their_names(tmp_path: Path):
    for name in ("b.yaml", "a.yml", "c.yaml"):
        (tmp_path / name).write_text(f"name: {name}ü\n")
    assert [(source.name, source.text) for source in read_folder(tmp_path)] == [
        (str(tmp_path / name), f"name: {name}ü\n") for name in ("a.yml", "b.yaml", "c.yaml")
    ]


def test_a_mounted_config_map_is_read_once(tmp_path: Path):
    """Kubernetes keeps the files in a hidden folder, and links to them."""
    version = tmp_path / "..2026_11_22"
    version.mkdir()
    (version / "a.yaml").write_text("version: 1\n")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert [source.name for source in read_folder(tmp_path)] == [str(tmp_path / "a.yaml")]


def test_other_files_and_folders_do_not_count(tmp_path: Path):
    for name in (".hidden.yaml", "a.json", "b.yaml~", "yaml"):
        (tmp_path / name).write_text("no: 1\n")
    (tmp_path / "folder.yaml").mkdir()
    assert refusals(tmp_path) == [f"{tmp_path}: has no .yaml file"]


def test_a_folder_that_is_none_is_named(tmp_path: Path):
    [missing] = refusals(tmp_path / "no")
    assert missing == f"{tmp_path / 'no'}: cannot be read as a folder: No such file or directory"
    (tmp_path / "file").touch()
    [file] = refusals(tmp_path / "file")
    assert file.endswith("file: cannot be read as a folder: Not a directory")


def test_every_file_that_cannot_be_read_is_named(tmp_path: Path):
    (tmp_path / "bytes.yaml").write_bytes(b"ab\xff")
    (tmp_path / "dangling.yaml").symlink_to("no")
    (tmp_path / "fine.yaml").write_text("version: 1\n")
    (tmp_path / "large.yaml").touch()
    os.truncate(tmp_path / "large.yaml", MAX_FILE_BYTES + 1)
    assert [refusal.removeprefix(f"{tmp_path}/") for refusal in refusals(tmp_path)] == [
        "bytes.yaml: is not UTF-8 text: byte 3 is wrong",
        "dangling.yaml: cannot be read: No such file or directory",
        f"large.yaml: has more than {MAX_FILE_BYTES} bytes",
    ]


def test_a_file_of_the_largest_size_is_read(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"#" * MAX_FILE_BYTES)
    [source] = read_folder(tmp_path)
    assert len(source.text) == MAX_FILE_BYTES
