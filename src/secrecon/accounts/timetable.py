"""When a schedule is due: cron fields in a time zone (Vixie cron's rules by cronsim), a spread, and a daily window.

Daylight saving as Debian's cron has it: a moment that the clocks jump over runs right after the jump, one that comes
twice runs once; fields with a wildcard hour go by real time. Pure: the same input gives the same moments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from secrecon.model.errors import BadInput
from secrecon.model.schedule import Plan

FIELDS = 5
MAX_CRON = 100
MAX_SPREAD = 6 * 3_600
YEARS_AHEAD = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """`due`: by the cron fields; `run`: when it really begins. Epoch seconds."""

    due: float
    run: float


def check_plan(plan: Plan, now: float) -> Moment:
    """The first moment after `now`. Raises BadInput naming the field where the plan makes no sense."""
    zone_of(plan.zone)
    if len(plan.cron) > MAX_CRON or not plan.cron.isascii() or len(plan.cron.split()) != FIELDS:
        raise BadInput("cron must have five fields: minute hour day-of-month month day-of-week", "cron")
    if not 0 <= plan.spread <= MAX_SPREAD:
        raise BadInput(f"spread must be 0 to {MAX_SPREAD} seconds", "spread")
    if not all(0 <= minute < 1_440 for minute in (plan.window.begin, plan.window.until)):
        raise BadInput("window must be given as HH:MM-HH:MM", "window")
    first = next_moment(plan, now, 0)
    if first is None:
        raise BadInput(f"cron never comes: no moment within {YEARS_AHEAD} years", "cron")
    return first


def next_moment(plan: Plan, after: float, schedule_id: int) -> Moment | None:
    """The first moment after `after`; None where none comes. `schedule_id` makes the spread differ between schedules."""
    zone = zone_of(plan.zone)
    due = next(_moments(plan.cron, zone, after), None)
    if due is None:
        return None
    return Moment(due, put_off(plan, due + _spread(plan.spread, schedule_id, due)))


def put_off(plan: Plan, at: float) -> float:
    """`at`, or when the plan's window opens next."""
    local = datetime.fromtimestamp(at, zone_of(plan.zone))
    waits = plan.window.waits(local.hour * 60 + local.minute)
    if not waits:
        return at
    wall = local.replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=waits)
    return wall.replace(tzinfo=local.tzinfo).timestamp()


def seconds_left(plan: Plan, at: float) -> float | None:
    """Seconds of the window that are left at `at`; None where there is no end."""
    if plan.window.whole_day:
        return None
    local = datetime.fromtimestamp(at, zone_of(plan.zone))
    minute = local.hour * 60 + local.minute
    if not plan.window.holds(minute):
        return 0.0
    return plan.window.left(minute) * 60.0 - local.second - local.microsecond / 1e6


def zone_of(name: str) -> ZoneInfo:
    """The time zone. Raises BadInput for a name that is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            f"zone {name[:64]!r} is not known: use a name such as Europe/Berlin or UTC", "zone"
        ) from error


def _moments(cron: str, zone: ZoneInfo, after: float) -> Iterator[float]:
    begin = datetime.fromtimestamp(after, zone).replace(microsecond=0)
    end = datetime.fromtimestamp(after, UTC) + timedelta(days=366 * YEARS_AHEAD)
    try:
        for moment in CronSim(cron, begin):
            at = moment.astimezone(UTC)
            if at > end:
                return
            if at.timestamp() > after:
                yield at.timestamp()
    except CronSimError as error:
        raise BadInput(f"cron cannot be read: {error}", "cron") from error


def _spread(seconds: int, schedule_id: int, due: float) -> float:
    """The same for the same moment of the same schedule, so that two workers agree."""
    if not seconds:
        return 0.0
    digest = hashlib.sha256(f"{schedule_id} {due:.0f}".encode()).digest()
    return float(int.from_bytes(digest[:4], "big") % (seconds + 1))
