"""The API over a fresh database, called in-process, and two accounts that must never see each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.little import PASSWORD, BentClock, ListQueue, LittleEngine, make_context, make_key, make_user

from secrecon.accounts.caller import Caller
from secrecon.api.app import ApiOptions, create_app
from secrecon.api.metrics import MetricsAccess, MetricsPolicy
from secrecon.service.context import Context
from secrecon.service.people import session_cookie, sign_in


@dataclass(frozen=True)
class Person:
    """A caller with ways to prove it."""

    caller: Caller
    key: dict[str, str]
    cookie: dict[str, str]


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
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, ApiOptions(metrics=MetricsPolicy(MetricsAccess.OPEN)))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://secrecon.test") as client:
        yield client


async def person(ctx: Context, email: str, plan: str) -> Person:
    caller = await make_user(ctx, email, plan)
    signed = await sign_in(ctx, email, PASSWORD, "192.0.2.1")
    key = {"X-API-Key": await make_key(ctx, caller)} if plan != "professional" else {}
    return Person(caller, key, {"Cookie": f"{session_cookie(ctx)}={signed.token}"})


@pytest.fixture
async def ada(ctx: Context) -> Person:
    return await person(ctx, "ada@acme.test", "business")


@pytest.fixture
async def bob(ctx: Context) -> Person:
    return await person(ctx, "bob@other.test", "enterprise")


@pytest.fixture
async def eve(ctx: Context) -> Person:
    return await person(ctx, "eve@poor.test", "professional")
