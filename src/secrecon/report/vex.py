"""What a finding lets us say as exploitability exchange (VEX). CycloneDX and OpenVEX both write what is judged here.

Honest by rule: a version that matches is under investigation, never affected; what the target showed or a callback proved is
affected. A person's word counts as theirs: a false positive is "not affected" with the person's statement, an accepted risk stays
what the evidence says and will not be fixed. Notes (severity info) are no vulnerabilities and are left out. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.report.causes import BASIS
from secrecon.report.document import Facts, Report, ReportFinding, TechnologySeen
from secrecon.report.risk import level_of
from secrecon.report.text import is_link


class Verdict(StrEnum):
    """The four states of OpenVEX 0.2.0."""

    AFFECTED = "affected"
    INVESTIGATING = "under_investigation"
    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, what it rests on in words, and whether a person accepted the risk."""

    verdict: Verdict
    why: str
    accepted: bool


def vulnerabilities(report: Report) -> tuple[ReportFinding, ...]:
    """The findings that are vulnerabilities or weaknesses, worst first."""
    return tuple(finding for finding in report.facts.findings if finding.severity is not Severity.INFO)


def judge(finding: ReportFinding) -> Judgement:
    """What can be said of a finding, and why."""
    level = level_of(finding)
    basis = BASIS[level]
    known = f"{basis[:1].upper()}{basis[1:]}; confidence {finding.confidence_score:.2f}."
    accepted = finding.status is FindingStatus.ACCEPTED
    decided = finding.triage
    reason = decided.reason if decided is not None and decided.holds else ""
    said = f": {reason}" if reason else ""
    if accepted:
        until = f" until {decided.expires[:10]}" if decided is not None and decided.expires else ""
        known += f" The risk was accepted by a person{until}{said or '.'}"
    if finding.status is FindingStatus.FIXED or finding.gone:
        return Judgement(Verdict.FIXED, "The same check ran again and did not find it.", False)
    if finding.status is FindingStatus.FALSE_POSITIVE:
        why = f"Marked as a false positive by a person{said or '.'} What the scan had: {basis}."
        return Judgement(Verdict.NOT_AFFECTED, why, False)
    if level.rank >= EvidenceLevel.BEHAVIOUR.rank:
        return Judgement(Verdict.AFFECTED, known, accepted)
    return Judgement(Verdict.INVESTIGATING, known, accepted)


def name_of(finding: ReportFinding) -> str:
    """The CVE, or a name of ours for what has none: `SECRECON-` and the check."""
    return finding.cve_id or f"SECRECON-{finding.check}"


def reference(kind: str, text: str) -> str:
    """A URN for something of a report: stable, and plain whatever the text is."""
    plain = quote(text, safe="-._~")
    if len(plain) > 200:
        plain = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"urn:secrecon:{kind}:{plain or 'unnamed'}"


def asset_reference(asset: str) -> str:
    """An asset as an IRI: its address where it is one."""
    return asset if is_link(asset) else reference("asset", asset)


def products(facts: Facts) -> dict[tuple[str, str], TechnologySeen]:
    """The technologies by asset and name, as CVE findings name them in their location."""
    return {(tech.asset, tech.name): tech for tech in reversed(facts.technologies)}


def full_cpe(tech: TechnologySeen) -> str:
    """The CPE 2.3 name of a product with its version; "" where either is unknown or cannot be written as one."""
    if not tech.version or tech.cpe.count(":") != 4 or not tech.cpe.startswith("cpe:2.3:"):
        return ""
    parts = tech.cpe.split(":")
    version = _quoted(tech.version)
    if not version or any(not _plain(part) for part in parts[3:]):
        return ""
    return f"{tech.cpe}:{version}:*:*:*:*:*:*:*"


def _quoted(version: str) -> str:
    out = []
    for character in version:
        if character.isascii() and (character.isalnum() or character in "-._"):
            out.append(character)
        elif character in "+~":
            out.append("\\" + character)
        else:
            return ""
    return "".join(out)


def _plain(part: str) -> bool:
    return bool(part) and all(c.isascii() and (c.isalnum() or c in "-._") for c in part)
