"""The queue says what is wrong with it in words, and never before it was opened."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from secrecon.jobs import system
from secrecon.jobs.queue import ScanQueue
from secrecon.model.errors import InternalError, OperatorError
from secrecon.store.database import Database, sqlite_url


async def test_a_queue_that_was_not_opened_is_a_bug(db: Database) -> None:
    queue = ScanQueue(db)
    with pytest.raises(InternalError, match="before it was opened"):
        await queue.status("a" * 32)
    await queue.close()


async def test_a_queue_without_its_tables_is_told(tmp_path: Path) -> None:
    db = Database(sqlite_url(tmp_path / "secrecon.db"))
    await db.migrate()
    queue = ScanQueue(db)
    await queue.open()
    async with db.transaction() as tx:
        await tx.connection.execute(sa.text("ALTER TABLE workflow_status RENAME TO gone"))
    with pytest.raises(OperatorError, match=r"secrecon\.db cannot be used: .*workflow_status"):
        await queue.status("a" * 32)
    await queue.close()
    await db.close()


async def test_a_server_that_is_not_there_is_told() -> None:
    db = Database("postgresql+asyncpg://postgres:secret@127.0.0.1:1/none")
    with pytest.raises(OperatorError, match="tables cannot be made") as error:
        await ScanQueue(db).open()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("sqlite+aiosqlite:////data/secrecon.db", "sqlite:////data/secrecon.db"),
        ("postgresql+asyncpg://u:p%40ss@h:5433/n?ssl=require", "postgresql://u:p%40ss@h:5433/n?sslmode=require"),
    ],
)
def test_both_connect_to_the_same_database(ours: str, theirs: str) -> None:
    assert system.system_url(make_url(ours)) == theirs


def test_the_log_of_the_queue_is_ours(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    system.tame_log()
    log = logging.getLogger("dbos")
    log.info("chatter")
    log.warning("Asyncio task cancelled for workflow or step <f>")
    log.warning("Database connection failed")
    assert [record.getMessage() for record in caplog.records] == ["Database connection failed"]
    assert capsys.readouterr().err == ""
