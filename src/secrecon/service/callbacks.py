"""What happens when the listener hears something: stored at once, and never too late to become a finding.

While a scan runs its own phase judges the callbacks. One that arrives after the phase looked, or after the scan's end,
is judged here from its stored payload; a finished scan then gets a new version of its report.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from secrecon.detect.late import is_template, late_finding, late_hits
from secrecon.detect.own_ways import own_ways, weighed
from secrecon.detect.ssrf import CHECK, finding_for, settled
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, Payload
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.service.context import Context
from secrecon.store import chunks, findings, interactions, payloads, scans
from secrecon.store.database import Transaction
from secrecon.store.scans import StoredScan

LATE = "a callback arrived after the scan had ended"
FORGOTTEN = "the callback server forgot us for a while: callbacks may be missing"
SERVER_CHECK = "oast.server"
TEMPLATES = "templates"
"""The step whose rounds listen for the callbacks of templates."""
GAP_REACH = 7 * 86_400.0
"""How long after a payload was sent a callback is still likely enough to be missed."""


async def record_interaction(ctx: Context, interaction: Interaction) -> None:
    """Keep a hit where its token is one we gave out; judge it where its scan has ended."""
    await record_interactions(ctx, (interaction,))


async def record_interactions(ctx: Context, heard: Sequence[Interaction]) -> None:
    """Keep the hits whose tokens are ones we gave out, and judge those whose scans have ended: one transaction and at
    most one new version for each scan. What cannot be a payload of ours costs one query for all."""
    async with ctx.db.reading() as tx:
        owners = await payloads.owners(tx, {hit.token for hit in heard})
    by_scan: dict[str, list[Interaction]] = {}
    for hit in heard:
        if hit.token in owners:
            by_scan.setdefault(owners[hit.token], []).append(hit)
    for scan_id, hits in by_scan.items():
        if await _record(ctx, scan_id, hits):
            ctx.bell.ring(scan_id)


async def _record(ctx: Context, scan_id: str, hits: Sequence[Interaction]) -> bool:
    """Whether any hit was new."""
    async with ctx.db.transaction() as tx:
        kept: dict[str, Payload] = {}
        own = True
        for hit in hits:
            payload = await interactions.add(tx, hit)
            if payload is not None:
                kept[payload.token] = payload
                own = own and hit.own
        if not kept:
            return False
        scan = await scans.locked(tx, scan_id)
        if scan.status.is_final and not own:
            await settle_callbacks(ctx, tx, scan, only=tuple(kept.values()))
            await scans.new_version(tx, scan.scan_id, LATE, ctx.clock.now())
    return True


async def record_gap(ctx: Context, server: str, since: float, until: float) -> None:
    """Say in every scan whose payloads may have been called back in that time that callbacks may be missing: such silence
    is no good news. A finished scan gets a new version of its report."""
    words = f"callbacks between {_moment(since)} and {_moment(until)} may be missing: {server} had forgotten our session"
    attempt = Attempt(PhaseName.OAST, SERVER_CHECK, server, Outcome.BLOCKED, words)
    async with ctx.db.reading() as tx:
        touched = await payloads.scans_with(tx, since - GAP_REACH, until)
    for scan_id in touched:
        async with ctx.db.transaction() as tx:
            scan = await scans.locked(tx, scan_id)
            await chunks.put_attempts(tx, scan_id, (attempt,), ctx.clock.now())
            if scan.status.is_final:
                await scans.new_version(tx, scan_id, FORGOTTEN, ctx.clock.now())
        ctx.bell.ring(scan_id)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


async def settle_callbacks(
    ctx: Context, tx: Transaction, scan: StoredScan, only: Sequence[Payload] | None = None
) -> None:
    """Turn stored callbacks that no finding shows yet, or only a weaker one, into findings of the scan.

    `only`: look at the locations of those payloads alone.
    """
    hits = await interactions.of_scan(tx, scan.scan_id)
    called = {hit.token for hit in hits if not hit.own}
    if not called:
        return
    sent = [payload for payload in await payloads.of_scan(tx, scan.scan_id) if payload.token in called]
    if only is not None:
        places = {_place(payload) for payload in only}
        sent = [payload for payload in sent if _place(payload) in places]
    known = {finding.fingerprint: finding for finding in await findings.seen_by(tx, scan.scan_id)}
    found = _proven([payload for payload in sent if payload.check == CHECK], hits)
    ends = await chunks.ends(tx, scan.scan_id, TEMPLATES)
    found += [
        late_finding(payload, late)
        for payload in sent
        if is_template(payload) and (late := late_hits(payload, hits, ends))
    ]
    fresh = [finding for finding in found if _stronger(finding, known.get(finding.fingerprint))]
    await findings.put(tx, scan, fresh, ctx.clock.now())


def _place(payload: Payload) -> tuple[str, str, str]:
    return payload.check, payload.asset, payload.location


def _proven(sent: Sequence[Payload], hits: Sequence[Interaction]) -> list[Finding]:
    """One finding per place that was called back from."""
    ways = own_ways(hits)
    found = ((finding_for(payload, hits), payload) for payload in sent)
    return settled([weighed(finding, payload, hits, ways) for finding, payload in found if finding is not None])


def _stronger(finding: Finding, known: Finding | None) -> bool:
    if known is None:
        return True
    return (finding.severity.rank, finding.confidence) > (known.severity.rank, known.confidence)
