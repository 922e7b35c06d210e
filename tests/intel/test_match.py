"""A version in an affected range is a lead: never more than VERSION_RANGE, and BANNER where a distribution is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from secrecon.intel.core import Core, load_core
from secrecon.intel.match import look_up, match
from secrecon.intel.versions import Scheme
from secrecon.model.asset import Technology
from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.finding import EvidenceLevel

IN_RANGE_WITH_CONDITION = confidence(Ground.VERSION, Doubt.CONDITION)
BACKPORT_WITH_CONDITION = confidence(Ground.VERSION, Doubt.BACKPORT, Doubt.CONDITION)
BACKPORT_POSSIBLE = confidence(Ground.VERSION, Doubt.BACKPORT)
IN_RANGE = confidence(Ground.VERSION)

CPE = {"apache": "cpe:2.3:a:apache:http_server", "grafana": "cpe:2.3:a:grafana:grafana"}


@pytest.fixture(scope="module")
def core() -> Core:
    return load_core()


def technology(name: str, version: str, distribution: str = "", confidence: float = 0.95) -> Technology:
    evidence = f"header server: {name}/{version}"
    return Technology("http://a.test", name, version, CPE.get(name, ""), evidence, confidence, distribution)


def test_an_affected_version_matches(core: Core) -> None:
    found = {item.cve.id: item for item in match(core, technology("grafana", "8.3.0"))}
    item = found["CVE-2021-43798"]
    assert (item.level, item.confidence) == (EvidenceLevel.VERSION_RANGE, IN_RANGE)
    assert "8.3.0 is in the affected range" in item.reason
    assert ">=8.3.0|<8.3.1" in item.reason


def test_a_condition_beside_the_version_lowers_confidence(core: Core) -> None:
    found = {item.cve.id: item for item in match(core, technology("apache", "2.4.49"))}
    assert found["CVE-2021-41773"].confidence == IN_RANGE_WITH_CONDITION
    assert "which a version does not show" in found["CVE-2021-41773"].reason


def test_a_distribution_makes_it_banner_evidence(core: Core) -> None:
    for item in match(core, technology("grafana", "8.3.0", "Debian 12")):
        assert item.level is EvidenceLevel.BANNER
        assert item.confidence == (BACKPORT_WITH_CONDITION if item.cve.needs else BACKPORT_POSSIBLE)
        assert "Debian 12, which may have backported the fix" in item.reason


def test_a_doubtful_technology_stays_doubtful(core: Core) -> None:
    assert {item.confidence for item in match(core, technology("grafana", "8.3.0", confidence=0.1))} == {0.1}


@pytest.mark.parametrize(
    ("name", "version"),
    [("grafana", "13.0.2"), ("grafana", ""), ("apache", "2.4.68"), ("apache", "2.4"), ("unheard-of", "1.0")],
)
def test_no_match_without_a_version_that_is_surely_inside(core: Core, name: str, version: str) -> None:
    assert match(core, technology(name, version)) == ()


def test_what_cannot_be_decided_is_told(core: Core) -> None:
    rough = look_up(core, technology("apache", "2.4"))
    assert rough.product is not None
    assert "CVE-2021-41773" in rough.undecided
    odd = look_up(core, technology("grafana", "8.x"))
    assert "CVE-2021-43798" in odd.undecided
    assert look_up(core, technology("unheard-of", "1.0")).product is None


def test_the_worst_comes_first(core: Core) -> None:
    ranks = [item.cve.severity.rank for item in match(core, technology("apache", "2.4.38"))]
    assert len(ranks) > 1
    assert ranks == sorted(ranks, reverse=True)


def test_the_document_says_what_the_code_does() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs" / "curated-core.md").read_text("utf-8")
    rows = [
        line for line in document.splitlines() if line.startswith("|") and ("`banner`" in line or "_range`" in line)
    ]
    stated = [float(row.split("|")[3]) for row in rows]
    assert stated == [IN_RANGE, IN_RANGE_WITH_CONDITION, BACKPORT_POSSIBLE, BACKPORT_WITH_CONDITION]
    assert " | ".join(Scheme) in document
