"""What the end of a scan means for what its target had before: fixed only where the same check ran again and did not find it."""

from __future__ import annotations

from secrecon.model.scan import ScanMode
from secrecon.model.trace import LOGIN, ledger_of, not_looked, sought
from secrecon.store import chunks, findings, scans
from secrecon.store.database import Transaction
from secrecon.store.findings import KnownFinding
from secrecon.store.scans import StoredScan


async def settle_findings(tx: Transaction, scan: StoredScan) -> int:
    """Mark FIXED what this scan looked for to the end without seeing it; how many. A retest speaks of its own finding alone."""
    only = None if scan.spec.retest is None else scan.spec.retest.finding_id
    absent = await findings.unseen(tx, scan, only)
    if not absent:
        return 0
    attempts, facts = await chunks.attempts_of(tx, scan.scan_id), await chunks.facts_of(tx, scan.scan_id)
    ledger = ledger_of(scan.spec.mode, attempts, facts)
    found_in: dict[str, tuple[ScanMode, bool]] = {}
    gone: list[KnownFinding] = []
    for known in absent:
        last = known.last_scan_id
        if last not in found_in:
            found = await scans.by_scan_id(tx, last)
            mode = ScanMode.FULL if found is None else found.spec.mode
            found_in[last] = (mode, await chunks.did(tx, last, LOGIN))
        mode, as_user = found_in[last]
        if not not_looked(sought(known.finding), mode, ledger, as_user):
            gone.append(known)
    return await findings.set_fixed(tx, gone)
