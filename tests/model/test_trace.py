"""Not found means gone only where the same check ran again on the same asset, to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.model.test_triage import FOUND

from secrecon.model.asset import Technology
from secrecon.model.finding import EvidenceLevel, Finding
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanMode
from secrecon.model.trace import ledger_of, not_looked, sought

SITE = "http://a.test"
EXPOSED = replace(FOUND, check="exposure.git", location="/.git/HEAD", evidence_level=EvidenceLevel.BEHAVIOUR)
CALLED = replace(EXPOSED, check="ssrf.third-party")
PROVEN = replace(FOUND, evidence_level=EvidenceLevel.BEHAVIOUR, found_by=("cve.match", "template.cve-2021-41773"))
APACHE = Technology(SITE, "Apache", "2.4.62", "", "header Server", 0.9)
NAMELESS = replace(APACHE, version="")


def done(check: str, outcome: Outcome = Outcome.DONE, reason: str = "", asset: str = SITE) -> Attempt:
    return Attempt(PhaseName.VERIFY, check, asset, outcome, reason)


@pytest.mark.parametrize(
    ("finding", "attempts", "facts", "why"),
    [
        (EXPOSED, (done("exposure.git"),), (), ""),
        (EXPOSED, (), (), "exposure.git did not run on http://a.test"),
        (EXPOSED, (done("exposure.git", asset="http://b.test"),), (), "did not run"),
        (EXPOSED, (done("exposure.git", Outcome.TIMED_OUT, "slow"),), (), "was timed out on http://a.test: slow"),
        (CALLED, (done("ssrf.callback"),), (), ""),
        (CALLED, (done("ssrf.third-party"),), (), "ssrf.callback did not run"),
        (FOUND, (done("cve.match"),), (APACHE,), ""),
        (FOUND, (done("cve.match"),), (NAMELESS,), "Apache did not tell its version"),
        (PROVEN, (done("cve.match"),), (APACHE,), "template.cve-2021-41773 did not run"),
        (PROVEN, (done("cve.match"), done("template.cve-2021-41773")), (), ""),
    ],
)
def test_silence_and_absence(
    finding: Finding, attempts: tuple[Attempt, ...], facts: tuple[Technology, ...], why: str
) -> None:
    told = not_looked(sought(finding), ScanMode.FULL, ledger_of(ScanMode.FULL, attempts, facts))
    assert why in told
    assert bool(told) == bool(why)


def test_a_quick_scan_cannot_take_back_what_a_full_one_found() -> None:
    quick = ledger_of(ScanMode.QUICK, (done("exposure.git"), done("cve.match")), (APACHE,))
    assert "asks fewer places" in not_looked(sought(EXPOSED), ScanMode.FULL, quick)
    assert not_looked(sought(EXPOSED), ScanMode.QUICK, quick) == ""
    assert not_looked(sought(FOUND), ScanMode.FULL, quick) == ""
