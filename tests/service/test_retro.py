"""Data that changed is held against what was seen: news of old and new findings, once; what was verified stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.little import BentClock, LittleEngine, finding_of

from secrecon.accounts.caller import Caller
from secrecon.model.asset import Technology
from secrecon.model.finding import EvidenceLevel, Finding, Severity, Threat
from secrecon.model.record import Chunk
from secrecon.model.scan import PhaseName
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.reports import read_record
from secrecon.service.retro import RetroMatched, retro_match
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.store import chunks, events

SEEN = Technology("https://shop.acme.test", "nginx", "1.18.0", "cpe:2.3:a:f5:nginx", "header", 0.95)


async def scanned(
    ctx: Context, ada: Caller, *technologies: Technology, target: str = "https://shop.acme.test"
) -> AcceptedScan:
    accepted = await submit_scan(ctx, ada, ScanRequest(target, via_api=True))
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
    chunk = Chunk(PhaseName.FINGERPRINT, "fingerprint", 0, technologies, (), (), False, 0, 0)
    async with ctx.db.transaction() as tx:
        await chunks.commit_chunk(tx, accepted.scan_id, chunk, ctx.clock.now())
    await runner.finish(accepted.scan_id)
    return accepted


def of_version(**changes: object) -> Finding:
    base = Finding(
        check="cve.CVE-2026-1000",
        title="Possible, by its version",
        severity=Severity.HIGH,
        asset=SEEN.asset,
        location="nginx",
        evidence_level=EvidenceLevel.VERSION_RANGE,
        confidence=0.6,
        evidence=(),
        description="A flaw.",
        impact="Bad.",
        remediation="Update.",
        cve_id="CVE-2026-1000",
        kev=False,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


async def reasons(ctx: Context, scan_id: str) -> list[str]:
    async with ctx.db.reading() as tx:
        return [
            str(e.data["reason"]) for e in await events.after(tx, scan_id, 0, 500) if e.kind == "report_version"
        ]


async def test_a_cve_that_came_to_apply_and_then_to_be_exploited(
    ctx: Context, ada: Caller, engine: LittleEngine, clock: BentClock
) -> None:
    accepted = await scanned(ctx, ada, SEEN)
    asked: list[Sequence[Technology]] = []

    def nothing(technologies: Sequence[Technology]) -> Sequence[Finding]:
        asked.append(technologies)
        return ()

    assert await retro_match(ctx, nothing) == RetroMatched(1, 0, 0)
    assert asked == [[SEEN]]
    assert await retro_match(ctx, lambda _: [of_version()]) == RetroMatched(1, 1, 1)
    assert await retro_match(ctx, lambda _: [of_version()]) == RetroMatched(1, 0, 0)
    clock.at += 9 * 86_400
    listed = of_version(kev=True, threat=Threat(kev_added="2026-11-30"))
    assert await retro_match(ctx, lambda _: [listed]) == RetroMatched(1, 1, 1)
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    assert record.version == 3
    (stored,) = [r.finding for r in record.findings if r.finding.cve_id]
    assert (stored.kev, stored.threat.kev_added) == (True, "2026-11-30")
    told = await reasons(ctx, accepted.scan_id)
    assert "CVE-2026-1000 applies to nginx on https://shop.acme.test" in told[0]
    assert "was added to CISA's catalogue" in told[1]
    assert "scanned 9 days ago" in told[1]


async def test_what_was_verified_stays_verified(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    accepted = await scanned(ctx, ada, SEEN)
    proof = finding_of((await read_record(ctx, accepted.db_scan_id, ada, "")).spec).evidence
    verified = of_version(evidence_level=EvidenceLevel.BEHAVIOUR, confidence=0.95, evidence=proof, title="Proven")
    await retro_match(ctx, lambda _: [verified])
    await retro_match(ctx, lambda _: [of_version(kev=True, severity=Severity.CRITICAL)])
    record = await read_record(ctx, accepted.db_scan_id, ada, "")
    (stored,) = [r.finding for r in record.findings if r.finding.cve_id]
    assert (stored.title, stored.evidence_level, stored.evidence) == ("Proven", EvidenceLevel.BEHAVIOUR, proof)
    assert (stored.kev, stored.severity) == (True, Severity.CRITICAL)


async def test_only_the_newest_scan_of_a_target_is_held_against_it(
    ctx: Context, ada: Caller, engine: LittleEngine
) -> None:
    old = await scanned(ctx, ada, SEEN)
    new = await scanned(ctx, ada, SEEN)
    assert await retro_match(ctx, lambda _: [of_version()]) == RetroMatched(1, 1, 1)
    assert (await read_record(ctx, old.db_scan_id, ada, "")).version == 1
    assert (await read_record(ctx, new.db_scan_id, ada, "")).version == 2


async def test_daily_movement_is_no_news(ctx: Context, ada: Caller, engine: LittleEngine) -> None:
    await scanned(ctx, ada, SEEN)
    await retro_match(ctx, lambda _: [of_version(epss=0.01)])
    assert (await retro_match(ctx, lambda _: [of_version(epss=0.02)])).news == 0
    assert (await retro_match(ctx, lambda _: [of_version(epss=0.4, ssvc="Attend")])).news == 1
    assert (await retro_match(ctx, lambda _: [of_version(epss=0.45, ssvc="Attend")])).news == 0
    assert (await retro_match(ctx, lambda _: [of_version(epss=0.45, ssvc="Act")])).news == 1
