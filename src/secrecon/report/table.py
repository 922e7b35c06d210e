"""Findings as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that a spreadsheet could take for a formula (it begins with `=`, `+`, `-`, `@`, a tab, or their full-width
forms) gets a leading apostrophe, which spreadsheets show as text. Numbers are ours and stay numbers.
"""

from __future__ import annotations

import csv
import io

from secrecon.report.document import Report, ReportFinding

COLUMNS = (
    "id",
    "severity",
    "title",
    "asset",
    "location",
    "cve_id",
    "KEV_Status",
    "confidence_score",
    "evidence_level",
    "oast_verified",
    "cvss",
    "epss",
    "ssvc",
    "status",
    "first_seen",
    "check",
    "cwe",
    "fingerprint",
    "evidence",
    "remediation",
    "references",
)
_FORMULA = frozenset("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")


def to_csv(report: Report) -> bytes:
    """One line per finding under a line of column names; UTF-8 with a byte order mark, so that Excel reads it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    writer.writerows(_row(finding) for finding in report.facts.findings)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8")


def _row(finding: ReportFinding) -> list[str]:
    cells = {
        "severity": str(finding.severity),
        "title": finding.title,
        "asset": finding.asset,
        "location": finding.location,
        "cve_id": finding.cve_id or "",
        "KEV_Status": finding.kev_status or "",
        "evidence_level": str(finding.evidence_level),
        "ssvc": finding.ssvc or "",
        "status": str(finding.status),
        "first_seen": finding.first_seen,
        "check": finding.check,
        "cwe": " ".join(finding.cwe),
        "fingerprint": finding.fingerprint,
        "evidence": " | ".join(item.summary for item in finding.evidence),
        "remediation": finding.remediation,
        "references": " ".join(finding.references),
    }
    numbers = {
        "id": str(finding.id),
        "confidence_score": f"{finding.confidence_score:.2f}",
        "oast_verified": "true" if finding.oast_verified else "false",
        "cvss": "" if finding.cvss_score is None else f"{finding.cvss_score:.1f}",
        "epss": "" if finding.epss is None else f"{finding.epss:.5f}",
    }
    return [numbers[name] if name in numbers else inert(cells[name]) for name in COLUMNS]


def inert(cell: str) -> str:
    """A cell that no spreadsheet evaluates."""
    return "'" + cell if cell.lstrip(" ")[:1] in _FORMULA and cell.strip(" ") else cell
