"""The match step: findings that say what they are, and a ledger that says what could not be looked up."""

from __future__ import annotations

import dataclasses

import pytest
from tests.engine.conftest import make_spec

from secrecon.engine.phases.match import CHECK, NO_TECHNOLOGY, MatchPhase
from secrecon.engine.view import ScanView
from secrecon.intel.aliases import load_aliases
from secrecon.intel.core import load_core
from secrecon.intel.knowledge import Knowledge
from secrecon.model.asset import Fact, Service, Technology
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.interaction import Payload
from secrecon.model.scan import Attempt, Outcome
from secrecon.model.target import Origin

ORIGIN = Origin("http", "127.0.0.1", 8080)
ASSET = str(ORIGIN)
SERVICE = Service("127.0.0.1", "127.0.0.1", 8080, "http", ORIGIN)


def no_listener(*, check: str, asset: str, location: str, technique: str, first: str = "") -> Payload | None:
    return None


def judged(*facts: Fact) -> tuple[dict[str, Finding], Attempt]:
    view = ScanView(make_spec(ASSET), no_listener)
    view.add((SERVICE, *facts), (), ())
    phase = MatchPhase(lambda: Knowledge(load_core(), load_aliases()))
    assert list(phase.plan(view, 0)) == []
    items = list(phase.judge(view, 0, ()))
    (attempt,) = [item for item in items if isinstance(item, Attempt)]
    assert [(CHECK, ASSET)] == list(phase.checks(view)) == [(attempt.check, attempt.asset)]
    return {item.check: item for item in items if isinstance(item, Finding)}, attempt


def seen(name: str, version: str, distribution: str = "", cpe: str = "") -> Technology:
    return Technology(ASSET, name, version, cpe, f"header server: {name}/{version}", 0.95, distribution)


def test_an_affected_version_is_a_finding_that_claims_no_proof() -> None:
    findings, attempt = judged(seen("apache", "2.4.49"))
    finding = findings["cve.CVE-2021-41773"]
    assert (finding.asset, finding.location, finding.cve_id) == (ASSET, "apache", "CVE-2021-41773")
    assert finding.evidence_level is EvidenceLevel.VERSION_RANGE
    assert finding.severity is Severity.CRITICAL
    assert (finding.cvss_score, finding.kev, finding.kev_status) == (9.8, True, "Active_Exploit")
    assert finding.epss is None
    assert not finding.oast_verified
    assert "not verified" in finding.description
    assert "in the affected range" in finding.evidence[0].summary
    assert "2.4.49" in finding.evidence[0].matcher
    assert finding.remediation
    assert finding.references
    assert "listed it as exploited since 2021-11-03" in finding.description
    assert attempt.outcome is Outcome.DONE


def test_the_mended_version_is_none() -> None:
    findings, attempt = judged(seen("apache", "2.4.68"))
    assert findings == {}
    assert (attempt.outcome, attempt.reason) == (Outcome.DONE, "")


def test_a_distribution_makes_it_possible_only() -> None:
    findings, _ = judged(seen("nginx", "1.18.0", "Ubuntu"))
    finding = findings["cve.CVE-2021-23017"]
    assert finding.title.startswith("Possible, by its version: ")
    assert finding.evidence_level is EvidenceLevel.BANNER
    assert finding.confidence <= 0.3
    assert finding.severity is Severity.HIGH
    assert "Ubuntu ships this version with its own fixes" in finding.description
    plain, _ = judged(seen("nginx", "1.18.0"))
    assert plain["cve.CVE-2021-23017"].confidence > finding.confidence
    assert plain["cve.CVE-2021-23017"].fingerprint == finding.fingerprint


def test_an_unknown_version_is_no_finding_but_a_line_in_the_ledger() -> None:
    findings, attempt = judged(seen("nginx", ""))
    assert findings == {}
    assert (attempt.outcome, attempt.reason) == (Outcome.SKIPPED, "version unknown: nginx (3 CVEs are candidates)")


def test_a_versioned_sighting_covers_an_unversioned_one() -> None:
    _, attempt = judged(seen("nginx", ""), seen("nginx", "1.30.4"))
    assert (attempt.outcome, attempt.reason) == (Outcome.DONE, "")


def test_a_rough_version_is_told() -> None:
    """Nothing could be decided, so it is not done; with something decided beside it, it is, and says what is not."""
    findings, attempt = judged(seen("apache", "2.4"))
    assert findings == {}
    assert attempt.outcome is Outcome.SKIPPED
    assert "too rough to place against CVE-2019-0211" in attempt.reason
    _, attempt = judged(seen("apache", "2.4"), seen("nginx", "1.30.4"))
    assert attempt.outcome is Outcome.DONE
    assert "too rough to place against CVE-2019-0211" in attempt.reason


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((), NO_TECHNOLOGY),
        ((seen("caddy", "2.0.0"),), "the curated core has no record of caddy"),
        ((seen("caddy", ""),), NO_TECHNOLOGY),
    ],
)
def test_what_the_core_does_not_know_is_not_clean(facts: tuple[Fact, ...], reason: str) -> None:
    findings, attempt = judged(*facts)
    assert findings == {}
    assert (attempt.outcome, attempt.reason) == (Outcome.SKIPPED, reason)


def test_two_versions_of_one_library_are_one_finding_with_the_stronger_evidence() -> None:
    findings, _ = judged(seen("jquery", "1.12.4", "Debian"), seen("jquery", "3.4.1"))
    assert findings["cve.CVE-2020-11023"].evidence_level is EvidenceLevel.VERSION_RANGE
    assert findings["cve.CVE-2015-9251"].evidence_level is EvidenceLevel.BANNER


def test_a_technology_of_another_source_is_known_by_its_cpe() -> None:
    other = dataclasses.replace(seen("Apache httpd", "2.4.49"), cpe="cpe:2.3:a:apache:http_server")
    findings, _ = judged(other)
    assert findings["cve.CVE-2021-41773"].location == "Apache httpd"


def test_what_a_greeting_told_is_shown_again_by_a_greeting() -> None:
    view = ScanView(make_spec(ASSET), no_listener)
    exim = Technology("mail.acme.test:2525", "exim", "4.91", "cpe:2.3:a:exim:exim", "greeting: 220 Exim 4.91", 0.95)
    view.add((exim,), (), ())
    found = MatchPhase(lambda: Knowledge(load_core(), load_aliases())).judge(view, 0, ())
    finding = next(item for item in found if isinstance(item, Finding) and item.cve_id == "CVE-2019-10149")
    assert (finding.asset, finding.location) == ("mail.acme.test:2525", "exim")
    assert finding.evidence[0].curl == "nc -w 3 mail.acme.test 2525 < /dev/null"
