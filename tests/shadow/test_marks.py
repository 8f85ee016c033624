"""The mark: nobody but us can set it, and all processes of a state directory have the same."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.shadow.marks import MARK_FILE, Mark, load_mark

MARK = Mark("x-shadow", "the-secret")


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    "pairs",
    [
        (),
        (("x-shadow", ""),),
        (("x-shadow", "1"),),
        (("x-shadow", "THE-SECRET"),),
        (("x-shadow", "the-secret "),),
        (("x-shadow", "the-secre"),),
        (("x-shadow", "caf\udce9"),),
        (("grpc-metadata-x-shadow", "the-secret"),),
    ],
)
def test_only_the_secret_makes_it_ours(pairs: tuple[tuple[str, str], ...]):
    assert not MARK.is_ours(headers(*pairs))


def test_any_line_with_the_secret_makes_it_ours():
    """A client that sends a line of its own must not blind us to that of a proxy behind it."""
    assert MARK.is_ours(headers(("X-Shadow", "1"), ("x-shadow", "the-secret")))


@pytest.mark.parametrize("name", ["x-shadow", "X-SHADOW", "Grpc-Metadata-X-Shadow"])
def test_what_a_client_made_up_is_taken_out(name: str):
    sent = headers((name, "1"), ("accept", "*/*"))
    assert MARK.is_in(sent)
    assert MARK.carried(sent, sent.items()) == (("accept", "*/*"),)


def test_ours_passes_on_once():
    sent = headers(("X-Shadow", "1"), ("X-Shadow", "the-secret"), ("a", "b"))
    assert MARK.carried(sent, sent.items()) == (("a", "b"), ("x-shadow", "the-secret"))
    assert not MARK.is_in(headers(("a", "b")))


def test_the_secret_is_not_shown():
    assert "the-secret" not in repr(MARK)


def test_a_secret_that_is_given_makes_no_file(tmp_path: Path):
    assert load_mark(tmp_path, "X-Mirror", "given").pair == ("x-mirror", "given")
    assert list(tmp_path.iterdir()) == []


def test_all_who_come_at_one_time_have_the_same_secret(tmp_path: Path):
    with ThreadPoolExecutor(16) as threads:
        marks = set(threads.map(lambda _: load_mark(tmp_path, "x-shadow"), range(64)))
    assert len(marks) == 1
    assert [path.name for path in tmp_path.iterdir()] == [MARK_FILE]
    assert stat.S_IMODE((tmp_path / MARK_FILE).stat().st_mode) == 0o600
    (mark,) = marks
    assert len(mark.secret) == 32


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 5000, b"a\0b"])
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / MARK_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="holds no secret"):
        load_mark(tmp_path, "x-shadow")


def test_a_directory_that_takes_no_files_is_told_of(tmp_path: Path):
    with pytest.raises(OSError, match="gone"):
        load_mark(tmp_path / "gone", "x-shadow")
    assert list(tmp_path.iterdir()) == []
