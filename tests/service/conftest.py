"""A context over a fresh database, and two accounts that must never see each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.little import BentClock, ListQueue, LittleEngine, make_context, make_user

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context
from secrecon.store.database import Database


@pytest.fixture
def clock() -> BentClock:
    return BentClock()


@pytest.fixture
def engine() -> LittleEngine:
    return LittleEngine()


@pytest.fixture
def queue() -> ListQueue:
    return ListQueue()


@pytest.fixture
async def ctx(tmp_path: Path, db: Database, clock: BentClock, engine: LittleEngine, queue: ListQueue) -> Context:
    """On SQLite and on PostgreSQL."""
    return await make_context(tmp_path, db=db, clock=clock, engine=engine, queue=queue)


@pytest.fixture
async def ada(ctx: Context) -> Caller:
    return await make_user(ctx)


@pytest.fixture
async def bob(ctx: Context) -> Caller:
    return await make_user(ctx, "bob@other.test", "enterprise")
