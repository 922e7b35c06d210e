"""Running an accepted scan, one durable step at a time, as the queue asks. Every method may be asked again.

The queue decides when and where; this decides what a step, an end and a failure mean. A scan that ended stays as it
ended: a worker that comes back late changes nothing.
"""

from __future__ import annotations

import structlog

from secrecon.accounts.credits import give_back_credit
from secrecon.model.errors import NotFound
from secrecon.model.scan import PhaseName, ScanStatus
from secrecon.service.announce import assets_appeared, scan_ended
from secrecon.service.callbacks import settle_callbacks
from secrecon.service.context import Context
from secrecon.service.narrating import write_narrative
from secrecon.service.scan_log import StoredScanLog
from secrecon.service.settling import settle_findings
from secrecon.store import asset_states, audit, chunks, findings, logins, scans, users
from secrecon.store.database import Transaction
from secrecon.store.scans import StoredScan

REPORT_ARCHIVED = "report.archived"
FAILED = "The scan stopped because of an internal error of ours. Its credit was given back; start it again."
log = structlog.get_logger("secrecon.service")


class ScanRunner:
    """What the queue calls to run scans."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def steps(self, scan_id: str) -> tuple[str, ...]:
        """Mark the scan as running and say its steps in order; none for a scan that has ended or is unknown."""
        async with self._ctx.db.transaction() as tx:
            going = await scans.start(tx, scan_id, self._ctx.engine.info, self._ctx.clock.now())
            scan = await scans.by_scan_id(tx, scan_id) if going else None
        if scan is None:
            log.warning("a scan that has ended or is unknown was queued", scan_id=scan_id)
            return ()
        return tuple(step for step, _ in self._ctx.engine.steps(scan.spec))

    async def run_step(self, scan_id: str, step: str, round_: int) -> bool:
        """Run one round of one step; whether the step has another. A stopped scan runs nothing more."""
        stored = StoredScanLog(self._ctx, scan_id)
        if await stored.stop_requested():
            return False
        scan = await self._scan(scan_id)
        chunk = await self._ctx.engine.run_chunk(scan.spec, step, round_, stored)
        if chunk.phase is PhaseName.SYNTHESIS and not chunk.more and scan.spec.retest is None:
            await write_narrative(self._ctx, scan_id, stored)
        return chunk.more

    async def finish(self, scan_id: str) -> None:
        """End the scan: late callbacks taken in, what is gone marked fixed, the oldest report over the limit archived."""
        ctx = self._ctx
        async with ctx.db.transaction() as tx:
            scan = await scans.locked(tx, scan_id)
            if not scan.status.is_final:
                not_run = await self._not_run(tx, scan)
                await settle_callbacks(ctx, tx, scan)
                await settle_findings(tx, scan)
                now = ctx.clock.now()
                if scan.spec.retest is None:
                    await assets_appeared(ctx, tx, scan, await asset_states.settle(tx, scan, now))
                cancelled = scan.cancel_requested is not None
                await scans.finish(tx, scan_id, ScanStatus.COMPLETE, now, cancelled=cancelled, not_run=not_run)
                await logins.drop(tx, scan_id)
                found = await findings.of_scan(tx, scan_id, ctx.clock.now())
                if scan.spec.retest is None:
                    await scan_ended(ctx, tx, scan, ScanStatus.COMPLETE, found, cancelled=cancelled)
                    await self._archive(tx, scan)
        await self._ended(scan_id)

    async def failed(self, scan_id: str, reason: str) -> None:
        """End the scan in error through our own fault: its credit goes back, once."""
        ctx = self._ctx
        log.error("a scan failed", scan_id=scan_id, reason=reason)
        async with ctx.db.transaction() as tx:
            scan = await scans.locked(tx, scan_id)
            not_run = await self._not_run(tx, scan)
            ended = await scans.finish(
                tx, scan_id, ScanStatus.ERROR, ctx.clock.now(), error=FAILED, not_run=not_run
            )
            await logins.drop(tx, scan_id)
            if ended and scan.spec.retest is None:
                await give_back_credit(tx, ctx.clock, scan_id)
                found = await findings.of_scan(tx, scan_id, ctx.clock.now())
                await scan_ended(ctx, tx, scan, ScanStatus.ERROR, found, cancelled=False)
        await self._ended(scan_id)

    async def unfinished(self) -> tuple[str, ...]:
        """The scans that were accepted and have not ended, oldest first."""
        async with self._ctx.db.reading() as tx:
            return await scans.unfinished(tx)

    async def _scan(self, scan_id: str) -> StoredScan:
        async with self._ctx.db.reading() as tx:
            scan = await scans.by_scan_id(tx, scan_id)
        if scan is None:
            raise NotFound(f"scan {scan_id} is not stored")
        return scan

    async def _not_run(self, tx: Transaction, scan: StoredScan) -> tuple[PhaseName, ...]:
        """The phases that have a step which did not come to its end."""
        kept = await chunks.kept(tx, scan.scan_id)
        done = {step for (step, _), more in kept.done.items() if not more} if kept else set()
        missing = [phase for step, phase in self._ctx.engine.steps(scan.spec) if step not in done]
        return tuple(dict.fromkeys(missing))

    async def _archive(self, tx: Transaction, scan: StoredScan) -> None:
        """Archive the oldest unpinned reports over the plan's limit, and write that down for the account."""
        account = await users.account(tx, scan.account_id)
        plan = None if account is None else self._ctx.policy.plans.get(account.plan)
        if plan is None or plan.stored_reports is None:
            return
        now = self._ctx.clock.now()
        for old in await scans.archive_over(tx, scan.account_id, plan.stored_reports, now):
            await audit.append(
                tx,
                actor="system",
                action=REPORT_ARCHIVED,
                subject=old,
                at=now,
                account_id=scan.account_id,
                detail={"plan": plan.name, "stored_reports": plan.stored_reports},
            )

    async def _ended(self, scan_id: str) -> None:
        self._ctx.bell.ring(scan_id)
        await self._ctx.engine.close(scan_id)
