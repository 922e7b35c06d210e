"""The report as an OpenVEX 0.2.0 document: one statement per finding, about the asset (and the product on it) it was found on.

What a statement says is judged in `vex`. OpenVEX has no way to say that nothing was found: a document holds a statement at least.
"""

from __future__ import annotations

import json

from secrecon.model.errors import Conflict
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
CONTEXT = "https://openvex.dev/ns/v0.2.0"
NOTHING = "this report has no vulnerability to state, and OpenVEX cannot say that nothing was found: take cyclonedx or json"


def to_openvex(report: Report) -> bytes:
    """The whole document as JSON text. Raises Conflict where there is nothing to state."""
    facts = report.facts
    found = {finding.fingerprint: finding for finding in reversed(vulnerabilities(report))}
    if not found:
        raise Conflict(NOTHING)
    known = products(facts)
    document: Json = {
        "@context": CONTEXT,
        "@id": reference("report", f"{facts.scan_id}-{facts.version}"),
        "author": "SecRecon",
        "role": "Scanner",
        "timestamp": facts.finished or facts.created,
        "version": max(facts.version, 1),
        "tooling": f"SecRecon {facts.engine_version}",
        "statements": [_statement(finding, known) for finding in reversed(found.values())],
    }
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1).encode("ascii") + b"\n"


def _statement(finding: ReportFinding, known: dict[tuple[str, str], TechnologySeen]) -> Json:
    judged = judge(finding)
    statement: Json = {
        "@id": reference("finding", finding.fingerprint),
        "vulnerability": _vulnerability(finding),
        "timestamp": finding.last_seen,
        "products": [_product(finding, known)],
        "status": str(judged.verdict),
    }
    if judged.verdict is Verdict.NOT_AFFECTED:
        statement["impact_statement"] = judged.why
        return statement
    statement["status_notes"] = f"{finding.title} at {finding.place}. {judged.why}"
    if judged.verdict is Verdict.AFFECTED:
        accepted = "The risk is accepted; it is not going to be fixed."
        statement["action_statement"] = accepted if judged.accepted else finding.remediation or "See the report."
    return statement


def _vulnerability(finding: ReportFinding) -> Json:
    named: Json = {"name": name_of(finding), "description": finding.description or finding.title}
    link = f"https://nvd.nist.gov/vuln/detail/{finding.cve_id}"
    if finding.cve_id and is_link(link):
        named["@id"] = link
    return named


def _product(finding: ReportFinding, known: dict[tuple[str, str], TechnologySeen]) -> Json:
    product: Json = {"@id": asset_reference(finding.asset)}
    tech = known.get((finding.asset, finding.location)) if finding.cve_id else None
    if tech is not None:
        part: Json = {"@id": reference("component", f"{tech.asset} {tech.name} {tech.version}")}
        cpe = full_cpe(tech)
        if cpe:
            part["identifiers"] = {"cpe23": cpe}
        product["subcomponents"] = [part]
    return product
