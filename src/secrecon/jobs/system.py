"""What all uses of DBOS in this house share: its address in our own database, its names, its serializer, its log.

DBOS keeps its tables in the same database as ours (schema `dbos` on PostgreSQL, the same file on SQLite), because only
so can a scan be accepted and queued in one transaction. It reads and writes JSON only: with its default, pickle,
whoever can write to the database could run code in a worker.
"""

from __future__ import annotations

import logging

from dbos import DBOS, DBOSPortableJSONSerializer
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from secrecon.model.errors import OperatorError

APPLICATION = "secrecon"
SCHEMA = "dbos"
QUEUE = "scans"
SOON = "retests"
"""Small scans that somebody waits for. A queue of their own, because an order within one queue would not help them past scans
that already run."""

WORKFLOW = "scan"
VERSION = "scan-1"
"""Pinned, because DBOS hands a workflow only to workers of the same version: change it only when a workflow that is
under way could no longer be continued by the new code."""

SERIALIZER = DBOSPortableJSONSerializer()


def system_url(url: URL) -> str:
    """The address of our database as DBOS connects to it, which is synchronously."""
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite").render_as_string(hide_password=False)
    query = dict(url.query)
    if "ssl" in query:
        query["sslmode"] = query.pop("ssl")  # asyncpg's word for libpq's
    return url.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


def migrate(url: URL) -> None:
    """Bring DBOS's own tables up to date. Blocks. Raises OperatorError."""
    tame_log()
    try:
        DBOS.migrate(system_url(url), schema=SCHEMA)
    except SQLAlchemyError as error:
        raise OperatorError(
            f"the queue's tables cannot be made or brought up to date: {first_line(error)}; the database user must own"
            " the database"
        ) from error


def tame_log() -> None:
    """Send DBOS's log where ours goes, warnings and worse only, without the lines that every stop causes."""
    log = logging.getLogger("dbos")
    if not any(isinstance(handler, logging.NullHandler) for handler in log.handlers):
        log.addHandler(logging.NullHandler())  # having a handler keeps DBOS from adding its own to the console
    log.propagate = True
    log.setLevel(logging.WARNING)
    if _expected not in log.filters:
        log.addFilter(_expected)


def _expected(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return "Asyncio task cancelled for workflow or step" not in text


def first_line(error: Exception) -> str:
    """What an error of the database or of DBOS says, cut to what a person reads."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
