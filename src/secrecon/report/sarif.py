"""Findings as SARIF 2.1.0 (OASIS), the format that code hosts and dashboards read.

A rule per check with help text; a result per finding with the stable fingerprint (also under the one name that GitHub reads,
`primaryLocationLineHash`). Code hosts accept only relative or
file URIs as artifact locations, so each result's artifact is a relative path made of host and location, and the
real address is in the message, the logical location and the properties. Incomplete coverage is told by
`executionSuccessful` and notifications, never by silence.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.record import JsonValue
from secrecon.model.scan import ScanStatus
from secrecon.report.document import Report, ReportFinding
from secrecon.report.markdown import escape
from secrecon.report.risk import level_of
from secrecon.report.since import states
from secrecon.report.text import is_link

Json = dict[str, JsonValue]
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: dict[Severity, str] = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.5",
    Severity.INFO: "0.0",
}


_PRECISION = {
    EvidenceLevel.BANNER: "low",
    EvidenceLevel.VERSION_RANGE: "medium",
    EvidenceLevel.BEHAVIOUR: "high",
    EvidenceLevel.CALLBACK: "very-high",
}
MOST_TEXT, MOST_NAME = 1_000, 200
"""Characters that code hosts take of a rule's descriptions and name."""


def to_sarif(report: Report) -> bytes:
    """The report as a SARIF log with one run. What is fixed is no result; what a person closed is a suppressed one."""
    found = [
        finding
        for finding in report.facts.findings
        if finding.status is not FindingStatus.FIXED and not finding.gone
    ]
    rules = _rules(found)
    known = states(report.since)
    order = {check: index for index, check in enumerate(rules)}
    log: Json = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "SecRecon",
                        "semanticVersion": report.facts.engine_version,
                        "informationUri": "https://secrecon.dev",
                        "rules": list(rules.values()),
                    }
                },
                "automationDetails": {"id": f"secrecon/{quote(report.facts.target, safe='')}/"},
                "invocations": [_invocation(report)],
                "results": [
                    _result(finding, order[finding.check], known.get(finding.fingerprint)) for finding in found
                ],
                "columnKind": "utf16CodeUnits",
                "properties": {
                    "target": report.facts.target,
                    "risk_score": report.risk_score,
                    "report": report.facts.db_scan_id,
                },
            }
        ],
    }
    return json.dumps(log, ensure_ascii=True, allow_nan=False, indent=2).encode("ascii") + b"\n"


def _rules(findings: list[ReportFinding]) -> dict[str, JsonValue]:
    """One rule per check; findings are ordered worst first, so a check's first finding describes it."""
    rules: dict[str, JsonValue] = {}
    for finding in findings:
        if finding.check not in rules:
            rules[finding.check] = _rule(finding)
    return rules


def _rule(finding: ReportFinding) -> Json:
    told = finding.remediation or "See the finding's description."
    help_ = told + "".join(f"\n{url}" for url in finding.references)
    marked = [escape(part) for part in (finding.description, finding.impact) if part]
    marked += [f"**Fix.** {escape(told)}", "\n".join(f"- {escape(url)}" for url in finding.references)]
    score = _SCORES[finding.severity] if finding.cvss_score is None else f"{finding.cvss_score:.1f}"
    rule: Json = {
        "id": finding.check,
        "name": "".join(part[:1].upper() + part[1:] for part in _words(finding.check))[:MOST_NAME] or "Check",
        "shortDescription": {"text": _short(finding.title)},
        "fullDescription": {"text": _short(finding.description or finding.title)},
        "help": {"text": help_, "markdown": "\n\n".join(part for part in marked if part)},
        "defaultConfiguration": {"level": _LEVELS[finding.severity]},
        "properties": {
            "security-severity": score,
            "precision": _PRECISION[level_of(finding)],
            "tags": list(dict.fromkeys(["security", *(f"external/cwe/{cwe.lower()}" for cwe in finding.cwe)])),
        },
    }
    link = next((url for url in finding.references if is_link(url)), None)
    if link is not None:
        rule["helpUri"] = link
    return rule


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 3] + "..."


def _words(check: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in check).split()


def _result(finding: ReportFinding, index: int, baseline: str | None) -> Json:
    proof = "; ".join(item.summary for item in finding.evidence if item.summary)
    message = f"{finding.title} at {finding.place}." + (f" {proof}" if proof else "")
    result: Json = {
        "ruleId": finding.check,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _artifact(finding)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.place, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {
            "secreconFingerprint/v1": finding.fingerprint,
            "primaryLocationLineHash": f"{finding.fingerprint}:1",
        },
        "rank": round(finding.confidence_score * 100, 2),
        "properties": {
            "severity": str(finding.severity),
            "asset": finding.asset,
            "location": finding.location,
            "evidence_level": str(finding.evidence_level),
            "confidence_score": finding.confidence_score,
            "oast_verified": finding.oast_verified,
            "cve_id": finding.cve_id,
            "KEV_Status": finding.kev_status,
            "status": str(finding.status),
        },
    }
    if baseline is not None:
        result["baselineState"] = baseline
    if finding.set_aside:
        why = f"marked as {finding.status.replace('_', ' ')}"
        why += f": {finding.triage.reason}" if finding.triage is not None and finding.triage.reason else ""
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _artifact(finding: ReportFinding) -> str:
    """A valid relative URI reference: host, port and location with everything unusual percent-encoded."""
    host = finding.asset.split("://", 1)[-1].replace(":", "_")
    words = finding.location.split(" ")
    path = next((word for word in words if word.startswith("/")), finding.location)
    joined = f"{host.strip('/')}/{path.lstrip('/')}".rstrip("/")
    segments = [part for part in quote(joined, safe="/-._~").split("/") if part not in ("", ".", "..")]
    return "/".join(segments) or "target"


def _invocation(report: Report) -> Json:
    facts = report.facts
    whole = facts.status is ScanStatus.COMPLETE and not facts.cancelled and report.coverage.tested
    notes = [
        *(f"Not tested: {gap}" for gap in report.coverage.gaps),
        *(f"Phase not run: {phase}" for phase in report.coverage.not_run),
    ]
    invocation: Json = {
        "executionSuccessful": whole,
        "toolExecutionNotifications": [{"level": "warning", "message": {"text": note}} for note in notes],
    }
    if facts.started is not None:
        invocation["startTimeUtc"] = facts.started
    if facts.finished is not None:
        invocation["endTimeUtc"] = facts.finished
    return invocation
