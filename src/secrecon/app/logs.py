"""Logging: structlog to stderr, for people or for machines. No secret is ever passed to a logger, and no traceback shows the
values of variables: they hold what targets sent, and tokens."""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO, cast

import structlog

from secrecon.app.settings import Settings


class _Stderr(io.TextIOBase):
    """Standard error as it is when a line is written: whoever replaced it gets the lines, and a closed one gets none."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_STDERR = cast(TextIO, _Stderr())


def configure_logs(settings: Settings, *, quiet: bool = False) -> None:
    """Send every log line to stderr in the chosen format. `quiet`: errors only (a terminal shows progress)."""
    level = "error" if quiet else settings.log_level
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(_STDERR),
    )
    handler = logging.StreamHandler(_STDERR)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_is_worth_a_line)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """uvicorn calls a WebSocket that we refused properly unfinished: anyone could fill the log with errors by that."""
    return record.getMessage() != "ASGI callable returned without completing handshake."
