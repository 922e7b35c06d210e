"""Schedules of an account: made, changed, switched on and off, run now, looked through, removed; and run when they are due.

A moment is dealt with once, whatever dies when: the scan is accepted under an idempotency key of that moment, and then the
schedule moves on, which only one process can do. What was not run is written down with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from secrecon.accounts import audit, people
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.timetable import check_plan, next_moment, put_off, seconds_left
from secrecon.model.errors import BadInput, Conflict, Forbidden, NotFound, UserError
from secrecon.model.record import JsonValue
from secrecon.model.schedule import Plan, RunOutcome, Schedule, ScheduleRun
from secrecon.model.target import parse_target
from secrecon.model.webhook import HookEvent
from secrecon.service.announce import announce
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.service.scans import submit_scan
from secrecon.store import scans, schedules, users
from secrecon.store.database import Reading, Transaction

MOST = 100
MAX_NAME = 100
BATCH = 20
LATE = 900.0
"""A moment that nobody dealt with for longer than this was missed: the server was down or overloaded."""
OFF = "switched off by a user"
NOBODY = "its user may not sign in any more"
RUNNING = "the scan before is still running"
DOWN = "no worker was running at that time"
log = structlog.get_logger("secrecon.schedules")


@dataclass(frozen=True, slots=True)
class Ran:
    """How many moments were dealt with, and how many of them began a scan."""

    dealt: int
    started: int


async def list_schedules(ctx: Context, caller: Caller) -> tuple[Schedule, ...]:
    """The account's schedules, oldest first."""
    async with ctx.db.reading() as tx:
        return await schedules.list_of(tx, caller.account_id)


async def create_schedule(ctx: Context, caller: Caller, plan: Plan) -> Schedule:
    """A new schedule. Raises BadInput, and Conflict over the limit. Whether its scans are accepted is seen when it runs."""
    plan = _checked(plan)
    check_plan(plan, ctx.clock.now())
    if caller.user_id is None:
        raise Forbidden("a schedule belongs to a user: sign in, or use one's key")
    async with ctx.db.transaction() as tx:
        if len(await schedules.list_of(tx, caller.account_id)) >= MOST:
            raise Conflict(f"an account has at most {MOST} schedules: remove one first")
        now = ctx.clock.now()
        first = check_plan(plan, now)
        new = await schedules.add(tx, caller.account_id, caller.user_id, plan, first.due, first.run, now)
        await _restart(tx, ctx, await _own(tx, caller, new))
        await _audit(ctx, tx, caller, Action.SCHEDULE_CREATED, new, _told(plan))
        return await _own(tx, caller, new)


async def change_schedule(
    ctx: Context, caller: Caller, schedule_id: int, plan: Plan | None = None, enabled: bool | None = None
) -> Schedule:
    """Change the plan, or switch the schedule on or off. Raises BadInput, NotFound."""
    async with ctx.db.transaction() as tx:
        found = await _own(tx, caller, schedule_id)
        if plan is not None:
            plan = _checked(plan)
            check_plan(plan, ctx.clock.now())
            found = replace(found, plan=plan)
        if enabled is not None:
            found = replace(found, disabled_why="" if enabled else found.disabled_why or OFF)
        await _restart(tx, ctx, found)
        await _audit(ctx, tx, caller, Action.SCHEDULE_CHANGED, schedule_id, _told(found.plan))
        return await _own(tx, caller, schedule_id)


async def remove_schedule(ctx: Context, caller: Caller, schedule_id: int) -> None:
    """Remove a schedule with its log; its scans stay. Raises NotFound."""
    async with ctx.db.transaction() as tx:
        if not await schedules.remove(tx, caller.account_id, schedule_id):
            raise _none()
        await _audit(ctx, tx, caller, Action.SCHEDULE_REMOVED, schedule_id)


async def run_now(ctx: Context, caller: Caller, schedule_id: int) -> AcceptedScan:
    """Begin the schedule's scan at once, whatever its hours; its next moment stays. Raises as submitting a scan does."""
    async with ctx.db.reading() as tx:
        found = await _own(tx, caller, schedule_id)
    accepted = await submit_scan(ctx, caller, ScanRequest(found.plan.target, found.plan.mode))
    async with ctx.db.transaction() as tx:
        now = ctx.clock.now()
        await schedules.note(tx, found.id, now, now, RunOutcome.STARTED, accepted.scan_id, "asked for by a user")
    return accepted


