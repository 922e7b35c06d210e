"""What an account's scans have brought together: assets with what people note about them, changes between scans,
findings, callback counts."""

from __future__ import annotations

import string
from collections.abc import AsyncIterator, Sequence

from secrecon.accounts import audit
from secrecon.accounts.caller import Caller
from secrecon.model.asset import AssetType
from secrecon.model.errors import BadInput, NotFound
from secrecon.model.inventory import AssetFilter, ChangeKind, Criticality
from secrecon.model.record import JsonValue
from secrecon.service.answers import AssetChange, AssetRecord, FindingSummary, OastStatus
from secrecon.service.context import Context
from secrecon.service.listing import DEFAULT_LIMIT, Listing, check_limit, cut, read_cursor
from secrecon.service.scans import NO_SCAN, find_scan
from secrecon.store import asset_states, assets, findings, interactions
from secrecon.store.asset_states import StoredChange
from secrecon.store.assets import Notes, StoredAsset
from secrecon.store.findings import KnownFinding

EVERYTHING = AssetFilter()
EXPORT_BATCH = 1_000
MAX_TAGS, MAX_TAG, MAX_OWNER = 20, 40, 120
_TAG_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "._:-/")
NO_ASSET = "No such asset. Its id is in the list of assets of its account."


async def list_assets(
    ctx: Context,
    caller: Caller,
    wanted: AssetFilter = EVERYTHING,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Listing[AssetRecord]:
    """The account's assets, newest first; those that the filter leaves."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await assets.list_of(tx, caller.account_id, wanted, before, limit + 1)
    return cut(rows, limit, lambda row: row.id, _asset)


async def every_asset(ctx: Context, caller: Caller, wanted: AssetFilter = EVERYTHING) -> AsyncIterator[AssetRecord]:
    """All that the filter leaves, newest first, a batch in memory at a time: for exports."""
    before: int | None = None
    while True:
        async with ctx.db.reading() as tx:
            rows = await assets.list_of(tx, caller.account_id, wanted, before, EXPORT_BATCH)
        for row in rows:
            yield _asset(row)
        if len(rows) < EXPORT_BATCH:
            return
        before = rows[-1].id


async def count_assets(ctx: Context, caller: Caller, wanted: AssetFilter = EVERYTHING) -> dict[AssetType, int]:
    """How many assets of each type the filter leaves."""
    async with ctx.db.reading() as tx:
        return await assets.count_by_type(tx, caller.account_id, wanted)


async def read_asset(ctx: Context, caller: Caller, asset_id: int) -> AssetRecord:
    """One asset. Raises NotFound, the same for unknown and for another account's."""
    async with ctx.db.reading() as tx:
        row = await assets.by_id(tx, caller.account_id, asset_id)
    if row is None:
        raise NotFound(NO_ASSET)
    return _asset(row)


async def note_asset(
    ctx: Context,
    caller: Caller,
    asset_id: int,
    *,
    tags: Sequence[str] | None = None,
    owner: str | None = None,
    criticality: str | None = None,
) -> AssetRecord:
    """Change what is noted about an asset; None leaves a note as it is, "" takes it away. Raises NotFound, BadInput."""
    async with ctx.db.transaction() as tx:
        row = await assets.by_id(tx, caller.account_id, asset_id)
        if row is None:
            raise NotFound(NO_ASSET)
        notes = Notes(
            tags=row.tags if tags is None else _tags(tags),
            owner=row.owner if owner is None else _owner(owner),
            criticality=row.criticality if criticality is None else read_criticality(criticality),
        )
        if notes != Notes(row.tags, row.owner, row.criticality):
            await assets.set_notes(tx, caller.account_id, asset_id, notes)
            detail: dict[str, JsonValue] = {
                "tags": list(notes.tags),
                "owner": notes.owner,
                "criticality": notes.criticality.value if notes.criticality else "",
            }
            await audit.record(tx, ctx.clock, caller, audit.Action.ASSET_NOTED, str(asset_id), detail)
    return await read_asset(ctx, caller, asset_id)


async def list_changes(
    ctx: Context,
    caller: Caller,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
    *,
    target: str = "",
    scan_id: str = "",
    kind: ChangeKind | None = None,
    asset_id: int | None = None,
) -> Listing[AssetChange]:
    """What appeared, changed, is gone or was not looked at again, between scans of a target; newest first."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await asset_states.changes_of(
            tx,
            caller.account_id,
            before,
            limit + 1,
            target=target,
            scan_id=scan_id,
            kind=kind,
            asset_id=asset_id,
        )
    return cut(rows, limit, lambda row: row.id, _change)


async def known_targets(ctx: Context, caller: Caller) -> tuple[str, ...]:
    """The targets of the account whose assets are known, by name."""
    async with ctx.db.reading() as tx:
        return await asset_states.targets_of(tx, caller.account_id)


def read_criticality(text: str) -> Criticality | None:
    """The criticality named; None for "". Raises BadInput."""
    if not text:
        return None
    if text not in tuple(Criticality):
        raise BadInput(f"criticality must be one of {', '.join(Criticality)}, or empty for none", "criticality")
    return Criticality(text)


def _tags(given: Sequence[str]) -> tuple[str, ...]:
    tags = tuple(sorted({tag.strip().lower() for tag in given} - {""}))
    if len(tags) > MAX_TAGS:
        raise BadInput(f"an asset takes {MAX_TAGS} tags", "tags")
    for tag in tags:
        if not 1 <= len(tag) <= MAX_TAG or not set(tag) <= _TAG_CHARACTERS:
            raise BadInput(f"a tag is 1 to {MAX_TAG} of a-z, 0-9 and . _ : - /; not {tag[:60]!r}", "tags")
    return tags


def _owner(given: str) -> str:
    owner = " ".join("".join(char if char.isprintable() else " " for char in given).split())
    if len(owner) > MAX_OWNER:
        raise BadInput(f"an owner is at most {MAX_OWNER} characters", "owner")
    return owner


async def list_findings(
    ctx: Context, caller: Caller, cursor: str | None = None, limit: int = DEFAULT_LIMIT
) -> Listing[FindingSummary]:
    """Every problem that the account's scans found, once, newest first."""
    before, limit = read_cursor(cursor), check_limit(limit)
    async with ctx.db.reading() as tx:
        rows = await findings.list_of(tx, caller.account_id, before, limit + 1, ctx.clock.now())
    return cut(rows, limit, lambda row: row.id, summarised)


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
        sources=row.sources,
        parents=row.parents,
        detail=row.detail,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        scan_id=row.scan_id,
        last_scan_id=row.last_scan_id,
        gone=row.gone,
        tags=row.tags,
        owner=row.owner,
        criticality=row.criticality,
    )


def _change(row: StoredChange) -> AssetChange:
    return AssetChange(
        id=row.id,
        asset_id=row.asset_id,
        type=row.type,
        value=row.value,
        target=row.target,
        scan_id=row.scan_id,
        kind=row.kind,
        detail=row.detail,
        at=row.at,
    )


def summarised(row: KnownFinding) -> FindingSummary:
    """A finding as a line of the list."""
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
        revision=row.revision,
        reopened=row.reopened,
    )
