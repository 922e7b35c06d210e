"""What a database can do to us, in words an operator can act on. Passwords never appear in them.

Only faults of the installation are translated (locked, full, read-only, unreachable, refused, damaged); a broken
constraint or a bug stays the exception it is.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from secrecon.model.errors import OperatorError

_SQLITE = {
    sqlite3.SQLITE_BUSY: "{where} is locked by another program for too long: end backups or shells that hold it open",
    sqlite3.SQLITE_LOCKED: "{where} is locked by another program for too long: end backups or shells that hold it open",
    sqlite3.SQLITE_FULL: "the disk that holds {where} is full: free space; nothing was half-written",
    sqlite3.SQLITE_READONLY: "{where} or its folder is read-only: give the server's user the right to write both",
    sqlite3.SQLITE_CANTOPEN: "{where} cannot be opened: check that its folder exists and the server's user may write it",
    sqlite3.SQLITE_PERM: "{where} cannot be opened: check that its folder exists and the server's user may write it",
    sqlite3.SQLITE_IOERR: "the disk that holds {where} gave an I/O error: check the disk and the system's log",
    sqlite3.SQLITE_CORRUPT: "{where} is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "{where} is not a SQLite database: point SECRECON_DATA_DIR at another folder",
}

_POSTGRES: tuple[tuple[type[asyncpg.PostgresError], str], ...] = (
    (asyncpg.InvalidPasswordError, "{where} refused the user or the password: check SECRECON_DATABASE_URL"),
    (asyncpg.InvalidAuthorizationSpecificationError, "{where} refused the user: check its pg_hba.conf"),
    (asyncpg.InvalidCatalogNameError, "{where} has no such database: create it, for example with createdb"),
    (asyncpg.InsufficientPrivilegeError, "{where} denies a right: make the user the owner of the database"),
    (asyncpg.DiskFullError, "the disk of {where} is full: free space; nothing was half-written"),
    (asyncpg.TooManyConnectionsError, "{where} has no connection left: raise max_connections or run fewer workers"),
    (asyncpg.CannotConnectNowError, "{where} is starting or stopping: try again in a moment"),
    (asyncpg.AdminShutdownError, "{where} is shutting down: start it again"),
    (
        asyncpg.ReadOnlySQLTransactionError,
        "{where} is read-only: point SECRECON_DATABASE_URL at the primary server",
    ),
    (asyncpg.LockNotAvailableError, "{where} kept a lock for too long: end sessions that are idle in transaction"),
)

_GONE = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


@contextlib.contextmanager
def told(url: URL, *, connecting: bool = False) -> Iterator[None]:
    """Turn a fault of the installation that rises from the block into an OperatorError.

    While `connecting`, drivers raise the bare errors of the operating system too; later only wrapped ones count, so
    that a caller's own OSError keeps its meaning.
    """
    bare = (OSError, sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError) if connecting else ()
    try:
        yield
    except PoolTimeout as error:
        raise OperatorError(f"every connection to {name(url)} is in use: run fewer workers or requests") from error
    except (DBAPIError, *bare) as error:
        message = words(url, error)
        if message is None:
            raise
        raise OperatorError(message) from error


def name(url: URL) -> str:
    """The database as an operator knows it, without its password."""
    if url.get_backend_name() == "sqlite":
        return f"the database file {url.database}"
    return f"the PostgreSQL server {url.host or 'localhost'}:{url.port or 5432} (database {url.database})"


def words(url: URL, error: BaseException) -> str | None:
    """What to tell the operator; None where the error is not one of the installation."""
    for cause in _chain(error):
        if isinstance(cause, sqlite3.Error):
            code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
            return _SQLITE[code].format(where=name(url)) if code in _SQLITE else None
        for kind, text in _POSTGRES:
            if isinstance(cause, kind):
                return text.format(where=name(url))
    if url.get_backend_name() != "sqlite" and any(isinstance(cause, _GONE) for cause in _chain(error)):
        return f"{name(url)} cannot be reached: check that it runs and that SECRECON_DATABASE_URL is right"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        original = getattr(seen, "orig", None)
        seen = original if isinstance(original, BaseException) else seen.__cause__
