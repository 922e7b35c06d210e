"""Scans of one target held against each other: the difference between two, and the line of all of them.

Who may read two reports may compare them. The scan before is looked for among those of the same account and target, for the
account alone: a report's number is what opens it to whoever reads by link, so none is told to them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from secrecon import report
from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, NotFound
from secrecon.model.finding import Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import ScanMode
from secrecon.model.target import parse_target
from secrecon.report.diff import Change, Diff, compare
from secrecon.report.since import FIRST, NOT_OURS, RUNNING, Since
from secrecon.report.snapshot import Snapshot, snapshot_of
from secrecon.service.context import Context
from secrecon.service.reports import owns_report, read_record
from secrecon.store import records, scans
from secrecon.store.database import Reading

NAME_BOTH = "Which scan was before is for the account alone. Name the other report that you have, as from."
UNFINISHED = "Only finished scans can be compared: {name} has not ended."
MOST_POINTS = 20
LOOK_BACK = 200


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One finished scan of a target. `severities`: findings that count, by severity. `changes` is None for the first one."""

    db_scan_id: int
    mode: ScanMode
    finished: float
    letter: str
    points: float
    share: float
    cancelled: bool
    severities: dict[Severity, int]
    changes: dict[Change, int] | None


async def compare_scans(ctx: Context, later: int, earlier: int | None, caller: Caller | None, client: str) -> Diff:
    """What changed from the scan `earlier` (None: the one before) to the scan `later`, both by their db_scan_id.

    Raises NotFound as for reports, where there is no scan before, and where none is named by another than the account;
    Conflict for a scan that still runs.
    """
    new = await read_record(ctx, later, caller, client)
    if earlier is None:
        if caller is None or not await owns_report(ctx, later, caller):
            raise NotFound(NAME_BOTH)
        earlier = await before(ctx, new)
        if earlier is None:
            raise NotFound(FIRST)
    if earlier == later:
        raise BadInput("from and to name the same scan", "from")
    old = await read_record(ctx, earlier, caller, client)
    for record in (old, new):
        if not record.status.is_final:
            raise Conflict(UNFINISHED.format(name=f"report {record.db_scan_id}"))
    return await asyncio.to_thread(_compared, old, new)


def _compared(old: ScanRecord, new: ScanRecord) -> Diff:
    return compare(snapshot_of(old), snapshot_of(new))


async def before(ctx: Context, record: ScanRecord) -> int | None:
    """The db_scan_id of the finished scan of the same target before this one; None for the first."""
    async with ctx.db.reading() as tx:
        scan = await scans.by_db_id(tx, record.db_scan_id)
        if scan is None:
            return None
        every = await scans.finished_of(tx, scan.account_id, scan.spec.target.url, LOOK_BACK)
    return next((one.db_scan_id for one in every if one.id < scan.id and one.archived is None), None)


async def read_whole_report(ctx: Context, db_scan_id: int, caller: Caller | None, client: str) -> report.Report:
    """The report with what changed since the scan before, for whoever may read it; that scan is told to the account alone.
    Raises as `read_record`."""
    record = await read_record(ctx, db_scan_id, caller, client)
    note, earlier = FIRST, None
    if caller is None or not await owns_report(ctx, db_scan_id, caller):
        note = NOT_OURS
    elif not record.status.is_final:
        note = RUNNING
    else:
        earlier = await before(ctx, record)
    if earlier is None:
        return await asyncio.to_thread(report.build, record, Since(note=note))
    async with ctx.db.reading() as tx:
        old = await _record(tx, earlier, ctx.clock.now())
    return await asyncio.to_thread(_whole, old, record)


def _whole(old: ScanRecord, new: ScanRecord) -> report.Report:
    return report.build(new, Since(_compared(old, new), ""))


async def trend(ctx: Context, caller: Caller, target: str, limit: int = MOST_POINTS) -> tuple[TrendPoint, ...]:
    """The latest finished scans of a target of the account, oldest first. Raises BadInput for what is no target."""
    if not 1 <= limit <= MOST_POINTS:
        raise BadInput(f"limit must be between 1 and {MOST_POINTS}", "limit")
    url = parse_target(target).url
    async with ctx.db.reading() as tx:
        every = await scans.finished_of(tx, caller.account_id, url, limit + 1)
    points: list[TrendPoint] = []
    previous: Snapshot | None = None
    for scan in reversed([one for one in every if one.archived is None]):
        async with ctx.db.reading() as tx:
            record = await _record(tx, scan.db_scan_id, ctx.clock.now())
        point, previous = await asyncio.to_thread(_point, record, previous)
        points.append(point)
    return tuple(points[-limit:])


async def _record(tx: Reading, db_scan_id: int, now: float) -> ScanRecord:
    return await records.load_record(tx, db_scan_id, now)


def _point(record: ScanRecord, previous: Snapshot | None) -> tuple[TrendPoint, Snapshot]:
    made, snapshot = report.build(record), snapshot_of(record)
    counted = [finding.severity for finding in made.facts.counted]
    point = TrendPoint(
        db_scan_id=record.db_scan_id,
        mode=record.spec.mode,
        finished=record.finished if record.finished is not None else record.created,
        letter=made.risk_score,
        points=made.grade.points,
        share=made.coverage.share,
        cancelled=record.cancelled,
        severities={level: counted.count(level) for level in Severity},
        changes=None if previous is None else compare(previous, snapshot).counts,
    )
    return point, snapshot
