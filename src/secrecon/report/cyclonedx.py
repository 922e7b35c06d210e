"""The report as a CycloneDX 1.6 document (ECMA-424): a vulnerability disclosure report (VDR) with VEX analysis in it.

Products seen are components, assets are services, each finding is a vulnerability that affects one of them. What its
analysis says is judged in `vex`. Of the evidence the summary and the command that shows it again stand here; the JSON
export holds the rest.
"""

from __future__ import annotations

import json
import uuid

from secrecon.model.finding import Severity
from secrecon.model.record import JsonValue
from secrecon.report.document import Report, ReportFinding, TechnologySeen
from secrecon.report.text import is_link
from secrecon.report.vex import (
    Verdict,
    asset_reference,
    full_cpe,
    judge,
    name_of,
    products,
    reference,
    vulnerabilities,
)

Json = dict[str, JsonValue]
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_NAMES = uuid.UUID("6f9a3c52-5a0e-4d6b-9a44-1f0b2b6a7c10")
_STATES = {
    Verdict.AFFECTED: "exploitable",
    Verdict.INVESTIGATING: "in_triage",
    Verdict.NOT_AFFECTED: "false_positive",
    Verdict.FIXED: "resolved",
}
_METHODS = {"CVSS:3.0": "CVSSv3", "CVSS:3.1": "CVSSv31", "CVSS:4.0": "CVSSv4"}
TARGET = "urn:secrecon:target"


def to_cyclonedx(report: Report) -> bytes:
    """The whole document as JSON text."""
    return json.dumps(_document(report), ensure_ascii=True, allow_nan=False, indent=1).encode("ascii") + b"\n"


def _document(report: Report) -> Json:
    facts = report.facts
    found = vulnerabilities(report)
    known = products(facts)
    assets = dict.fromkeys([*(s.asset for s in facts.services), *(finding.asset for finding in found)])
    services = {asset_reference(asset): asset for asset in assets}
    components = {_component_reference(tech): tech for tech in facts.technologies}
    return {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMES, f'{facts.scan_id} {facts.version}')}",
        "version": max(facts.version, 1),
        "metadata": {
            "timestamp": facts.finished or facts.created,
            "lifecycles": [{"phase": "operations"}],
            "tools": {"components": [{"type": "application", "name": "SecRecon", "version": facts.engine_version}]},
            "component": {"type": "application", "bom-ref": TARGET, "name": facts.subject},
            "properties": _properties(
                ("risk_score", report.risk_score),
                ("coverage", report.coverage.summary),
                *(("not_tested", gap) for gap in report.coverage.gaps),
                ("scan_id", facts.scan_id),
                ("db_scan_id", str(facts.db_scan_id)),
            ),
        },
        "components": [_component(ref, tech) for ref, tech in components.items()],
        "services": [_service(ref, asset) for ref, asset in services.items()],
        "vulnerabilities": [_vulnerability(finding, known) for finding in _each_once(found)],
    }


def _each_once(found: tuple[ReportFinding, ...]) -> list[ReportFinding]:
    """Findings by fingerprint, which names them in the document."""
    return list({finding.fingerprint: finding for finding in reversed(found)}.values())[::-1]


def _properties(*pairs: tuple[str, str]) -> list[JsonValue]:
    return [{"name": f"secrecon:{name}", "value": value} for name, value in pairs if value]


def _component_reference(tech: TechnologySeen) -> str:
    return reference("component", f"{tech.asset} {tech.name} {tech.version}")


def _component(ref: str, tech: TechnologySeen) -> Json:
    component: Json = {"type": "application", "bom-ref": ref, "name": tech.name or "unnamed"}
    if tech.version:
        component["version"] = tech.version
    cpe = full_cpe(tech)
    if cpe:
        component["cpe"] = cpe
    component["properties"] = _properties(
        ("asset", tech.asset), ("read_from", tech.evidence), ("distribution", tech.distribution)
    )
    return component


def _service(ref: str, asset: str) -> Json:
    service: Json = {"bom-ref": ref, "name": asset or "unnamed"}
    if is_link(asset):
        service["endpoints"] = [asset]
    return service


def _vulnerability(finding: ReportFinding, known: dict[tuple[str, str], TechnologySeen]) -> Json:
    product = known.get((finding.asset, finding.location)) if finding.cve_id else None
    ref = asset_reference(finding.asset) if product is None else _component_reference(product)
    links = [url for url in dict.fromkeys(finding.references) if is_link(url)]
    entry: Json = {
        "bom-ref": reference("finding", finding.fingerprint),
        "id": name_of(finding),
        "source": _source(finding),
        "ratings": [_rating(finding)],
        "description": finding.title,
        "detail": finding.description,
        "recommendation": finding.remediation,
        "analysis": _analysis(finding),
        "affects": [{"ref": ref}],
        "properties": _properties(
            ("asset", finding.asset),
            ("location", finding.location),
            ("evidence_level", str(finding.evidence_level)),
            ("confidence_score", f"{finding.confidence_score:.2f}"),
            ("oast_verified", "true" if finding.oast_verified else "false"),
            ("KEV_Status", finding.kev_status or ""),
            ("epss", "" if finding.epss is None else f"{finding.epss:.5f}"),
            ("status", str(finding.status)),
            ("fingerprint", finding.fingerprint),
        ),
    }
    cwes = sorted({int(cwe[4:]) for cwe in finding.cwe if cwe[:4] == "CWE-" and _number(cwe[4:])})
    if cwes:
        entry["cwes"] = [*cwes]
    if links:
        entry["advisories"] = [{"url": url} for url in links]
    steps = next((item.curl for item in finding.evidence if item.curl), "")
    if steps:
        proof = "; ".join(item.summary for item in finding.evidence if item.summary)
        entry["proofOfConcept"] = {"reproductionSteps": steps, "environment": proof}
    return entry


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0


def _source(finding: ReportFinding) -> Json:
    if finding.cve_id is None:
        return {"name": "SecRecon"}
    url = f"https://nvd.nist.gov/vuln/detail/{finding.cve_id}"
    return {"name": "NVD", "url": url} if is_link(url) else {"name": "NVD"}


def _rating(finding: ReportFinding) -> Json:
    rating: Json = {
        "source": {"name": finding.threat.cvss_provider or "SecRecon"},
        "severity": str(finding.severity),
    }
    if finding.cvss_score is not None:
        rating["score"] = finding.cvss_score
        rating["method"] = _METHODS.get((finding.cvss_vector or "")[:8], "other")
        if finding.cvss_vector:
            rating["vector"] = finding.cvss_vector
    return rating


def _analysis(finding: ReportFinding) -> Json:
    judged = judge(finding)
    analysis: Json = {"detail": judged.why, "firstIssued": finding.first_seen, "lastUpdated": finding.last_seen}
    weakness = finding.cve_id is None and finding.severity is Severity.LOW
    if judged.verdict is not Verdict.AFFECTED or not weakness:  # a missing header is shown, but exploits nothing
        analysis["state"] = _STATES[judged.verdict]
    if judged.accepted:
        analysis["response"] = ["will_not_fix"]
    return analysis
