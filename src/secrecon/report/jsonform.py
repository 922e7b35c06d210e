"""The report as JSON: every field of the REST document and of the contract's "Report fields".

Deterministic: the same report makes the same bytes. ASCII only, so that no parser trips over odd characters.
"""

from __future__ import annotations

import json
from collections import Counter

from secrecon.model.record import JsonValue
from secrecon.report.crowds import crowded
from secrecon.report.document import (
    CallbackHit,
    Coverage,
    CoverageCount,
    EvidenceItem,
    Facts,
    Grade,
    Report,
    ReportFinding,
    Section,
    Sentence,
    ServiceSeen,
)
from secrecon.report.mending import check_the_fix
from secrecon.report.owasp import top_ten
from secrecon.report.risk import arithmetic, weight
from secrecon.report.since import since_document

Json = dict[str, JsonValue]


def to_json(report: Report) -> bytes:
    """The whole report as JSON text."""
    return json.dumps(as_document(report), ensure_ascii=True, allow_nan=False, indent=2).encode("ascii") + b"\n"


def as_document(report: Report) -> Json:
    """The whole report as JSON-safe values, in the order in which it is written."""
    facts = report.facts
    return {
        "scan_id": facts.scan_id,
        "db_scan_id": facts.db_scan_id,
        "target": facts.target,
        "target_kind": facts.target_kind,
        "scan_mode": str(facts.scan_mode),
        "touch": facts.touch,
        "status": str(facts.status),
        "cancelled": facts.cancelled,
        "error": facts.error or None,
        "version": facts.version,
        "created_at": facts.created,
        "started_at": facts.started,
        "finished_at": facts.finished,
        "duration_seconds": facts.seconds,
        "requests_used": facts.requests,
        "bytes_received": facts.received,
        "risk_score": report.risk_score,
        "grade": _grade(report.grade),
        "finding_count": len(facts.findings),
        "severity_counts": {str(level): number for level, number in facts.severity_counts},
        "kev_count": facts.kev_count,
        "cve_count": facts.cve_count,
        "findings": [finding_document(finding) for finding in facts.findings],
        "since_last_scan": since_document(report.since),
        "oast_interactions": [_hit(hit) for hit in facts.hits],
        "oast_self_test": _self_test(facts),
        "coverage": _coverage(report.coverage),
        "report_text": report.report_text,
        "narrative_source": report.narrative_source,
        "narrative_note": report.narrative_note,
        "narrative": [_section(section) for section in report.narrative],
        "services": [_service(service) for service in facts.services],
        "technologies": [
            {
                "asset": tech.asset,
                "name": tech.name,
                "version": tech.version or None,
                "cpe": tech.cpe or None,
                "evidence": tech.evidence,
                "confidence": tech.confidence,
                "distribution": tech.distribution or None,
            }
            for tech in facts.technologies
        ],
        "asset_counts": _asset_counts(facts),
        "assets": [
            {
                "type": a.type,
                "value": a.value,
                "source": a.source,
                "sources": list(a.sources),
                "parent": a.parent or None,
            }
            for a in facts.assets
        ],
        "pages_read": facts.pages,
        "inputs_seen": facts.inputs,
        "feeds": [
            {"name": f.name, "date": f.date, "rows": f.rows, "digest": f.digest, "note": f.note}
            for f in facts.feeds
        ],
        "engine": {"version": facts.engine_version, "rules_digest": facts.rules_digest},
    }


def _section(section: Section) -> Json:
    return {
        "title": section.title,
        "audience": section.audience,
        "paragraphs": [[_sentence(sentence) for sentence in paragraph] for paragraph in section.prose],
        "points": [_sentence(point) for point in section.points],
    }


def _sentence(sentence: Sentence) -> Json:
    return {"text": sentence.text, "finding_ids": list(sentence.findings)}


def finding_document(finding: ReportFinding) -> Json:
    """One finding as JSON-safe values, with the documented names. Lists of findings use it too."""
    cvss: JsonValue = None
    if finding.cvss_score is not None or finding.cvss_vector is not None:
        cvss = {"score": finding.cvss_score, "vector": finding.cvss_vector}
    return {
        "id": finding.id,
        "fingerprint": finding.fingerprint,
        "check": finding.check,
        "title": finding.title,
        "severity": str(finding.severity),
        "cve_id": finding.cve_id,
        "KEV_Status": finding.kev_status,
        "confidence_score": finding.confidence_score,
        "oast_verified": finding.oast_verified,
        "evidence_level": str(finding.evidence_level),
        "cvss": cvss,
        "epss": finding.epss,
        "ssvc": finding.ssvc,
        "exploitation": _exploitation(finding),
        "risk": {"points": weight(finding) / 100, "arithmetic": arithmetic(finding)},
        "asset": finding.asset,
        "location": finding.location,
        "description": finding.description,
        "impact": finding.impact,
        "evidence": [_evidence(item) for item in finding.evidence],
        "remediation": finding.remediation,
        "check_fix": check_the_fix(finding),
        "references": list(finding.references),
        "cwe": list(finding.cwe),
        "owasp": list(top_ten(finding.cwe)),
        "first_seen": finding.first_seen,
        "last_seen": finding.last_seen,
        "status": str(finding.status),
        "seen_as": str(finding.seen),
        "gone": finding.gone,
        "found_by": list(finding.found_by),
        "triage": _triage(finding),
    }


