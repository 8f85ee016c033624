"""Secrets: where they may stand, what they must be, and that nobody sees them."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.config import Config
from proxy.config.secret_files import MAX_SECRET_BYTES
from proxy.errors import ConfigError
from tests.config.loading import BOTH, load

SECRET = "correct-horse-battery"
BOTH_FILES = "admin: {token_file: t}\noverride: {secret_file: o}\n"


def files(**contents: bytes) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return contents[path]

    return read


def refused(config: Config, read: Callable[[str], bytes]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.with_secrets(read)
    return [str(problem) for problem in caught.value.problems]


def test_a_configuration_without_secrets_reads_nothing() -> None:
    config = load(BOTH)
    assert config.secret_files() == ()
    assert config.with_secrets(files()).digest == config.digest
    assert (config.override_header, config.admin_token) == (None, None)


def test_files_are_named_with_their_places() -> None:
    found = load(BOTH + BOTH_FILES).secret_files()
    assert [(file.path, str(file.place)) for file in found] == [
        ("o", "a.yaml:6:25: override.secret_file"),
        ("t", "a.yaml:5:21: admin.token_file"),
    ]


def test_secrets_are_the_files_without_white_space_at_the_ends() -> None:
    config = load(BOTH + BOTH_FILES)
    config = config.with_secrets(files(t=b"token-token-token-1\n", o=f" {SECRET}\r\n".encode()))
    assert config.admin_token == "token-token-token-1"
    assert config.override_header is not None
    assert (config.override_header.name, config.override_header.secret) == (
        "x-cutover-override",
        SECRET,
    )


def test_secret_from_the_environment_needs_no_file() -> None:
    config = load(BOTH + "override: {header: X-Side, secret: '${S}'}", environ={"S": SECRET})
    assert config.override_header is not None
    assert (config.override_header.name, config.override_header.secret) == ("x-side", SECRET)


def test_every_bad_file_is_a_problem_at_its_place() -> None:
    assert refused(load(BOTH + BOTH_FILES), files(t=b" \n")) == [
        "a.yaml:6:25: override.secret_file: cannot read o: No such file or directory",
        "a.yaml:5:21: admin.token_file: t is empty",
    ]


def test_path_that_no_file_can_have_is_a_problem() -> None:
    config = load(BOTH + 'admin: {token_file: "t\\0"}')
    assert refused(config, lambda path: Path(path).read_bytes()) == [
        "a.yaml:5:21: admin.token_file: cannot read t\0: embedded null byte"
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"hush", "has fewer than 16 characters"),
        (b"two words that are long", "must be visible ASCII characters without spaces"),
        ("ähnlich wie ein Wort".encode(), "must be visible ASCII characters without spaces"),
        (b"\x00" * 20, "must be visible ASCII characters without spaces"),
        (b"x" * (MAX_SECRET_BYTES + 1), "is too large for a secret"),
    ],
)
def test_content_must_be_a_good_secret(content: bytes, fault: str) -> None:
    config = load(BOTH + "admin: {token_file: t}")
    assert refused(config, files(t=content)) == [f"a.yaml:5:21: admin.token_file: t {fault}"]


def test_digest_follows_the_secrets_and_gives_none_away() -> None:
    config = load(BOTH + BOTH_FILES)
    one = config.with_secrets(files(t=b"a" * 16, o=b"b" * 16))
    assert one.digest == config.with_secrets(files(t=b"a" * 16 + b"\n", o=b"b" * 16)).digest
    assert len(one.digest) == 64
    others = {
        config.with_secrets(files(t=token, o=secret)).digest
        for token, secret in (
            (b"a" * 16, b"c" * 16),
            (b"c" * 16, b"b" * 16),
            (b"b" * 16, b"a" * 16),
        )
    }
    assert len(others | {one.digest, config.digest}) == 5


def test_nothing_shows_a_secret() -> None:
    config = load(
        BOTH + "admin: {token_file: t}\noverride: {secret: '${S}'}", environ={"S": SECRET}
    )
    config = config.with_secrets(files(t=SECRET.encode()))
    shown = f"{config!r} {config.settings!r} {config.redacted()} {config.override_header!r}"
    assert SECRET not in shown
    assert "${S}" in shown


def test_a_bad_secret_from_the_environment_is_not_shown_either() -> None:
    with pytest.raises(ConfigError) as caught:
        load(BOTH + "override: {secret: '${S}'}", environ={"S": "too-short-hush"})
    assert "hush" not in str(caught.value)
