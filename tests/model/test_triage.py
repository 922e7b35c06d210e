"""A decision holds as long as what it rests on, and says why it does not any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secrecon.model.codec import dump, load
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.triage import Decision, TriageState, basis_of, standing

NOW = 1_000_000.0
OLD = Evidence("version", "in range", version="2.4.49")
FOUND = Finding(
    check="cve.CVE-2021-41773",
    title="Path traversal",
    severity=Severity.HIGH,
    asset="http://a.test",
    location="Apache",
    evidence_level=EvidenceLevel.VERSION_RANGE,
    confidence=0.6,
    evidence=(OLD,),
    description="",
    impact="",
    remediation="",
    cve_id="CVE-2021-41773",
    kev=False,
)


def decided(state: TriageState, expires: float | None = None) -> Decision:
    return Decision(state, "seen by us", "ada@acme.test", 1.0, basis_of(FOUND), expires)


@pytest.mark.parametrize(
    ("state", "now_found", "why"),
    [
        (TriageState.ACCEPTED, FOUND, ""),
        (TriageState.ACCEPTED, replace(FOUND, evidence_level=EvidenceLevel.BANNER), ""),
        (
            TriageState.ACCEPTED,
            replace(FOUND, evidence_level=EvidenceLevel.BEHAVIOUR),
            "the evidence became stronger",
        ),
        (TriageState.FALSE_POSITIVE, replace(FOUND, oast_verified=True), "version range, now callback"),
        (
            TriageState.FALSE_POSITIVE,
            replace(FOUND, evidence=(replace(OLD, version="2.4.50"),)),
            "the version changed: 2.4.49, now 2.4.50",
        ),
        (TriageState.ACCEPTED, replace(FOUND, severity=Severity.CRITICAL), "the severity rose: high, now critical"),
        (TriageState.FALSE_POSITIVE, replace(FOUND, severity=Severity.CRITICAL), ""),
        (TriageState.ACCEPTED, replace(FOUND, kev=True), "known to be exploited"),
        (TriageState.FALSE_POSITIVE, replace(FOUND, kev=True), ""),
        (TriageState.IN_PROGRESS, replace(FOUND, evidence_level=EvidenceLevel.CALLBACK, kev=True), ""),
    ],
)
def test_a_decision_ends_with_its_evidence(state: TriageState, now_found: Finding, why: str) -> None:
    stands = standing(FindingStatus.OPEN, decided(state), now_found, NOW)
    assert (stands.status is FindingStatus.OPEN) == bool(why)
    assert why in stands.reopened
    assert bool(stands.reopened) == bool(why)


def test_an_acceptance_ends_at_its_date() -> None:
    accepted = decided(TriageState.ACCEPTED, NOW)
    assert standing(FindingStatus.OPEN, accepted, FOUND, NOW - 1).status is FindingStatus.ACCEPTED
    stands = standing(FindingStatus.REGRESSED, accepted, FOUND, NOW)
    assert stands.status is FindingStatus.REGRESSED
    assert stands.reopened == "the acceptance ended on 1970-01-12"


def test_what_is_fixed_is_fixed_whatever_was_decided() -> None:
    for state in TriageState:
        stands = standing(FindingStatus.FIXED, decided(state), FOUND, NOW)
        assert (stands.status, stands.reopened) == (FindingStatus.FIXED, "")


def test_a_decision_comes_back_from_storage() -> None:
    made = decided(TriageState.ACCEPTED, NOW)
    assert load(Decision, dump(made)) == made
