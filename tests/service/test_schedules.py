"""Schedules end to end: each moment once, told where it was not run, in the hours that are allowed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.little import BentClock, ListQueue

from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, NotFound
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan, RunOutcome, Window
from secrecon.service import schedules
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.running import ScanRunner
from secrecon.service.scans import list_scans, submit_scan
from secrecon.service.schedules import (
    LATE,
    MOST,
    change_schedule,
    create_schedule,
    list_runs,
    list_schedules,
    remove_schedule,
    run_due,
    run_now,
)
from secrecon.store import scans, users

NIGHTLY = Plan("Nightly", "https://shop.acme.test", ScanMode.QUICK, "0 2 * * *", "UTC")
HOUR = 3_600.0


@pytest.fixture
def clock() -> BentClock:
    """Noon."""
    return BentClock(datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp())


@pytest.fixture
async def ada(ctx: Context, ada: Caller) -> Caller:
    """As she is signed in; without a limit of scans."""
    async with ctx.db.transaction() as tx:
        await users.set_plan(tx, ada.account_id, "enterprise")
    return replace(ada, plan="enterprise")


async def finish(ctx: Context, scan_id: str) -> None:
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        await runner.run_step(scan_id, step, 0)
    await runner.finish(scan_id)


async def outcomes(ctx: Context, caller: Caller, schedule_id: int) -> list[tuple[str, str, int]]:
    found = (await list_runs(ctx, caller, schedule_id)).items
    return [(run.outcome.value, run.detail, run.times) for run in reversed(found)]


async def test_one_that_breaks_keeps_no_other_back(
    ctx: Context, ada: Caller, clock: BentClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_schedule(ctx, ada, replace(NIGHTLY, name="Odd", target="https://odd.acme.test"))
    await create_schedule(ctx, ada, NIGHTLY)

    async def submit(ctx: Context, caller: Caller, wish: ScanRequest, key: str) -> AcceptedScan:
        if "odd" in wish.target:
            raise ZeroDivisionError
        return await submit_scan(ctx, caller, wish, key)

    monkeypatch.setattr(schedules, "submit_scan", submit)
    clock.at += 14 * HOUR
    assert (await run_due(ctx)).started == 1


async def test_a_moment_is_run_once_and_the_next_one_follows(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    made = await create_schedule(ctx, ada, NIGHTLY)
    assert made.next_run == clock.at + 14 * HOUR
    assert (await run_due(ctx)).dealt == 0
    clock.at += 14 * HOUR
    results = [await run_due(ctx) for _ in range(3)]
    assert [result.started for result in results] == [1, 0, 0]
    (entry,) = queue.entries
    (now,) = await list_schedules(ctx, ada)
    assert now.last_scan_id == entry
    assert now.next_run == clock.at + 24 * HOUR
    assert await outcomes(ctx, ada, made.id) == [("started", "", 1)]


async def test_workers_at_once_begin_one_scan(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    await create_schedule(ctx, ada, NIGHTLY)
    clock.at += 14 * HOUR
    await asyncio.gather(*(run_due(ctx) for _ in range(6)))
    assert len(queue.entries) == 1
    assert (await list_scans(ctx, ada)).items[0].scan_id == queue.entries[0]


async def test_a_scan_that_still_runs_is_not_joined_by_another(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    made = await create_schedule(ctx, ada, replace(NIGHTLY, cron="* * * * *"))
    for _ in range(60):
        clock.at += 60
        await run_due(ctx)
    assert len(queue.entries) == 1
    assert await outcomes(ctx, ada, made.id) == [
        ("started", "", 1),
        ("skipped", "the scan before is still running", 59),
    ]
    await finish(ctx, queue.entries[0])
    clock.at += 60
    assert (await run_due(ctx)).started == 1


@pytest.mark.parametrize("catch_up", [False, True])
async def test_after_a_downtime(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue, catch_up: bool
) -> None:
    made = await create_schedule(ctx, ada, replace(NIGHTLY, catch_up=catch_up))
    clock.at += 14 * HOUR + 3 * 24 * HOUR + LATE + 1
    await run_due(ctx)
    assert len(queue.entries) == (1 if catch_up else 0), "once for all that was missed, or not at all"
    told = await outcomes(ctx, ada, made.id)
    assert told == [
        ("started", "late, after a downtime", 1)
        if catch_up
        else ("missed", "no worker was running at that time", 1)
    ]
    (now,) = await list_schedules(ctx, ada)
    assert now.next_run is not None
    assert now.next_run > clock.at


async def test_a_window_that_closed_while_nobody_looked_is_waited_for(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    made = await create_schedule(ctx, ada, replace(NIGHTLY, window=Window(120, 240), catch_up=True))
    clock.at += 20 * HOUR
    await run_due(ctx)
    assert queue.entries == []
    clock.at += 18 * HOUR
    assert (await run_due(ctx)).started == 1
    async with ctx.db.reading() as tx:
        scan = await scans.by_scan_id(tx, queue.entries[0])
    assert scan is not None
    assert scan.spec.budget.seconds <= 2 * HOUR
    assert [outcome for outcome, _, _ in await outcomes(ctx, ada, made.id)] == ["started"]


async def test_a_scan_ends_with_its_window(ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue) -> None:
    await create_schedule(ctx, ada, replace(NIGHTLY, window=Window(120, 125)))
    clock.at += 14 * HOUR + 60
    await run_due(ctx)
    async with ctx.db.reading() as tx:
        scan = await scans.by_scan_id(tx, queue.entries[0])
    assert scan is not None
    assert scan.spec.budget.seconds == 240


async def test_what_is_refused_is_told_and_tried_at_the_next_moment(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    full = await create_schedule(ctx, ada, replace(NIGHTLY, mode=ScanMode.FULL))
    private = await create_schedule(ctx, ada, replace(NIGHTLY, target="http://10.0.0.1"))
    clock.at += 14 * HOUR
    assert (await run_due(ctx)).started == 0
    assert queue.entries == []
    ((outcome, detail, _),) = await outcomes(ctx, ada, full.id)
    assert outcome == RunOutcome.REFUSED
    assert "not authorized" in detail
    ((outcome, detail, _),) = await outcomes(ctx, ada, private.id)
    assert "scope rule" in detail
    assert all(schedule.next_run is not None for schedule in await list_schedules(ctx, ada))


async def test_a_user_who_is_shut_out_scans_no_more(
    ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue
) -> None:
    await create_schedule(ctx, ada, NIGHTLY)
    async with ctx.db.transaction() as tx:
        assert ada.user_id is not None
        await users.disable(tx, ada.user_id, clock.at)
    clock.at += 14 * HOUR
    await run_due(ctx)
    (now,) = await list_schedules(ctx, ada)
    assert queue.entries == []
    assert now.next_run is None
    assert "may not sign in" in now.disabled_why


async def test_off_and_on_again(ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue) -> None:
    made = await create_schedule(ctx, ada, NIGHTLY)
    off = await change_schedule(ctx, ada, made.id, enabled=False)
    assert (off.next_run, off.disabled_why) == (None, "switched off by a user")
    clock.at += 48 * HOUR
    assert (await run_due(ctx)).dealt == 0
    on = await change_schedule(ctx, ada, made.id, enabled=True)
    assert on.next_run == clock.at + 14 * HOUR
    changed = await change_schedule(ctx, ada, made.id, replace(NIGHTLY, cron="0 13 * * *"))
    assert changed.next_run == clock.at + HOUR
    assert queue.entries == []


async def test_now_is_beside_the_moments(ctx: Context, ada: Caller, clock: BentClock, queue: ListQueue) -> None:
    made = await create_schedule(ctx, ada, NIGHTLY)
    accepted = await run_now(ctx, ada, made.id)
    assert queue.entries == [accepted.scan_id]
    assert (await list_schedules(ctx, ada))[0].next_run == made.next_run


async def test_another_account_sees_and_changes_nothing(ctx: Context, ada: Caller, bob: Caller) -> None:
    made = await create_schedule(ctx, ada, NIGHTLY)
    assert await list_schedules(ctx, bob) == ()
    for forbidden in (
        change_schedule(ctx, bob, made.id, enabled=False),
        remove_schedule(ctx, bob, made.id),
        run_now(ctx, bob, made.id),
        list_runs(ctx, bob, made.id),
    ):
        with pytest.raises(NotFound):
            await forbidden
    assert await list_schedules(ctx, ada) == (made,)


@pytest.mark.parametrize(
    "plan",
    [
        replace(NIGHTLY, name=" "),
        replace(NIGHTLY, name="x" * 101),
        replace(NIGHTLY, target="not a target at all!"),
        replace(NIGHTLY, cron="61 * * * *"),
        replace(NIGHTLY, zone="Nowhere"),
        replace(NIGHTLY, spread=-1),
        replace(NIGHTLY, spread=10**9),
        replace(NIGHTLY, window=Window(0, 1_440)),
    ],
)
async def test_what_makes_no_sense_is_refused(ctx: Context, ada: Caller, plan: Plan) -> None:
    with pytest.raises(BadInput):
        await create_schedule(ctx, ada, plan)
    made = await create_schedule(ctx, ada, NIGHTLY)
    with pytest.raises(BadInput):
        await change_schedule(ctx, ada, made.id, plan)
    assert await list_schedules(ctx, ada) == (made,)


async def test_an_account_has_at_most_a_hundred(ctx: Context, ada: Caller) -> None:
    for _ in range(MOST):
        await create_schedule(ctx, ada, NIGHTLY)
    with pytest.raises(Conflict, match="at most"):
        await create_schedule(ctx, ada, NIGHTLY)
