"""Files of logs: what they are is seen by their content, and nothing in them is fatal."""

import gzip
import json
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.sources.document import load_document
from proxy.sources.traffic import MAX_HAR_BYTES, MAX_LINE_BYTES, MAX_NAMED, TrafficFile

LINE = b'::1 - - [01/Feb/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 1\n'
HAR = json.dumps(
    {"log": {"entries": [{"request": {"method": "GET", "url": "http://h/a"}}, {"request": 1}]}}
).encode()


def read(path: Path, data: bytes, max_har_bytes: int = MAX_HAR_BYTES) -> TrafficFile:
    path.write_bytes(data)
    file = TrafficFile(path, max_har_bytes)
    hits = [*file.read()]
    assert {hit.path for hit in hits} <= {"/a"}
    assert sum(hit.times for hit in hits) == file.hits
    return file


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_logs_and_har_are_told_apart_by_their_content(tmp_path: Path, pack):
    log = read(
        tmp_path / "a.har", pack(LINE + b'{"method": "GET", "path": "/a", "count": 3}\r\n\n')
    )
    assert (log.hits, log.bad) == (4, 0)
    har = read(tmp_path / "a.log", pack(HAR))
    assert (har.hits, har.bad, har.named) == (
        1,
        1,
        [f"{tmp_path / 'a.log'}:entry 2: has no request"],
    )


def test_bad_lines_are_counted_and_the_first_are_named(tmp_path: Path):
    file = read(tmp_path / "a", b"bad\n" * (MAX_NAMED + 3) + LINE + b"\xff\xfe\n")
    assert (file.hits, file.bad, len(file.named)) == (1, MAX_NAMED + 4, MAX_NAMED)
    assert file.named[0] == f"{tmp_path / 'a'}:1: is neither JSON nor in the Common Log Format"


def test_a_line_without_end_is_skipped_in_pieces(tmp_path: Path):
    file = read(tmp_path / "a", b"x" * (3 * MAX_LINE_BYTES) + b"\n" + LINE + b"y" * MAX_LINE_BYTES)
    assert (file.hits, file.bad) == (1, 2)
    assert file.named[0].endswith(f"a:1: is longer than {MAX_LINE_BYTES} bytes")


@pytest.mark.parametrize("cut", [-9, 40], ids=["end", "middle"])
def test_broken_compression_keeps_what_was_read(tmp_path: Path, cut: int):
    packed = gzip.compress(LINE * 1000)
    broken = packed[:cut] if cut < 0 else packed[:cut] + b"\0" * 30 + packed[cut + 30 :]
    file = read(tmp_path / "a", broken)
    assert file.bad >= 1
    assert "the compressed data breaks off or is broken" in file.named[-1]


def test_a_har_that_is_none_or_too_large_is_said(tmp_path: Path):
    file = read(tmp_path / "a", b'{"log": ')
    assert file.named[0].startswith(f"{tmp_path / 'a'}:file: is no JSON")
    assert read(tmp_path / "a", HAR, max_har_bytes=len(HAR)).hits == 1
    assert read(tmp_path / "a", HAR, max_har_bytes=len(HAR) - 1).hits == 0


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        [*TrafficFile(tmp_path / "none").read()]


def test_a_log_is_read_as_it_goes(tmp_path: Path):
    """What comes after is not looked at: a million lines take no more memory than one."""
    path = tmp_path / "a"
    path.write_bytes(LINE * 3 + b"bad\n" * 50_000)
    file = TrafficFile(path)
    hits = file.read()
    next(hits)
    assert (file.hits, file.bad) == (1, 0)
    hits.close()


def test_documents_are_read_and_refused_with_their_name(tmp_path: Path):
    good = tmp_path / "old.yaml"
    good.write_text("openapi: 3.0.0")
    assert load_document(good).value == {"openapi": "3.0.0"}
    for name, data, told in (
        ("gone.yaml", None, "cannot be read: No such file"),
        ("bytes.yaml", b"a: \xff", "is not UTF-8 text: byte 4 is wrong"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ConfigError) as refused:
            load_document(tmp_path / name)
        assert f"{tmp_path / name}: {told}" in str(refused.value)


def test_a_document_beyond_the_limit_is_refused(tmp_path: Path):
    path = tmp_path / "old.yaml"
    path.write_text("openapi: 3.0.0")
    with pytest.raises(ConfigError, match="has more than 10 bytes"):
        load_document(path, max_bytes=10)
