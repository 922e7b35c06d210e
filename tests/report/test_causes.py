"""Root causes: findings that one change settles stand together, and nothing true of one is said of all."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from tests.report.conftest import make_finding, make_record, records

from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.record import ScanRecord
from secrecon.report import build
from secrecon.report.causes import Cause, host_of, root_causes


def causes_of(*findings: Finding) -> tuple[Cause, ...]:
    return root_causes(build(make_record(*findings)).facts.findings)


def cve(number: str, host: str, level: EvidenceLevel = EvidenceLevel.VERSION_RANGE) -> Finding:
    finding = make_finding(f"cve.{number}", Severity.HIGH, level, location="apache", cve_id=number)
    return replace(finding, asset=f"http://{host}", title=f"A flaw ({number})", remediation=f"Update for {number}.")


@given(records())
def test_every_finding_is_in_one_cause_and_the_order_stays(record: ScanRecord) -> None:
    findings = build(record).facts.findings
    causes = root_causes(findings)
    assert sorted(f.id for cause in causes for f in cause.findings) == sorted(f.id for f in findings)
    heads = [findings.index(cause.findings[0]) for cause in causes]
    assert heads == sorted(heads)
    for cause in causes:
        assert cause.severity is max((f.severity for f in cause.findings), key=lambda level: level.rank)


def test_one_check_on_many_hosts_is_one_cause() -> None:
    many = [replace(make_finding("hygiene.plain-http"), asset=f"http://h{n}.acme.test:8080") for n in range(55)]
    (cause,) = causes_of(*many)
    assert cause.times == "55 findings"
    assert cause.where == "h0.acme.test, h1.acme.test, h10.acme.test and 52 more"
    assert cause.fix == many[0].remediation


def test_titles_keep_the_words_they_share() -> None:
    base = make_finding("ssrf.callback")
    first = replace(base, title="Blind forgery requests through the query input 'url'")
    second = replace(
        base, title="Blind forgery requests through the header Referer", location="/b", remediation="x"
    )
    (cause,) = causes_of(first, second)
    assert cause.title == "Blind forgery requests"
    assert cause.fix == ""


def test_the_flaws_of_one_product_are_one_cause_and_banners_stay_apart() -> None:
    causes = causes_of(
        cve("CVE-2021-0001", "a.test"),
        cve("CVE-2021-0002", "a.test"),
        cve("CVE-2021-0003", "b.test", EvidenceLevel.BANNER),
    )
    assert [cause.title for cause in causes] == ["apache: 2 known flaws by version", "A flaw (CVE-2021-0003)"]
    assert causes[0].is_product
    assert "not verified" in causes[0].basis
    assert "may have fixed" in causes[1].basis


def test_a_path_is_no_product_and_what_was_shown_is_not_told_as_a_version() -> None:
    asked = [replace(cve(f"CVE-2021-000{n}", "a.test", EvidenceLevel.CALLBACK), location="/") for n in (1, 2)]
    assert all("by version" not in cause.title for cause in causes_of(*asked))
    mixed = causes_of(cve("CVE-2021-0001", "a.test", EvidenceLevel.BEHAVIOUR), cve("CVE-2021-0002", "a.test"))
    assert [cause.title for cause in mixed] == ["apache: 2 known flaws, 1 of them proven on the target"]


def test_a_sign_that_names_no_version_is_not_told_as_one() -> None:
    (cause,) = causes_of(make_finding("dns.takeover", level=EvidenceLevel.BANNER))
    assert "sign" in cause.basis
    assert "version" not in cause.basis


def test_other_severity_is_another_cause() -> None:
    assert (
        len(causes_of(make_finding(severity=Severity.LOW), make_finding(severity=Severity.HIGH, location="/x")))
        == 2
    )


def test_host_of_what_is_no_origin() -> None:
    assert host_of("http://shop.acme.test:8080") == "shop.acme.test"
    assert host_of("acme.test") == "acme.test"
    assert host_of("http://[::1") == "http://[::1"
