"""What people decide about a finding, and how long a decision holds.

A decision rests on the evidence that its maker saw. It ends by itself when that evidence becomes stronger or speaks of another
version, and an accepted risk also when it runs out or becomes more serious. Nothing is lost then: the finding is open again and
says why. Pure; docs/triage.md tells the rules to users.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from secrecon.model.finding import EvidenceLevel, Finding, FindingStatus, Severity


class TriageState(StrEnum):
    """What can be decided. OPEN takes an earlier decision back."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    FALSE_POSITIVE = "false_positive"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Basis:
    """What was known when somebody decided. `versions`: those that the evidence names, sorted."""

    level: EvidenceLevel
    severity: Severity
    kev: bool
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Who (`by`) decided what, when and why. `expires`: end of an accepted risk; times in epoch seconds."""

    state: TriageState
    reason: str
    by: str
    at: float
    basis: Basis
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a finding stands now. `reopened`: why a decision does not hold any more, "" where it does or none was made."""

    status: FindingStatus
    reopened: str = ""


def basis_of(finding: Finding) -> Basis:
    """What a decision about `finding` rests on."""
    level = EvidenceLevel.CALLBACK if finding.oast_verified else finding.evidence_level
    versions = tuple(sorted({item.version for item in finding.evidence if item.version}))
    return Basis(level, finding.severity, bool(finding.kev), versions)


def reopened(decision: Decision, finding: Finding, now: float) -> str:
    """Why `decision` does not hold any more for what `finding` has become; "" while it holds."""
    then, today = decision.basis, basis_of(finding)
    if decision.state is TriageState.ACCEPTED and decision.expires is not None and now >= decision.expires:
        return f"the acceptance ended on {_day(decision.expires)}"
    if decision.state not in (TriageState.ACCEPTED, TriageState.FALSE_POSITIVE):
        return ""
    if today.level.rank > then.level.rank:
        return f"the evidence became stronger: {_words(then.level)}, now {_words(today.level)}"
    if today.versions != then.versions and (today.versions or then.versions):
        return f"the version changed: {_listed(then.versions)}, now {_listed(today.versions)}"
    if decision.state is TriageState.ACCEPTED and today.severity.rank > then.severity.rank:
        return f"the severity rose: {then.severity}, now {today.severity}"
    if decision.state is TriageState.ACCEPTED and today.kev and not then.kev:
        return "the flaw is now known to be exploited (CISA KEV)"
    return ""


def standing(seen: FindingStatus, decision: Decision | None, finding: Finding, now: float) -> Standing:
    """Where a finding stands: `seen` is what scans say of it (new, open, fixed or regressed)."""
    if decision is None or decision.state is TriageState.OPEN or seen is FindingStatus.FIXED:
        return Standing(seen)
    why = reopened(decision, finding, now)
    if why:
        return Standing(FindingStatus.REGRESSED if seen is FindingStatus.REGRESSED else FindingStatus.OPEN, why)
    return Standing(FindingStatus(decision.state.value))


def _words(level: EvidenceLevel) -> str:
    return str(level).replace("_", " ")


def _listed(versions: tuple[str, ...]) -> str:
    return ", ".join(versions) or "none named"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