def _triage(finding: ReportFinding) -> Json:
    """The decision about a finding; `revision` is what a change of it must name."""
    document: Json = {"revision": finding.revision, "state": "open"}
    if finding.triage is not None:
        made = finding.triage
        document |= {
            "state": made.state if made.holds else "open",
            "decided": made.state,
            "reason": made.reason,
            "by": made.by,
            "at": made.at,
            "expires_at": made.expires or None,
            "reopened": made.reopened or None,
        }
    return document


def _exploitation(finding: ReportFinding) -> Json | None:
    """What feeds say of attacks on the CVE, with their dates; None without a CVE."""
    if finding.cve_id is None:
        return None
    threat = finding.threat
    return {
        "epss_percentile": threat.epss_percentile,
        "epss_date": threat.epss_date or None,
        "kev_added": threat.kev_added or None,
        "kev_due": threat.kev_due or None,
        "kev_ransomware": threat.kev_ransomware,
        "kev_date": threat.kev_date or None,
        "ssvc_points": threat.ssvc_points or None,
        "ssvc_date": threat.ssvc_date or None,
        "cvss_provider": threat.cvss_provider or None,
    }


def _evidence(item: EvidenceItem) -> Json:
    return {
        "kind": item.kind,
        "summary": item.summary,
        "request": item.request or None,
        "response": item.response or None,
        "matcher": item.matcher or None,
        "callback": item.callback or None,
        "curl": item.curl or None,
    }


def _hit(hit: CallbackHit) -> Json:
    return {
        "id": hit.id,
        "protocol": hit.protocol,
        "at": hit.at,
        "remote_address": hit.remote_address,
        "query": hit.query or None,
        "raw": hit.raw,
        "own": hit.own,
        "token": hit.token,
        "check": hit.check or None,
        "asset": hit.asset or None,
        "location": hit.location or None,
        "technique": hit.technique or None,
        "probe_sent_at": hit.probe_sent_at,
    }


def _self_test(facts: Facts) -> JsonValue:
    if facts.self_test is None:
        return None
    test = facts.self_test
    return {"http": test.http, "dns": test.dns, "detail": test.detail, "reachable": test.reachable}


def _service(service: ServiceSeen) -> Json:
    tls: JsonValue = None
    if service.tls is not None:
        tls = {
            "version": service.tls.version,
            "protocols": list(service.tls.protocols),
            "cipher": service.tls.cipher,
            "subject": service.tls.subject,
            "issuer": service.tls.issuer,
            "names": list(service.tls.names),
            "not_before": service.tls.not_before,
            "not_after": service.tls.not_after,
            "trusted": service.tls.trusted,
            "trust_error": service.tls.trust_error or None,
        }
    return {
        "asset": service.asset,
        "host": service.host,
        "address": service.address,
        "port": service.port,
        "protocol": service.protocol,
        "product": service.product or None,
        "version": service.version or None,
        "banner": service.banner or None,
        "tls": tls,
    }


def _asset_counts(facts: Facts) -> Json:
    counts = Counter(asset.type for asset in facts.assets)
    document: Json = {kind: counts[kind] for kind in ("domain", "subdomain", "ip", "sensitive_path")}
    document["total"] = len(facts.assets)
    return document


def _count(counted: CoverageCount) -> Json:
    return {
        "total": counted.total,
        "applicable": counted.applicable,
        "done": counted.done,
        "skipped": counted.skipped,
        "blocked": counted.blocked,
        "timed_out": counted.timed_out,
        "failed": counted.failed,
    }


def _coverage(coverage: Coverage) -> Json:
    alone, crowds = crowded(coverage.lines)
    return {
        "summary": {
            "text": coverage.summary,
            "tested": coverage.tested,
            "enough": coverage.enough,
            "share_tested": round(coverage.share, 4),
            "gaps": list(coverage.gaps),
            "checks": _count(coverage.total),
            "assessing_checks": _count(coverage.assessing),
        },
        "areas": [
            {
                "area": area.area,
                "title": area.title,
                "state": area.state,
                "count": _count(area.count),
                "reasons": list(area.reasons),
                "next_steps": list(area.next_steps),
            }
            for area in coverage.areas
        ],
        "checks": [
            {
                "phase": str(entry.phase),
                "check": entry.check,
                "area": entry.area,
                "asset": entry.asset,
                "outcome": str(entry.outcome),
                "applicable": entry.applicable,
                "reason": entry.reason or None,
                "requests": entry.requests,
            }
            for entry in alone
        ],
        "checks_together": [
            {
                "phase": str(crowd.phase),
                "checks": list(crowd.checks),
                "area": crowd.area,
                "assets": list(crowd.assets),
                "outcome": str(crowd.outcome),
                "applicable": crowd.applicable,
                "reason": crowd.reason or None,
                "requests": crowd.requests,
            }
            for crowd in crowds
        ],
        "phases_not_run": [str(phase) for phase in coverage.not_run],
    }


def _grade(graded: Grade) -> Json:
    return {
        "letter": graded.letter,
        "earned_by_points": graded.earned,
        "points": graded.points,
        "explanation": graded.words,
        "terms": [
            {
                "fingerprint": term.fingerprint,
                "title": term.title,
                "place": term.place,
                "severity": str(term.severity),
                "base": term.base,
                "evidence_factor": term.evidence_factor,
                "confidence": term.confidence,
                "exploitation_factor": term.exploitation_factor,
                "points": term.points,
                "step": term.bucket,
            }
            for term in graded.terms
        ],
        "steps": [
            {"step": s.bucket, "title": s.title, "added": s.added, "limit": s.limit, "total": s.total}
            for s in graded.steps
        ],
        "caps": [{"letter": cap.letter, "reason": cap.reason} for cap in graded.caps],
        "set_aside": list(graded.set_aside),
        "letter_without_decisions": graded.undecided,
    }
