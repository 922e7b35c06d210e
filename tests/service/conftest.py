"""A context over a fresh database, and two accounts that must never see each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.little import BentClock, ListQueue, LittleEngine, make_context, make_user

from secrecon.accounts.caller import Caller
from secrecon.service.context import Context


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
async def ctx(tmp_path: Path, clock: BentClock, engine: LittleEngine, queue: ListQueue) -> AsyncIterator[Context]:
    ctx = await make_context(tmp_path, clock=clock, engine=engine, queue=queue)
    yield ctx
    await ctx.db.close()


@pytest.fixture
async def ada(ctx: Context) -> Caller:
    return await make_user(ctx)


@pytest.fixture
async def bob(ctx: Context) -> Caller:
    return await make_user(ctx, "bob@other.test", "enterprise")
