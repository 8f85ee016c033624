"""The keys about answers, each by itself."""

from pathlib import Path

import pytest

from tests.config.loading import LEAST, load, problems

#: A key of a shape, and below it the one problem that it makes.
LINES = Path(__file__).with_name("key_problems.txt").read_text().splitlines()
CASES = dict(zip(LINES[::2], LINES[1::2], strict=True))


def profile(key: str) -> str:
    return f"profiles:\n  old:\n    {key}\nroutes: [{{rpc: a.B.C, shape: {{profile: old}}}}]\n"


@pytest.mark.parametrize("key", CASES)
def test_a_wrong_key_is_an_error_at_its_line(key: str):
    [problem] = problems(LEAST, profile(key))
    place, _, told = problem.partition(": profiles.old.")
    assert (told, place.split(":")[:2]) == (CASES[key].strip(), ["b.yaml", "3"])


@pytest.mark.parametrize(
    "key",
    [
        "status: {code: 308}",
        "status: {empty: 204, code: 201}",
        'headers: {Location: "/a?c={id}&d=~#e", Set-Cookie: "a=b; Path=/"}',
        'etag: "{@body}"',
        "paging: {tokens: '{{\"o\":{offset}}}', encode: base64url}",
        "base_url: request",
        'base_url: "https://api.example.com:8443/old"',
    ],
)
def test_a_right_key_is_read(key: str):
    assert load(LEAST, profile(key))
