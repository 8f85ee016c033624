"""The audit log: what is in it stays, whatever happens to the process."""

from dataclasses import replace
from pathlib import Path

import pytest

from proxy.state.audit import AUDIT_FILES, AuditLog
from proxy.state.document import AuditEntry, entry_line
from tests.state.test_document import ENTRY


def entry(number: int) -> AuditEntry:
    return replace(ENTRY, id=f"{number}-ab", revision=number)


def numbers(log: AuditLog) -> list[int]:
    return [each.revision for each in log.newest()]


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path)


def test_entries_are_read_newest_first(log: AuditLog):
    assert numbers(log) == []
    for number in (1, 2, 3):
        log.append(entry(number))
    assert numbers(log) == [3, 2, 1]
    assert next(log.newest()) == entry(3)


def test_the_last_entry_is_known(log: AuditLog):
    assert not log.ends_with(entry(1))
    log.append(entry(1))
    assert log.ends_with(entry(1))
    log.append(entry(2))
    assert not log.ends_with(entry(1))


@pytest.mark.parametrize("cut", [1, 10, len(entry_line(entry(2))) - 1])
def test_a_torn_last_line_is_left_out_and_then_cut_off(log: AuditLog, tmp_path: Path, cut: int):
    log.append(entry(1))
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes() + entry_line(entry(2))[:cut])
    assert numbers(log) == [1]
    assert log.ends_with(entry(1))
    log.append(entry(2))
    assert numbers(log) == [2, 1]
    assert path.read_bytes() == entry_line(entry(1)) + entry_line(entry(2))


def test_a_line_that_cannot_be_read_hides_no_other(log: AuditLog, tmp_path: Path):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(entry_line(entry(1)) + b"edited by hand\n{}\n\n" + entry_line(entry(2)))
    assert numbers(log) == [2, 1]
    path.write_bytes(entry_line(entry(1)) + b"edited by hand\n")
    assert not log.ends_with(entry(1))


def test_a_full_file_is_put_aside_and_nothing_is_lost(tmp_path: Path):
    log = AuditLog(tmp_path, full_bytes=3 * len(entry_line(entry(1))))
    for number in range(1, 8):
        log.append(entry(number))
        assert log.ends_with(entry(number))
    assert numbers(log) == [7, 6, 5, 4, 3, 2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("audit.1.jsonl", "audit.2.jsonl", "audit.jsonl"),
    ]


def test_files_are_bounded_in_number_and_the_oldest_go_first(tmp_path: Path):
    log = AuditLog(tmp_path, full_bytes=1)
    for number in range(1, 2 * AUDIT_FILES):
        log.append(entry(number))
    assert len(list(tmp_path.iterdir())) == AUDIT_FILES + 1
    assert numbers(log) == list(range(2 * AUDIT_FILES - 1, AUDIT_FILES - 2, -1))


def test_the_last_entry_is_known_when_the_file_has_just_been_put_aside(tmp_path: Path):
    log = AuditLog(tmp_path)
    log.append(entry(1))
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.1.jsonl")
    assert log.ends_with(entry(1))


def test_a_file_that_is_put_aside_while_it_is_read_is_read_once(tmp_path: Path):
    log = AuditLog(tmp_path)
    for number in (1, 2):
        log.append(entry(number))
    entries = log.newest()
    first = next(entries)
    (tmp_path / "audit.jsonl").rename(tmp_path / "audit.1.jsonl")
    log.append(entry(3))
    assert [each.revision for each in (first, *entries)] == [2, 1]


def test_a_full_disk_leaves_the_log_as_it_was(log: AuditLog, tmp_path: Path):
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left|Invalid argument"):
        log.append(entry(1))
