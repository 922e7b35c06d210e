"""What an account's scans have brought together: assets, findings, callback counts. Reading only."""

from __future__ import annotations

from secrecon.accounts.caller import Caller
from secrecon.model.asset import AssetType
from secrecon.model.errors import NotFound
from secrecon.service.answers import AssetRecord, FindingSummary, OastStatus
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.service.scans import NO_SCAN, find_scan
from secrecon.store import assets, findings, interactions
from secrecon.store.assets import StoredAsset
from secrecon.store.findings import KnownFinding


async def list_assets(
    ctx: Context,
    caller: Caller,
    type_: AssetType | None = None,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Listing[AssetRecord]:
    """The account's assets, newest first; of one type where given."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await assets.list_of(tx, caller.account_id, type_, before, limit + 1)
    return cut(rows, limit, lambda row: row.id, _asset)


async def list_findings(
    ctx: Context, caller: Caller, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[FindingSummary]:
    """Every problem that the account's scans found, once, newest first."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await findings.list_of(tx, caller.account_id, before, limit + 1)
    return cut(rows, limit, lambda row: row.id, _finding)


async def oast_status(ctx: Context, caller: Caller, scan_id: str | None = None) -> OastStatus:
    """Whether callbacks can be heard, and how many the targets of this account's scans, or of one of them, sent. Raises
    NotFound for a scan that is not the account's."""
    async with ctx.db.reading() as tx:
        if scan_id is not None and (await find_scan(tx, scan_id)).account_id != caller.account_id:
            raise NotFound(NO_SCAN)
        hits = await interactions.of_account(tx, caller.account_id, scan_id)
    active = ctx.listener is not None and ctx.listener.running
    url = ctx.listener.public_url if ctx.listener is not None and active else ""
    return OastStatus(
        active=active, oast_url=url, dns=hits.dns, http=hits.http, total=hits.dns + hits.http + hits.other
    )


def _asset(row: StoredAsset) -> AssetRecord:
    return AssetRecord(
        id=row.id,
        type=row.type,
        value=row.value,
        source=row.source,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        scan_id=row.scan_id,
    )


def _finding(row: KnownFinding) -> FindingSummary:
    finding = row.finding
    return FindingSummary(
        id=row.id,
        fingerprint=finding.fingerprint,
        check=finding.check,
        title=finding.title,
        severity=finding.severity,
        asset=finding.asset,
        location=finding.location,
        cve_id=finding.cve_id,
        kev_status=finding.kev_status,
        evidence_level=finding.evidence_level,
        confidence=finding.confidence,
        oast_verified=finding.oast_verified,
        status=row.status,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )
