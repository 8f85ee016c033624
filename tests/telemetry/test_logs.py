"""The process log: one form for all who log, and no secrets with a traceback."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from proxy.telemetry.logs import set_up_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers.copy(), root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_kinds_of_logger_write_the_same_form() -> None:
    stream = io.StringIO()
    set_up_logging(stream)
    structlog.get_logger("cutover").info("serving", port=8080)
    structlog.get_logger("cutover").info("serving %d routes", 3)
    logging.getLogger("aiohttp").warning("odd %s", "request")
    found = lines(stream)
    assert [line["event"] for line in found] == ["serving", "serving 3 routes", "odd request"]
    assert [line["logger"] for line in found] == ["cutover", "cutover", "aiohttp"]
    assert [line["level"] for line in found] == ["info", "info", "warning"]
    assert found[0]["port"] == 8080
    assert str(found[0]["time"]).endswith("Z")


def test_level_holds_for_both_kinds() -> None:
    stream = io.StringIO()
    set_up_logging(stream, level="warning")
    structlog.get_logger("cutover").info("hidden")
    logging.getLogger("aiohttp").info("hidden")
    structlog.get_logger("cutover").error("shown")
    assert [line["event"] for line in lines(stream)] == ["shown"]


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="level must be one of debug, info, warning, error"):
        set_up_logging(io.StringIO(), level="loud")


def test_second_set_up_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logging(first)
    set_up_logging(second)
    logging.getLogger("x").warning("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1


def test_traceback_is_one_field_of_one_line() -> None:
    stream = io.StringIO()
    set_up_logging(stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("x").exception("failed\nhere")
    [line] = lines(stream)
    assert "RuntimeError: broken" in str(line["exception"])
    assert line["event"] == "failed\nhere"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()], ids=["terminal", "told to"])
def test_terminal_gets_text_without_local_variables(stream: io.StringIO) -> None:
    set_up_logging(stream, pretty=None if stream.isatty() else True)
    password = "hunter2"
    try:
        raise RuntimeError(f"broken after {len(password)} tries")
    except RuntimeError:
        structlog.get_logger("cutover").exception("failed")
    assert "RuntimeError: broken after 7 tries" in stream.getvalue()
    assert "hunter2" not in stream.getvalue().replace('password = "hunter2"', "")
    assert not stream.getvalue().startswith("{")


def test_text_from_outside_does_not_draw_on_the_terminal() -> None:
    stream = io.StringIO()
    set_up_logging(stream, pretty=True)
    logging.getLogger("aiohttp").warning("bad \x1b[2J\r\nrequest\x7f")
    assert "bad \\x1b[2J\\x0d\\x0arequest\\x7f" in stream.getvalue()
