"""Schedules and how their moments went. A moment is dealt with by whoever moves the schedule on to the next one."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from secrecon.model.codec import dump, load
from secrecon.model.schedule import Plan, RunOutcome, Schedule, ScheduleRun
from secrecon.store.database import Reading, Transaction
from secrecon.store.tables import schedule as _schedule
from secrecon.store.tables import schedule_run as _run
from secrecon.store.tables import storable

KEPT_RUNS = 500


async def add(tx: Transaction, account_id: int, user_id: int, plan: Plan, due: float, run: float, at: float) -> int:
    """A new schedule's id."""
    values = {
        "account_id": account_id,
        "user_id": user_id,
        "plan": dump(plan),
        "due": due,
        "next_run": run,
        "created": at,
        "disabled_why": "",
    }
    return int(
        (await tx.connection.execute(sa.insert(_schedule).values(values).returning(_schedule.c.id))).scalar_one()
    )


async def list_of(tx: Reading, account_id: int) -> tuple[Schedule, ...]:
    """The account's schedules, oldest first."""
    query = sa.select(_schedule).where(_schedule.c.account_id == account_id).order_by(_schedule.c.id)
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def by_id(tx: Reading, account_id: int, schedule_id: int) -> Schedule | None:
    """None where the account has no such schedule."""
    row = (await tx.connection.execute(sa.select(_schedule).where(_ours(account_id, schedule_id)))).one_or_none()
    return None if row is None else _read(row)


async def change(tx: Transaction, schedule: Schedule) -> None:
    """Store what of `schedule` can change."""
    values = {
        "plan": dump(schedule.plan),
        "due": schedule.due,
        "next_run": schedule.next_run,
        "disabled_why": schedule.disabled_why,
    }
    await tx.connection.execute(sa.update(_schedule).where(_schedule.c.id == schedule.id).values(values))


async def remove(tx: Transaction, account_id: int, schedule_id: int) -> bool:
    """Remove a schedule with its log; its scans stay. False where the account has no such schedule."""
    return (await tx.connection.execute(sa.delete(_schedule).where(_ours(account_id, schedule_id)))).rowcount == 1


async def due(tx: Reading, at: float, limit: int) -> tuple[Schedule, ...]:
    """Schedules whose moment has come, the longest waiting first."""
    query = sa.select(_schedule).where(_schedule.c.next_run <= at).order_by(_schedule.c.next_run).limit(limit)
    return tuple(_read(row) for row in await tx.connection.execute(query))


async def move_on(
    tx: Transaction, schedule: Schedule, due: float, run: float | None, scan_id: str | None, why: str = ""
) -> bool:
    """On to the next moment; False where somebody else has dealt with this one. `why`: switched off for this reason."""
    still = sa.and_(_schedule.c.id == schedule.id, _schedule.c.next_run == schedule.next_run)
    values: dict[str, object] = {"due": due, "next_run": run}
    if scan_id is not None:
        values["last_scan_id"] = scan_id
    if why:
        values["disabled_why"] = why
    return (await tx.connection.execute(sa.update(_schedule).where(still).values(values))).rowcount == 1


async def note(
    tx: Transaction, schedule_id: int, due: float, at: float, outcome: RunOutcome, scan_id: str | None, detail: str
) -> None:
    """Write down how a moment went. What went like the one before, without a scan, is counted with it."""
    query = sa.select(_run).where(_run.c.schedule_id == schedule_id).order_by(_run.c.id.desc()).limit(1)
    last = (await tx.connection.execute(query)).one_or_none()
    if last is not None and scan_id is None and (last.outcome, last.detail) == (outcome.value, detail):
        change = sa.update(_run).where(_run.c.id == last.id).values(due=due, at=at, times=last.times + 1)
        await tx.connection.execute(change)
        return
    values = {
        "schedule_id": schedule_id,
        "due": due,
        "at": at,
        "outcome": outcome.value,
        "scan_id": scan_id,
        "detail": detail,
        "times": 1,
    }
    await tx.connection.execute(sa.insert(_run).values(values))
    oldest = (
        sa.select(_run.c.id)
        .where(_run.c.schedule_id == schedule_id)
        .order_by(_run.c.id.desc())
        .offset(KEPT_RUNS)
        .limit(1)
    )
    too_old = (await tx.connection.execute(oldest)).scalar_one_or_none()
    if too_old is not None:
        gone = sa.delete(_run).where(_run.c.schedule_id == schedule_id, _run.c.id <= too_old)
        await tx.connection.execute(gone)


async def runs(tx: Reading, schedule_id: int, before: int | None, limit: int) -> tuple[ScheduleRun, ...]:
    """How a schedule's moments went, newest first."""
    query = sa.select(_run).where(_run.c.schedule_id == schedule_id).order_by(_run.c.id.desc())
    if before is not None:
        query = query.where(_run.c.id < before)
    rows: Sequence[sa.Row[tuple[object, ...]]] = (await tx.connection.execute(query.limit(limit))).all()
    return tuple(
        ScheduleRun(
            row.id, row.schedule_id, row.due, row.at, RunOutcome(row.outcome), row.scan_id, row.detail, row.times
        )
        for row in rows
    )


def _ours(account_id: int, schedule_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(_schedule.c.id == storable(schedule_id), _schedule.c.account_id == account_id)


def _read(row: sa.Row[tuple[object, ...]]) -> Schedule:
    return Schedule(
        id=row.id,
        account_id=row.account_id,
        user_id=row.user_id,
        plan=load(Plan, row.plan),
        due=row.due,
        next_run=row.next_run,
        last_scan_id=row.last_scan_id,
        created=row.created,
        disabled_why=row.disabled_why,
    )
