"""What happened, put into the outbox of every webhook that listens for it, in the transaction in which it happened.

Sending is somebody else's work (`service.delivering`). Text that a target chose is carried as data in JSON, bounded.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from secrecon.model.asset import AssetType
from secrecon.model.finding import Severity
from secrecon.model.record import FindingRecord, JsonValue
from secrecon.model.scan import ScanStatus
from secrecon.model.webhook import HookEvent
from secrecon.service.context import Context
from secrecon.store import webhooks
from secrecon.store.database import Transaction
from secrecon.store.scans import StoredScan

MOST_LISTED = 50
MAX_TEXT = 500
LOW_CREDITS = 0.2
"""The share of a month's scans that is left when credits are called low."""


def message_of(ctx: Context, event: HookEvent, data: Mapping[str, JsonValue]) -> str:
    """The body of a message, as it is signed and sent."""
    at = datetime.fromtimestamp(ctx.clock.now(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"type": event.value, "timestamp": at, "data": dict(data)}, ensure_ascii=True)


def new_message_id() -> str:
    """An id that no other message has."""
    return f"msg_{secrets.token_hex(16)}"


async def announce(
    ctx: Context,
    tx: Transaction,
    account_id: int,
    event: HookEvent,
    data: Mapping[str, JsonValue],
    dedup: str = "",
) -> int:
    """Put `event` into the outbox of the account's webhooks that listen for it; how many. `dedup`: told once only."""
    listening = [
        hook for hook in await webhooks.list_of(tx, account_id) if hook.disabled is None and event in hook.events
    ]
    if not listening:
        return 0
    body, message_id = message_of(ctx, event, data), new_message_id()
    put = [await webhooks.put(tx, hook.id, message_id, event, body, ctx.clock.now(), dedup) for hook in listening]
    if any(put):
        ctx.bell.ring(OUTBOX)
    return sum(put)


OUTBOX = "outbox"
"""The bell that wakes whoever sends, in the same process."""


async def scan_ended(
    ctx: Context,
    tx: Transaction,
    scan: StoredScan,
    status: ScanStatus,
    found: Sequence[FindingRecord],
    *,
    cancelled: bool,
) -> None:
    """A scan has ended, and what it found that was not there before. Retests of single findings are not told."""
    if scan.spec.retest is not None:
        return
    counts: dict[str, JsonValue] = {
        severity.value: sum(record.finding.severity is severity for record in found) for severity in Severity
    }
    about: dict[str, JsonValue] = {**_scan(ctx, scan), "status": status.value, "cancelled": cancelled}
    await announce(ctx, tx, scan.account_id, HookEvent.SCAN_FINISHED, {**about, "findings": counts})
    fresh = [record for record in found if record.status.value in ("new", "regressed")]
    if fresh:
        data = {**_scan(ctx, scan), "count": len(fresh), "findings": _listed(fresh)}
        await announce(ctx, tx, scan.account_id, HookEvent.FINDING_NEW, data)


async def assets_appeared(
    ctx: Context, tx: Transaction, scan: StoredScan, appeared: Sequence[tuple[AssetType, str]]
) -> None:
    """A scan saw assets that earlier scans of its target did not. The first scan of a target is no news."""
    if not appeared:
        return
    listed: list[JsonValue] = [
        {"type": type_.value, "value": value[:MAX_TEXT]} for type_, value in appeared[:MOST_LISTED]
    ]
    data: dict[str, JsonValue] = {**_scan(ctx, scan), "count": len(appeared), "assets": listed}
    await announce(ctx, tx, scan.account_id, HookEvent.ASSET_APPEARED, data)


async def became_exploited(ctx: Context, tx: Transaction, scan: StoredScan, cves: Sequence[str]) -> None:
    """CVEs that a finished scan saw are now known to be exploited; each is told once per target."""
    for cve in cves:
        data = {**_scan(ctx, scan), "cve_id": cve}
        once = f"{HookEvent.FINDING_EXPLOITED} {scan.spec.target.url} {cve}"
        await announce(ctx, tx, scan.account_id, HookEvent.FINDING_EXPLOITED, data, once)


async def feed_unhealthy(ctx: Context, feed: str, words: str) -> None:
    """A feed has an alarm: the accounts of this installation's operators are told, once per feed and day."""
    day = int(ctx.clock.now() // 86_400)
    async with ctx.db.transaction() as tx:
        for account_id in await webhooks.accounts_of_admins(tx):
            data: dict[str, JsonValue] = {"feed": feed, "problem": words[:MAX_TEXT]}
            once = f"{HookEvent.FEED_UNHEALTHY} {feed} {day}"
            await announce(ctx, tx, account_id, HookEvent.FEED_UNHEALTHY, data, once)


async def credits_used(
    ctx: Context, tx: Transaction, account_id: int, limit: int | None, left: int, month: str
) -> None:
    """A credit was taken: told where few are left for the month, and again where none is, once each."""
    if limit is None or left > limit * LOW_CREDITS:
        return
    data: dict[str, JsonValue] = {"limit": limit, "remaining": left, "month": month}
    once = f"{HookEvent.CREDITS_LOW} {month} {'none' if left == 0 else 'few'}"
    await announce(ctx, tx, account_id, HookEvent.CREDITS_LOW, data, once)


def _scan(ctx: Context, scan: StoredScan) -> dict[str, JsonValue]:
    base = ctx.policy.base_url
    return {
        "scan_id": scan.scan_id,
        "db_scan_id": scan.db_scan_id,
        "target": scan.spec.target.url,
        "scan_mode": scan.spec.mode.value,
        "results_url": f"{base}/api/scan/{scan.db_scan_id}",
        "report_url": f"{base}/reports/{scan.db_scan_id}",
    }


def _listed(records: Sequence[FindingRecord]) -> list[JsonValue]:
    worst = sorted(records, key=lambda record: -record.finding.severity.rank)
    return [
        {
            "id": record.id,
            "title": record.finding.title[:MAX_TEXT],
            "severity": record.finding.severity.value,
            "evidence_level": record.finding.evidence_level.value,
            "asset": record.finding.asset[:MAX_TEXT],
            "location": record.finding.location[:MAX_TEXT],
            "cve_id": record.finding.cve_id,
            "status": record.status.value,
        }
        for record in worst[:MOST_LISTED]
    ]
