"""Accepting a scan is one transaction: credit, scan row and queue entry, or none of them. On both databases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from secrecon.accounts.credits import balance, give_back_credit, take_credit
from secrecon.accounts.plans import DEFAULT_PLANS, Plan
from secrecon.jobs.queue import JobStatus, ScanQueue
from secrecon.model.errors import Exhausted
from secrecon.model.scan import QUICK_BUDGET, EngineInfo, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.net.clock import SystemClock
from secrecon.store import scans, users
from secrecon.store.database import Database

ROOMY = Plan("roomy", scans=30, api=True, stored_reports=None)
CLOCK = SystemClock()


class Unlucky(Exception):
    """The failure that a test forces."""


@pytest.fixture
async def queue(db: Database) -> AsyncIterator[ScanQueue]:
    queue = ScanQueue(db)
    await queue.open()
    yield queue
    await queue.close()


async def add_account(db: Database) -> int:
    async with db.transaction() as tx:
        return await users.add_account(tx, "business", 0.0)


async def accept(
    db: Database, queue: ScanQueue, account_id: int, number: int, plan: Plan, fail_after: int = 0
) -> str:
    """What submit_scan does, failing after the given act (1 credit, 2 row, 3 queue)."""
    spec = ScanSpec(f"{number:032x}", parse_target("acme.test"), ScanMode.QUICK, Touch.LIGHT, QUICK_BUDGET)
    async with db.transaction() as tx:
        await take_credit(tx, CLOCK, account_id, plan, spec.scan_id)
        if fail_after == 1:
            raise Unlucky
        await scans.add(
            tx,
            account_id=account_id,
            db_scan_id=number,
            spec=spec,
            engine=EngineInfo("0", ""),
            via_api=True,
            at=CLOCK.now(),
        )
        if fail_after == 2:
            raise Unlucky
        await queue.enqueue(tx, spec.scan_id, account_id)
        if fail_after == 3:
            raise Unlucky
    return spec.scan_id


async def queued(db: Database) -> set[str]:
    """The ids in the queue's own table, as the database has them."""
    table = "workflow_status" if db.is_sqlite else "dbos.workflow_status"
    async with db.reading() as tx:
        return set((await tx.connection.execute(sa.text(f"SELECT workflow_uuid FROM {table}"))).scalars())


async def used(db: Database, account_id: int) -> int:
    async with db.reading() as tx:
        return (await balance(tx, CLOCK, account_id, ROOMY)).used


@pytest.mark.parametrize("seed", [1, 2])
async def test_forced_rollbacks_leave_nothing_behind(db: Database, queue: ScanQueue, seed: int) -> None:
    dice = random.Random(seed)
    account_id = await add_account(db)
    accepted: set[str] = set()
    for number in range(1, 31):
        fail_after = dice.choice([0, 0, 1, 2, 3])
        try:
            accepted.add(await accept(db, queue, account_id, number, ROOMY, fail_after))
        except Unlucky:
            assert fail_after
    async with db.reading() as tx:
        stored = set(await scans.unfinished(tx))
    assert 0 < len(accepted) < 30
    assert stored == accepted
    assert await queued(db) == accepted
    assert await used(db, account_id) == len(accepted)


async def test_submissions_at_once_never_overspend(db: Database, queue: ScanQueue) -> None:
    account_id, other = await add_account(db), await add_account(db)
    plan = DEFAULT_PLANS["business"]
    tries = [accept(db, queue, account_id, number, plan) for number in range(1, 21)]
    tries += [accept(db, queue, other, number, plan) for number in range(21, 24)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    accepted = {answer for answer in answers if isinstance(answer, str)}
    refused = [answer for answer in answers if isinstance(answer, Exhausted)]
    assert (len(accepted), len(refused)) == (5 + 3, 15)
    assert await used(db, account_id) == 5
    assert await used(db, other) == 3
    assert await queued(db) == accepted


async def test_a_credit_comes_back_once(db: Database, queue: ScanQueue) -> None:
    account_id = await add_account(db)
    scan_id = await accept(db, queue, account_id, 1, ROOMY)

    async def give_back() -> bool:
        async with db.transaction() as tx:
            return await give_back_credit(tx, CLOCK, scan_id)

    assert sorted(await asyncio.gather(*(give_back() for _ in range(6)))) == [False] * 5 + [True]
    assert await used(db, account_id) == 0


async def test_the_same_scan_is_queued_once(db: Database, queue: ScanQueue) -> None:
    for _ in range(2):
        async with db.transaction() as tx:
            await queue.enqueue(tx, "a" * 32, 1)
    assert await queued(db) == {"a" * 32}
    assert await queue.status("a" * 32) is JobStatus.WAITING
    assert await queue.status("b" * 32) is None
