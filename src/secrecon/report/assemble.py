"""From a stored scan to a report. Pure: the same record always makes the same report, whatever the order in it.

All text from outside is made safe to show here, once. Findings are ordered worst first, callbacks by time.
"""

from __future__ import annotations

import math
from dataclasses import replace

from secrecon.model.asset import Asset, Page, RequestShape, Service, Technology, TlsInfo, ToldName
from secrecon.model.finding import Evidence, Threat
from secrecon.model.interaction import Interaction, OastReach, OastSelfTest, Payload
from secrecon.model.record import FindingRecord, ScanRecord
from secrecon.model.target import TargetKind
from secrecon.model.trace import sought
from secrecon.model.triage import Decision
from secrecon.report.briefing import Briefing, brief
from secrecon.report.coverage import read_coverage
from secrecon.report.document import (
    AssetSeen,
    CallbackHit,
    EvidenceItem,
    Facts,
    FeedUsed,
    Report,
    ReportFinding,
    SelfTest,
    ServiceSeen,
    TechnologySeen,
    TlsSeen,
    Triaged,
)
from secrecon.report.grade import grade
from secrecon.report.narrative import as_text, tell
from secrecon.report.prose import written
from secrecon.report.risk import weight
from secrecon.report.since import STANDS_ALONE, Since
from secrecon.report.text import block, iso, line

MOST_EVIDENCE = 20
MOST_CHARACTERS = 100_000_000
"""Of all evidence of a report; the worst findings have theirs first. Keeps every export's memory bounded."""
MAX_CHANGE = 900
"""Characters of a reason for a changed report."""
LEFT_OUT = "[left out: the report holds the evidence of the worst findings, up to 100 million characters]"


def build(record: ScanRecord, since: Since = STANDS_ALONE) -> Report:
    """The report of a scan, finished or not. `since`: what changed since the scan before, where that was looked at."""
    facts = _facts(record)
    coverage = read_coverage(record, facts.self_test)
    graded = grade(facts, coverage)
    told = written(facts, graded.letter, tell(facts, coverage, graded), record.draft)
    return Report(facts, coverage, graded, told.sections, told.source, told.note, as_text(told.sections), since)


def briefing_of(record: ScanRecord, mark: str, letters: int) -> Briefing | None:
    """What a language model is asked about a scan; None where there is nothing to write about. Arguments: as of `brief`."""
    facts = _facts(record)
    coverage = read_coverage(record, facts.self_test)
    return brief(facts, coverage, grade(facts, coverage), mark, letters)


def show_finding(record: FindingRecord) -> ReportFinding:
    """One stored finding, safe to show. Lists of findings outside a report use it too."""
    finding = record.finding
    return ReportFinding(
        id=record.id,
        fingerprint=finding.fingerprint,
        check=line(finding.check),
        title=line(finding.title),
        severity=finding.severity,
        cve_id=None if finding.cve_id is None else line(finding.cve_id, 40),
        kev_status=finding.kev_status,
        confidence_score=_within(finding.confidence, 1.0) or 0.0,
        oast_verified=finding.oast_verified,
        evidence_level=finding.evidence_level,
        cvss_score=_within(finding.cvss_score, 10.0),
        cvss_vector=None if finding.cvss_vector is None else line(finding.cvss_vector, 200),
        epss=_within(finding.epss, 1.0),
        ssvc=None if finding.ssvc is None else line(finding.ssvc, 200),
        asset=line(finding.asset),
        location=line(finding.location),
        evidence=tuple(_evidence(item) for item in finding.evidence[:MOST_EVIDENCE]),
        first_seen=iso(record.first_seen),
        last_seen=iso(record.last_seen),
        status=record.status,
        description=block(finding.description),
        impact=block(finding.impact),
        remediation=block(finding.remediation),
        references=tuple(line(url) for url in finding.references),
        cwe=tuple(line(cwe, 40) for cwe in finding.cwe),
        threat=_threat(finding.threat),
        seen=record.seen,
        triage=None if record.decision is None else _triaged(record.decision, record.reopened),
        revision=record.revision,
        gone=record.gone,
        found_by=tuple(line(check, 300) for check in sought(finding).lines),
    )


