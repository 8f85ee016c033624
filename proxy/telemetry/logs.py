"""The process log: structured lines for what happens beside requests.

Belongs here: the one set-up of structlog and of the standard library's logging, on which aiohttp
and asyncio report. Does not: the line per request (`access_log`).
"""

import logging
from io import TextIOBase
from typing import Final, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), 127)}

LEVELS: Final = ("debug", "info", "warning", "error")


def set_up_logging(
    stream: TextIO | TextIOBase, *, level: str = "info", pretty: bool | None = None
) -> None:
    """Send all logging of the process to *stream*: JSON lines, or *pretty* ones for a terminal.

    *pretty* None asks the stream whether it is a terminal. Replaces an earlier set-up. Raises
    ValueError for a *level* that is not in `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r}")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream.isatty() if pretty is None else pretty))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_shared(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _shared() -> list[Processor]:
    """What is done to each line, wherever it comes from."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _formatter(pretty: bool) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[ProcessorFormatter.remove_processors_meta, *(_pretty() if pretty else _json())],
    )


def _pretty() -> list[Processor]:
    # structlog's own default prints local variables with a traceback: those may hold secrets.
    plain = structlog.dev.plain_traceback
    console = structlog.dev.ConsoleRenderer(exception_formatter=plain, timestamp_key="time")
    return [_without_controls, console]


def _without_controls(logger: object, method: str, line: EventDict) -> EventDict:  # noqa: ARG001
    """Escape control characters: text from outside must not draw on the terminal."""
    return {**line, "event": str(line["event"]).translate(_CONTROLS)}


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
