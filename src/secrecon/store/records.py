"""A whole scan in one piece: what a report is made from."""

from __future__ import annotations

from secrecon.model.errors import NotFound
from secrecon.model.record import ScanRecord
from secrecon.store import chunks, drafts, events, findings, interactions, payloads, scans
from secrecon.store.database import Reading


async def load_record(tx: Reading, db_scan_id: int, now: float) -> ScanRecord:
    """The scan with this number; decisions as they stand at `now`. Raises NotFound, and BadInput where what is stored
    cannot be read."""
    scan = await scans.by_db_id(tx, db_scan_id)
    if scan is None:
        raise NotFound("no such scan")
    return ScanRecord(
        spec=scan.spec,
        db_scan_id=scan.db_scan_id,
        status=scan.status,
        cancelled=scan.cancelled,
        error=scan.error,
        created=scan.created,
        started=scan.started,
        finished=scan.finished,
        version=scan.version,
        facts=await chunks.facts_of(tx, scan.scan_id),
        findings=await findings.of_scan(tx, scan.scan_id, now),
        attempts=await chunks.attempts_of(tx, scan.scan_id),
        payloads=await payloads.of_scan(tx, scan.scan_id),
        interactions=await interactions.of_scan(tx, scan.scan_id),
        self_test=scan.self_test,
        engine=scan.engine,
        not_run=scan.not_run,
        requests=scan.requests,
        received=scan.received,
        draft=await drafts.of_scan(tx, scan.scan_id),
        changes=await events.changes(tx, scan.scan_id) if scan.version > 1 else (),
    )
