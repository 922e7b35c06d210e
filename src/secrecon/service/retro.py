"""When the feeds have changed: what was seen is looked up again, without a packet. "Added to KEV today, seen 9 days ago."

The newest finished scan of each target is held against the new data. A CVE that has come to apply becomes a finding of that
scan; one that is now known to be exploited, or is judged otherwise, is brought up to date. What was verified stays as
it was verified. A changed scan gets a new version of its report, with the reason in words, which its watchers are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from secrecon.model.asset import Technology
from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.service.announce import became_exploited
from secrecon.service.context import Context
from secrecon.store import chunks, findings, scans

MOST_NAMED = 3
LIKELY = 0.1
"""An EPSS score that crosses this line is news; its daily movement is not."""


@dataclass(frozen=True, slots=True)
class RetroMatched:
    """`looked`: scans that were held against the data; `changed`: those whose reports have a new version; `news`: how many
    findings are new or otherwise."""

    looked: int
    changed: int
    news: int


async def retro_match(
    ctx: Context, findings_of: Callable[[Sequence[Technology]], Sequence[Finding]]
) -> RetroMatched:
    """Hold the newest scan of every target against the data that `findings_of` looks things up in."""
    async with ctx.db.reading() as tx:
        latest = await scans.latest_finished(tx)
    changed = news = 0
    for scan_id in latest:
        count = await _one(ctx, scan_id, findings_of)
        changed += count > 0
        news += count
    return RetroMatched(len(latest), changed, news)


async def _one(ctx: Context, scan_id: str, findings_of: Callable[[Sequence[Technology]], Sequence[Finding]]) -> int:
    async with ctx.db.reading() as tx:
        facts = await chunks.facts_of(tx, scan_id)
        known = {finding.fingerprint: finding for finding in await findings.seen_by(tx, scan_id)}
    technologies = [fact for fact in facts if isinstance(fact, Technology)]
    if not technologies:
        return 0
    present = await asyncio.to_thread(findings_of, technologies)
    fresh = [news for finding in present if (news := _news(finding, known.get(finding.fingerprint))) is not None]
    if not fresh:
        return 0
    async with ctx.db.transaction() as tx:
        scan = await scans.locked(tx, scan_id)
        if not scan.status.is_final:
            return 0
        put = await findings.put(tx, scan, [finding for finding, _ in fresh], ctx.clock.now())
        if put:
            seen = scan.finished if scan.finished is not None else scan.created
            days = max(0, int((ctx.clock.now() - seen) // 86_400))
            reasons = [words for finding, words in fresh if finding.fingerprint in put]
            await scans.new_version(tx, scan_id, _words(reasons, days), ctx.clock.now())
            exploited = [
                finding.cve_id
                for finding, _ in fresh
                if finding.fingerprint in put
                and finding.kev
                and finding.cve_id
                and not _was_exploited(known, finding)
            ]
            await became_exploited(ctx, tx, scan, exploited)
    if put:
        ctx.bell.ring(scan_id)
    return len(put)


def _news(finding: Finding, known: Finding | None) -> tuple[Finding, str] | None:
    """The finding as it is to be stored, and what is new about it; None where nothing is."""
    name = finding.cve_id or finding.check
    where = f"on {finding.asset}"
    if known is None:
        exploited = ", known to be exploited" if finding.kev else ""
        return finding, f"{name} applies to {finding.location} {where}{exploited}"
    words = ""
    if finding.kev and not known.kev:
        of = f" ({finding.threat.kev_date})" if finding.threat.kev_date else ""
        words = f"{name} was added to CISA's catalogue of exploited vulnerabilities{of}, seen {where}"
    elif (finding.epss or 0.0) >= LIKELY > (known.epss or 0.0):
        words = f"exploitation of {name} has become likely, seen {where}"
    elif finding.ssvc is not None and finding.ssvc != known.ssvc:
        words = f"{name} is now to {finding.ssvc} by SSVC, seen {where}"
    elif finding.severity is not known.severity:
        words = f"{name} is now {finding.severity}, seen {where}"
    elif finding.kev is False and known.kev:
        words = f"{name} was taken out of CISA's catalogue of exploited vulnerabilities"
    if not words:
        return None
    if known.evidence_level.rank >= EvidenceLevel.BEHAVIOUR.rank or known.oast_verified:
        finding = replace(
            known,
            kev=finding.kev,
            epss=finding.epss,
            ssvc=finding.ssvc,
            threat=finding.threat,
            severity=max(known.severity, finding.severity, key=lambda severity: severity.rank),
        )
    return finding, words


def _was_exploited(known: Mapping[str, Finding], finding: Finding) -> bool:
    before = known.get(finding.fingerprint)
    return before is not None and before.kev is True


def _words(reasons: Sequence[str], days: int) -> str:
    told = "; ".join(reasons[:MOST_NAMED])
    more = f"; and {len(reasons) - MOST_NAMED} more" if len(reasons) > MOST_NAMED else ""
    ago = "today" if days == 0 else f"{days} {'day' if days == 1 else 'days'} ago"
    return f"the vulnerability data changed: {told}{more} (scanned {ago}; nothing was sent)"