def _triaged(decision: Decision, reopened: str) -> Triaged:
    return Triaged(
        state=str(decision.state),
        reason=line(decision.reason),
        by=line(decision.by, 320),
        at=iso(decision.at),
        expires="" if decision.expires is None else iso(decision.expires),
        holds=not reopened,
        reopened=line(reopened),
    )


def _threat(threat: Threat) -> Threat:
    """The same, safe to show: dates and names come from feeds."""
    return Threat(
        epss_percentile=_within(threat.epss_percentile, 1.0),
        epss_date=line(threat.epss_date, 40),
        kev_added=line(threat.kev_added, 40),
        kev_due=line(threat.kev_due, 40),
        kev_ransomware=threat.kev_ransomware,
        kev_date=line(threat.kev_date, 40),
        ssvc_points=line(threat.ssvc_points, 300),
        ssvc_date=line(threat.ssvc_date, 40),
        cvss_provider=line(threat.cvss_provider, 80),
        cvss_date=line(threat.cvss_date, 40),
    )


def _within(value: float | None, most: float) -> float | None:
    """A number held to 0..most; None where it is missing or is none."""
    if value is None or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), most)


def _evidence(item: Evidence) -> EvidenceItem:
    return EvidenceItem(
        kind=line(item.kind, 40),
        summary=line(item.summary),
        request=block(item.request),
        response=block(item.response),
        matcher=block(item.matcher, 4_000),
        callback=block(item.callback),
        curl=block(item.curl, 8_000),
    )


def _facts(record: ScanRecord) -> Facts:
    spec = record.spec
    findings = _bounded(sorted((show_finding(entry) for entry in record.findings), key=_finding_order))
    seconds = None
    if record.started is not None and record.finished is not None:
        seconds = round(max(record.finished - record.started, 0.0), 3)
    return Facts(
        scan_id=spec.scan_id,
        db_scan_id=record.db_scan_id,
        target=line(spec.target.url),
        subject=line(spec.target.host if spec.target.kind is TargetKind.ORGANISATION else spec.target.url),
        target_kind=str(spec.target.kind),
        scan_mode=spec.mode,
        touch=str(spec.touch),
        status=record.status,
        cancelled=record.cancelled,
        error=line(record.error),
        version=record.version,
        created=iso(record.created),
        started=None if record.started is None else iso(record.started),
        finished=None if record.finished is None else iso(record.finished),
        seconds=seconds,
        requests=record.requests,
        received=record.received,
        findings=tuple(findings),
        hits=_hits(record.interactions, record.payloads),
        services=_services(record),
        technologies=_technologies(record),
        assets=_assets(record),
        pages=len({fact.url for fact in record.facts if isinstance(fact, Page) and fact.status}),
        inputs=len({fact.key for fact in record.facts if isinstance(fact, RequestShape)}),
        feeds=_feeds(record),
        engine_version=record.engine.version,
        rules_digest=record.engine.rules_digest,
        self_test=_self_test(record.self_test),
        changes=tuple(line(reason, MAX_CHANGE) for reason in record.changes),
    )


def _bounded(findings: list[ReportFinding], most: int = MOST_CHARACTERS) -> list[ReportFinding]:
    """The findings, which are ordered worst first, with the long texts of the evidence beyond `most` characters left out."""
    kept, spent = [], 0
    for finding in findings:
        spent += sum(len(item.request) + len(item.response) + len(item.callback) for item in finding.evidence)
        kept.append(finding if spent <= most else replace(finding, evidence=tuple(map(_short, finding.evidence))))
    return kept


def _short(item: EvidenceItem) -> EvidenceItem:
    return replace(item, request="", response="", callback="", matcher=f"{item.matcher}\n{LEFT_OUT}".strip())


def _finding_order(finding: ReportFinding) -> tuple[int, int, int, str, str, str, int]:
    """Worst first; of one severity what weighs most (proof, certainty, known exploitation)."""
    return (
        -finding.severity.rank,
        -weight(finding),
        -finding.evidence_level.rank,
        finding.title,
        finding.place,
        finding.fingerprint,
        finding.id,
    )


def _hits(interactions: tuple[Interaction, ...], payloads: tuple[Payload, ...]) -> tuple[CallbackHit, ...]:
    by_token = {payload.token: payload for payload in sorted(payloads, key=lambda p: (p.token, p.created))}
    unique = {hit.id: hit for hit in sorted(interactions, key=lambda h: (h.id, h.at))}
    ordered = sorted(unique.values(), key=lambda hit: (hit.at, hit.id))
    return tuple(_hit(hit, by_token.get(hit.token)) for hit in ordered)


