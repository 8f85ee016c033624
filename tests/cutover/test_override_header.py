"""The override header: nothing without its secret, and never seen by a side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cutover.override_header import DEFAULT_NAME, OverrideHeader, without_override
from proxy.cutover.stages import Side
from tests.cutover.callers import headers_of

SECRET = "correct horse battery"
OVERRIDE = OverrideHeader(DEFAULT_NAME, SECRET)


def side_of(*lines: str) -> Side | None:
    return OVERRIDE.side_of(headers_of(("X-Cutover-Override", line) for line in lines))


@pytest.mark.parametrize("side", [Side.LEGACY, Side.GRPC])
def test_secret_lets_a_request_pick_its_side(side: Side):
    assert side_of(f"{side.value} {SECRET}") is side


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "grpc",
        "grpc ",
        f"grpc{SECRET}",
        f"grpc  {SECRET}",
        f"grpc {SECRET} ",
        f"grpc {SECRET}x",
        f"grpc {SECRET[:-1]}",
        f"grpc {SECRET.upper()}",
        f"GRPC {SECRET}",
        f"proxy {SECRET}",
        f"shadow {SECRET}",
        f" {SECRET}",
        SECRET,
        f"{SECRET} grpc",
        "grpc \udcff",
        f"grpc, legacy {SECRET}",
    ],
)
def test_anything_else_has_no_effect(line: str):
    assert side_of(line) is None


def test_request_without_the_header_picks_nothing():
    assert OVERRIDE.side_of(headers_of([("x-other", f"grpc {SECRET}")])) is None


def test_client_cannot_get_in_the_way_of_a_proxy_in_front():
    assert side_of("legacy guess", f"grpc {SECRET}") is Side.GRPC
    assert side_of(f"grpc {SECRET}", "legacy guess") is Side.GRPC


@given(st.binary(max_size=100).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_no_guess_raises_or_picks_a_side(line: str):
    assert side_of(line, f"grpc {line}") is None


@pytest.mark.parametrize("secret", ["", " ", "s3cret\n", " s3cret", "s3\0cret", "s3\r\ncret"])
def test_secret_that_no_header_can_carry_is_refused(secret: str):
    with pytest.raises(ValueError, match="must be printable text") as caught:
        OverrideHeader(DEFAULT_NAME, secret)
    assert "s3" not in str(caught.value)


def test_secret_is_not_shown():
    assert SECRET not in repr(OVERRIDE)


def test_override_headers_are_equal_by_name_and_secret():
    assert OverrideHeader(DEFAULT_NAME, SECRET) == OVERRIDE
    assert OverrideHeader(DEFAULT_NAME, "another") != OVERRIDE


@pytest.mark.parametrize("value", [f"grpc {SECRET}", "grpc guess", ""])
def test_header_is_taken_out_whether_it_is_trusted_or_not(value: str):
    headers = [("Host", "h"), ("X-Cutover-Override", value), ("x-cutover-override", value)]
    assert without_override(headers) == [("Host", "h")]
    assert without_override(headers, "X-Other") == headers
