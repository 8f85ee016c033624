"""The counter that processes share."""

from pathlib import Path

import pytest

from proxy.state.epoch import Epoch
from proxy.state.files import mapped
from tests.state.movers import said


def test_a_change_is_seen_by_every_reader_once_until_the_next(tmp_path: Path):
    readers = [Epoch(tmp_path / "epoch") for _ in range(2)]
    assert not any(reader.moved for reader in readers)
    readers[0].bump()
    assert all(reader.moved for reader in readers)
    for reader in readers:
        reader.see()
        assert not reader.moved


def test_a_change_before_a_reader_began_is_none_to_it(tmp_path: Path):
    Epoch(tmp_path / "epoch").bump()
    assert not Epoch(tmp_path / "epoch").moved


def test_the_counter_goes_on_after_its_highest_value(tmp_path: Path):
    memory = mapped(tmp_path / "epoch", 8)
    memory[:] = b"\xff" * 8
    epoch = Epoch(tmp_path / "epoch")
    epoch.bump()
    assert epoch.moved
    assert bytes(memory) == bytes(8)


def test_a_file_that_took_the_place_of_ours_is_noticed(tmp_path: Path):
    epoch = Epoch(tmp_path / "epoch")
    assert epoch.is_ours
    (tmp_path / "other").write_bytes(bytes(8))
    (tmp_path / "other").replace(tmp_path / "epoch")
    assert not epoch.is_ours
    (tmp_path / "epoch").unlink()
    assert not epoch.is_ours


def test_a_file_of_somebody_else_is_not_mapped(tmp_path: Path):
    (tmp_path / "epoch").write_bytes(bytes(9))
    with pytest.raises(OSError, match="longer than 8 bytes"):
        Epoch(tmp_path / "epoch")


def test_another_process_sees_the_change(tmp_path: Path):
    epoch = Epoch(tmp_path / "epoch")
    said("move", tmp_path, "r", 1)
    assert epoch.moved


def test_mapped_memory_keeps_what_is_in_it(tmp_path: Path):
    mapped(tmp_path / "pins", 64)[3] = 7
    again = mapped(tmp_path / "pins", 64)
    assert (len(again), again[3], sum(again)) == (64, 7, 7)
