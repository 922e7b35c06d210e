"""How to check that a finding is mended: the command that showed it, or a retest, and what must be different then. Pure.

A retest or a scan is the measure; a command alone shows one request and no more.
"""

from __future__ import annotations

from secrecon.model.finding import EvidenceLevel
from secrecon.report.document import ReportFinding

AGAIN = "Then retest the finding or scan again: fixed means that everything that found it ran again and did not find it."


def check_the_fix(finding: ReportFinding) -> str:
    """What to do after the fix, in words."""
    if finding.evidence_level in (EvidenceLevel.BANNER, EvidenceLevel.VERSION_RANGE) and not finding.oast_verified:
        version = "Ask the host itself (its package manager) for the installed version: it must be one that is not affected."
        return f"{version} {AGAIN}"
    if finding.oast_verified or finding.evidence_level is EvidenceLevel.CALLBACK:
        return f"Send the replay command with a callback address of your own: nothing may call it, not even later. {AGAIN}"
    if any(item.curl for item in finding.evidence):
        return f"Run the replay command: its answer must not show what the evidence names any more. {AGAIN}"
    return AGAIN.removeprefix("Then ").capitalize()