async def list_runs(
    ctx: Context, caller: Caller, schedule_id: int, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[ScheduleRun]:
    """How a schedule's moments went, newest first. Raises NotFound, BadInput."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        found = await _own(tx, caller, schedule_id)
        rows = await schedules.runs(tx, found.id, before, limit + 1)
    return cut(rows, limit, lambda run: run.id, lambda run: run)


async def run_due(ctx: Context) -> Ran:
    """Deal with every moment that has come."""
    async with ctx.db.reading() as tx:
        waiting = await schedules.due(tx, ctx.clock.now(), BATCH)
    started = 0
    for schedule in waiting:
        try:
            started += await _run_one(ctx, schedule)
        except Exception:  # one that we cannot handle must not keep those of every account back
            log.exception("a schedule could not be dealt with; it is tried again", schedule=schedule.id)
    return Ran(len(waiting), started)


async def _run_one(ctx: Context, schedule: Schedule) -> bool:
    """Deal with the moment of one schedule; whether it began a scan."""
    plan, now = schedule.plan, ctx.clock.now()
    run_at = now if schedule.next_run is None else schedule.next_run
    if now - run_at > LATE and not plan.catch_up:
        await _dealt(ctx, schedule, RunOutcome.MISSED, None, DOWN)
        return False
    opens = put_off(plan, now)
    if opens > now:  # late, and the window has closed meanwhile: later the same moment, not another one
        async with ctx.db.transaction() as tx:
            await schedules.move_on(tx, schedule, schedule.due, opens, None)
        return False
    async with ctx.db.reading() as tx:
        caller = await people.caller_for(tx, await users.by_id(tx, schedule.user_id), "session")
        busy = await _busy(tx, schedule)
    if caller is None:
        await _dealt(ctx, schedule, RunOutcome.REFUSED, None, NOBODY, off=NOBODY)
        return False
    if busy:
        await _dealt(ctx, schedule, RunOutcome.SKIPPED, None, RUNNING)
        return False
    wish = ScanRequest(plan.target, plan.mode, max_seconds=seconds_left(plan, now))
    try:
        accepted = await submit_scan(ctx, caller, wish, f"schedule-{schedule.id}-{schedule.due:.0f}")
    except UserError as error:
        await _dealt(ctx, schedule, RunOutcome.REFUSED, None, str(error))
        return False
    late = "late, after a downtime" if now - run_at > LATE else ""
    return await _dealt(ctx, schedule, RunOutcome.STARTED, accepted.scan_id, late)


async def _busy(tx: Reading, schedule: Schedule) -> bool:
    last = None if schedule.last_scan_id is None else await scans.by_scan_id(tx, schedule.last_scan_id)
    return last is not None and not last.status.is_final


async def _dealt(
    ctx: Context, schedule: Schedule, outcome: RunOutcome, scan_id: str | None, detail: str, off: str = ""
) -> bool:
    """Move on, write down how it went, and tell what was not run; False where somebody else has done so."""
    now = ctx.clock.now()
    following = None if off else next_moment(schedule.plan, max(now, schedule.due), schedule.id)
    due, run = (schedule.due, None) if following is None else (following.due, following.run)
    async with ctx.db.transaction() as tx:
        if not await schedules.move_on(tx, schedule, due, run, scan_id, off):
            return False
        await schedules.note(tx, schedule.id, schedule.due, now, outcome, scan_id, detail)
        if outcome is not RunOutcome.STARTED:
            data: dict[str, JsonValue] = {
                "schedule_id": schedule.id,
                "name": schedule.plan.name,
                "target": schedule.plan.target,
                "outcome": outcome.value,
                "reason": detail,
            }
            await announce(ctx, tx, schedule.account_id, HookEvent.SCHEDULE_MISSED, data)
    if outcome is not RunOutcome.STARTED:
        log.warning("a scheduled scan did not begin", schedule=schedule.id, outcome=outcome.value, reason=detail)
    return outcome is RunOutcome.STARTED


async def _restart(tx: Transaction, ctx: Context, schedule: Schedule) -> None:
    """Work out the next moment anew and store the schedule; what is off has none."""
    now = ctx.clock.now()
    following = next_moment(schedule.plan, now, schedule.id)
    if schedule.disabled_why or following is None:
        await schedules.change(tx, replace(schedule, next_run=None))
    else:
        await schedules.change(tx, replace(schedule, due=following.due, next_run=following.run))


async def _own(tx: Reading, caller: Caller, schedule_id: int) -> Schedule:
    found = await schedules.by_id(tx, caller.account_id, schedule_id)
    if found is None:
        raise _none()
    return found


def _none() -> NotFound:
    return NotFound("There is no such schedule.")


def _checked(plan: Plan) -> Plan:
    name = plan.name.strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise BadInput(f"a schedule needs a name of 1 to {MAX_NAME} printable characters", "name")
    parse_target(plan.target)
    return replace(plan, name=name, cron=" ".join(plan.cron.split()))


def _told(plan: Plan) -> dict[str, JsonValue]:
    return {"target": plan.target, "mode": plan.mode.value, "cron": plan.cron, "zone": plan.zone}


async def _audit(
    ctx: Context,
    tx: Transaction,
    caller: Caller,
    action: Action,
    schedule_id: int,
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    await audit.record(tx, ctx.clock, caller, action, str(schedule_id), detail)
