"""The key of the hashes: made once, for all processes, and for nobody else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.evidence import EvidenceError, load_key, read_key
from proxy.gate.redaction import Hasher
from tests.evidence.faults import no_file_beyond


def test_processes_that_start_at_once_have_one_key(tmp_path: Path):
    path = tmp_path / "evidence.key"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: load_key(path), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_services_have_different_keys(tmp_path: Path):
    assert load_key(tmp_path / "one") != load_key(tmp_path / "other")


def test_a_key_that_was_given_has_any_form(tmp_path: Path):
    (tmp_path / "raw").write_bytes(b"k" * 32)
    (tmp_path / "text").write_bytes(b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=\n")
    assert load_key(tmp_path / "raw") == b"k" * 32
    assert len(load_key(tmp_path / "text")) == 32
    assert Hasher(load_key(tmp_path / "text")).text("a")


@pytest.mark.parametrize("size", [0, 31, 65_537])
def test_what_is_no_key_is_refused(tmp_path: Path, size: int):
    (tmp_path / "key").write_bytes(b"k" * size)
    with pytest.raises(EvidenceError, match="is no key"):
        load_key(tmp_path / "key")


def test_a_disk_that_is_full_leaves_no_half_a_key(tmp_path: Path):
    with no_file_beyond(0), pytest.raises(EvidenceError, match="cannot be made"):
        load_key(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EvidenceError):
        load_key(tmp_path / "missing" / "key")


def test_no_key_is_made_in_the_place_of_one_that_was_named(tmp_path: Path):
    with pytest.raises(EvidenceError, match=r"cannot read .*: No such file"):
        read_key(tmp_path / "key")
    with pytest.raises(EvidenceError, match="cannot read"):
        read_key(tmp_path / "a\0b")
    assert list(tmp_path.iterdir()) == []
