"""Both databases for tests: a SQLite file, and a PostgreSQL server that the test session starts itself.

Every test that asks for `database_url` or `db` runs once on each and gets an empty database. The server is Debian's
(`/usr/lib/postgresql/*/bin`), in a folder of its own, on 127.0.0.1 and a port that was free; where the tests run as
root it runs as the user `postgres`, as it refuses to run as root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest

from secrecon.store.database import Database, sqlite_url

STARTS = 5
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; `folder` holds its data."""

    port: int
    folder: Path
    binaries: Path

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{name}"

    def admin(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def run(self, *command: str) -> None:
        """Run one of the server's programs as its user."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*prefix, str(self.binaries / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        options += " -c max_connections=200 -c shared_buffers=64MB"
        self.run(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-o", options, "start"
        )

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        pytest.fail(
            "PostgreSQL is not installed: run `apt-get install postgresql`, or deselect with -m 'not postgres'"
        )
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _started(folder: Path) -> PostgresServer:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = PostgresServer(_free_port(), folder, _binaries())
    server.run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
    for attempt in range(STARTS):
        try:
            server.start()
        except RuntimeError:
            if attempt == STARTS - 1:
                raise
            server = PostgresServer(_free_port(), folder, server.binaries)
        else:
            break
    return server


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server that is stopped and wiped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="secrecon-postgres-"))
    try:
        server = _started(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for this test process."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with postgres_server.admin() as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield postgres_server.url(name)
    with postgres_server.admin() as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "secrecon.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A database with the current schema."""
    database = Database(database_url)
    await database.migrate()
    yield database
    await database.close()
