"""The risk number of one finding: what it adds to the grade, with every factor named and the date of the data behind it.

points = base (severity) x evidence x confidence x exploitation, in whole hundredths so that sums are exact. Exploitation is
what is known of attacks on the CVE: in CISA's catalogue, or likely by EPSS. Each factor only ever rises with what is worse.
docs/grade.md has the tables.
"""

from __future__ import annotations

from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.report.document import ReportFinding

BASE = {
    Severity.CRITICAL: 100,
    Severity.HIGH: 50,
    Severity.MEDIUM: 15,
    Severity.LOW: 3,
    Severity.INFO: 0,
}
EVIDENCE_PERCENT = {
    EvidenceLevel.BANNER: 30,
    EvidenceLevel.VERSION_RANGE: 60,
    EvidenceLevel.BEHAVIOUR: 100,
    EvidenceLevel.CALLBACK: 125,
}
KEV_PERCENT = 150
LIKELY = ((0.5, 125), (0.1, 110))
"""EPSS score from which on, and the factor in percent."""


def level_of(finding: ReportFinding) -> EvidenceLevel:
    """The evidence level that counts: a verified callback is one whatever the finding calls itself."""
    return EvidenceLevel.CALLBACK if finding.oast_verified else finding.evidence_level


def exploitation(finding: ReportFinding) -> int:
    """The factor for what is known of attacks, in percent."""
    if finding.is_kev:
        return KEV_PERCENT
    return next((percent for floor, percent in LIKELY if (finding.epss or 0.0) >= floor), 100)


def weight(finding: ReportFinding) -> int:
    """What a finding adds, in hundredths of a point."""
    confidence = round(finding.confidence_score * 100)
    product = BASE[finding.severity] * EVIDENCE_PERCENT[level_of(finding)] * confidence * exploitation(finding)
    return (product + 5_000) // 10_000


def arithmetic(finding: ReportFinding) -> str:
    """The sum in one line, each factor with its reason and the date of its data."""
    threat = finding.threat
    base = f"{finding.severity}"
    if finding.cvss_score is not None:
        by = f" by {threat.cvss_provider}" if threat.cvss_provider else ""
        base += f", CVSS {finding.cvss_score:g}{by}{_as_of(threat.cvss_date)}"
    level = level_of(finding)
    return (
        f"{BASE[finding.severity]} ({base}) x {EVIDENCE_PERCENT[level] / 100:.2f} ({str(level).replace('_', ' ')}) x "
        f"{finding.confidence_score:.2f} (confidence) x {exploitation(finding) / 100:.2f} ({_attacks(finding)}) = "
        f"{weight(finding) / 100:.2f}"
    )


def _attacks(finding: ReportFinding) -> str:
    threat = finding.threat
    if finding.is_kev:
        ransom = ", used by ransomware" if threat.kev_ransomware else ""
        since = f" since {threat.kev_added}" if threat.kev_added else ""
        return f"exploited{since}{ransom}, KEV{_as_of(threat.kev_date)}"
    if finding.epss is not None:
        return f"EPSS {finding.epss:.3f}{_as_of(threat.epss_date)}"
    return "no data on attacks" if finding.cve_id else "no CVE"


def _as_of(date: str) -> str:
    return f" of {date}" if date else ""