def _hit(hit: Interaction, payload: Payload | None) -> CallbackHit:
    return CallbackHit(
        id=line(hit.id, 100),
        protocol=str(hit.protocol),
        at=iso(hit.at),
        remote_address=line(hit.remote_address, 100),
        query=line(hit.query),
        raw=block(hit.raw),
        own=hit.own,
        token=line(hit.token, 100),
        check=line(payload.check) if payload else "",
        asset=line(payload.asset) if payload else "",
        location=line(payload.location) if payload else "",
        technique=line(payload.technique) if payload else "",
        probe_sent_at=iso(payload.created) if payload else None,
    )


def _services(record: ScanRecord) -> tuple[ServiceSeen, ...]:
    seen = {fact.key: fact for fact in record.facts if isinstance(fact, Service)}
    shown = [
        ServiceSeen(
            asset=line(fact.asset),
            host=line(fact.host),
            address=line(fact.address, 100),
            port=fact.port,
            protocol=line(fact.protocol, 40),
            banner=line(fact.banner, 500),
            tls=None if fact.tls is None else _tls(fact.tls),
            product=line(fact.product, 100),
            version=line(fact.version, 100),
        )
        for fact in seen.values()
    ]
    return tuple(sorted(shown, key=lambda s: (s.asset, s.host, s.port, s.protocol)))


def _tls(info: TlsInfo) -> TlsSeen:
    return TlsSeen(
        version=line(info.version, 40),
        protocols=tuple(line(name, 40) for name in info.protocols),
        cipher=line(info.cipher, 100),
        subject=line(info.subject, 500),
        issuer=line(info.issuer, 500),
        names=tuple(line(name, 300) for name in info.names[:100]),
        not_before=line(info.not_before, 40),
        not_after=line(info.not_after, 40),
        trusted=info.trusted,
        trust_error=line(info.trust_error, 500),
    )


def _technologies(record: ScanRecord) -> tuple[TechnologySeen, ...]:
    """By name; a product seen both with and without a version on one asset is shown with it."""
    seen = {fact.key: fact for fact in record.facts if isinstance(fact, Technology)}
    known = {(fact.asset, fact.name) for fact in seen.values() if fact.version}
    shown = [
        TechnologySeen(
            asset=line(fact.asset),
            name=line(fact.name, 200),
            version=line(fact.version, 200),
            cpe=line(fact.cpe, 300),
            evidence=line(fact.evidence, 500),
            confidence=_within(fact.confidence, 1.0) or 0.0,
            distribution=line(fact.distribution, 100),
        )
        for fact in seen.values()
        if fact.version or (fact.asset, fact.name) not in known
    ]
    return tuple(sorted(shown, key=lambda t: (t.name, t.asset, t.version)))


def _assets(record: ScanRecord) -> tuple[AssetSeen, ...]:
    seen = {fact.key: fact for fact in record.facts if isinstance(fact, Asset)}
    told: dict[str, list[str]] = {}
    for fact in record.facts:
        if isinstance(fact, ToldName):
            told.setdefault(fact.name, []).append(line(fact.source, 200))
    shown = [
        AssetSeen(
            str(a.type), line(a.value), source, line(a.parent), tuple(sorted({source, *told.get(a.value, ())}))
        )
        for a in seen.values()
        for source in (line(a.source, 200),)
    ]
    return tuple(sorted(shown, key=lambda a: (a.type, a.value)))


def _feeds(record: ScanRecord) -> tuple[FeedUsed, ...]:
    shown = [
        FeedUsed(line(f.name, 200), line(f.date, 40), f.rows, line(f.digest, 128), line(f.note, 500))
        for f in record.engine.feeds
    ]
    return tuple(sorted(shown, key=lambda feed: (feed.name, feed.date)))


def _self_test(test: OastSelfTest | None) -> SelfTest | None:
    if test is None:
        return None
    reachable = OastReach.REACHABLE in (test.http, test.dns)
    return SelfTest(str(test.http), str(test.dns), line(test.detail, 1_000), reachable)
