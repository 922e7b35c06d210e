"""Who may read a report, and the report. Unknown and forbidden are told alike, and guessing is slowed down.

The rules are the contract's "Closing its hole": started through the API means readable by link, unless the account or
the deployment says that reports need a key; started in the dashboard means private to its account.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from secrecon import report
from secrecon.accounts import throttling
from secrecon.accounts.caller import Caller
from secrecon.model.errors import BadInput, Conflict, InternalError, NotFound
from secrecon.model.record import ScanRecord
from secrecon.model.scan import ScanStatus
from secrecon.report import FailOn, Report, Verdict
from secrecon.service.context import Context
from secrecon.store import records, scans, users
from secrecon.store.database import Reading
from secrecon.store.scans import StoredScan

NO_REPORT = (
    "No such report. A report is read by its db_scan_id, the integer of the scan's answer; a private one also needs a key "
    "or a session of its account."
)
ARCHIVED = (
    "This report was archived: your plan keeps fewer reports than you have scans. Its findings and assets remain."
)
RETEST = "A retest looks for one finding and has no report of its own: ask for the finding."
SOMEBODY = "the account"
MAX_DB_SCAN_ID = 2**53 - 1


async def read_record(ctx: Context, db_scan_id: int, caller: Caller | None, client: str) -> ScanRecord:
    """The scan behind a report, for whoever may read it. `client`: whose misses are counted.

    Raises NotFound, the same for unknown and forbidden, and Exhausted after too many misses.
    """
    guesser = client if caller is None else f"account {caller.account_id}"
    try:
        async with ctx.db.reading() as tx:
            waits = await throttling.refusal(tx, ctx.clock, throttling.REPORT_MISS, guesser)
            if waits is not None:
                raise waits
            return await _load(ctx, tx, db_scan_id, caller)
    except NotFound:
        async with ctx.db.transaction() as tx:
            await throttling.count(tx, ctx.clock, throttling.REPORT_MISS, guesser)
        raise


async def _load(ctx: Context, tx: Reading, db_scan_id: int, caller: Caller | None) -> ScanRecord:
    scan = await _readable(ctx, tx, db_scan_id, caller)
    if scan.retest_of is not None:
        raise NotFound(RETEST)
    if scan.archived is not None:
        ours = caller is not None and caller.account_id == scan.account_id
        raise NotFound(ARCHIVED if ours else NO_REPORT)
    try:
        record = await records.load_record(tx, db_scan_id, ctx.clock.now())
    except BadInput as error:  # what is stored is damaged; the reader asked for nothing wrong
        raise InternalError(f"scan {scan.scan_id} cannot be read from the database: {error}") from error
    ours = caller is not None and caller.account_id == scan.account_id
    return record if ours else _for_outsiders(record)


def _for_outsiders(record: ScanRecord) -> ScanRecord:
    """A report as a link shows it: what was decided, but neither by whom nor with which words."""
    told = tuple(
        found
        if found.decision is None
        else replace(found, decision=replace(found.decision, by=SOMEBODY, reason=""))
        for found in record.findings
    )
    return replace(record, findings=told)


async def read_report(ctx: Context, db_scan_id: int, caller: Caller | None, client: str) -> Report:
    """The report, for whoever may read it; of a scan that still runs, what is known so far."""
    record = await read_record(ctx, db_scan_id, caller, client)
    return await asyncio.to_thread(report.build, record)


async def owns_report(ctx: Context, db_scan_id: int, caller: Caller) -> bool:
    """Whether the scan behind a report is of the caller's account."""
    async with ctx.db.reading() as tx:
        scan = await scans.by_db_id(tx, db_scan_id)
    return scan is not None and scan.account_id == caller.account_id


async def read_verdict(
    ctx: Context, db_scan_id: int, baseline_id: int | None, fail_on: FailOn, caller: Caller | None, client: str
) -> Verdict:
    """What a pipeline is told about a report, held against an earlier one where `baseline_id` names it. Whoever may read
    both reports may ask. Raises Conflict for a scan that has not ended: its report is not whole yet."""
    found = await read_report(ctx, db_scan_id, caller, client)
    if found.facts.status not in (ScanStatus.COMPLETE, ScanStatus.ERROR):
        raise Conflict("The scan has not ended yet, so there is no verdict: poll its status first.")
    earlier = None
    if baseline_id is not None:
        earlier = report.baseline_of(await read_report(ctx, baseline_id, caller, client))
    return report.judge(found, fail_on, earlier)


async def _readable(ctx: Context, tx: Reading, db_scan_id: int, caller: Caller | None) -> StoredScan:
    scan = await scans.by_db_id(tx, db_scan_id) if 0 < db_scan_id <= MAX_DB_SCAN_ID else None
    if scan is None:
        raise NotFound(NO_REPORT)
    if caller is not None and caller.account_id == scan.account_id:
        return scan
    account = await users.account(tx, scan.account_id)
    needs_key = ctx.policy.reports_need_key or account is None or account.reports_need_key
    if not scan.via_api or scan.spec.private or needs_key:
        raise NotFound(NO_REPORT)
    return scan
