"""The grade never improves by bad news and never worsens by more testing, and its arithmetic adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import ALL_DONE, SHOP, entry, findings, make_finding, make_record, records, with_callback

from secrecon.model.finding import EvidenceLevel, Finding, FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanStatus
from secrecon.report import build
from secrecon.report.grade import LETTERS


def rank(record: ScanRecord) -> tuple[int, float]:
    graded = build(record).grade
    return LETTERS.index(graded.letter), graded.points


def worse_variants(finding: Finding) -> list[Finding]:
    """Every way to make one finding one notch worse."""
    variants = [replace(finding, confidence=1.0)]
    if finding.severity is not Severity.CRITICAL:
        variants.append(replace(finding, severity=list(Severity)[list(Severity).index(finding.severity) - 1]))
    if finding.evidence_level is not EvidenceLevel.CALLBACK:
        variants.append(replace(finding, evidence_level=list(EvidenceLevel)[finding.evidence_level.rank + 1]))
        variants.append(replace(finding, oast_verified=True))
    if finding.cve_id is not None:
        variants.append(replace(finding, kev=True))
        variants.append(replace(finding, epss=1.0))
        variants.append(replace(finding, epss=min(1.0, (finding.epss or 0.0) + 0.2)))
    return variants


@given(records(), findings())
def test_another_finding_never_improves_it(record: ScanRecord, extra: Finding) -> None:
    assert rank(replace(record, findings=(*record.findings, entry(extra, 1_000)))) >= rank(record)


@given(records(), findings(), st.data())
def test_a_worse_finding_never_improves_it(record: ScanRecord, finding: Finding, data: st.DataObject) -> None:
    worse = data.draw(st.sampled_from(worse_variants(finding)))
    before = replace(record, findings=(*record.findings, entry(finding, 1_000)))
    after = replace(record, findings=(*record.findings, entry(worse, 1_000)))
    assert rank(after) >= rank(before)


@given(records(), st.data())
def test_more_coverage_never_worsens_it(record: ScanRecord, data: st.DataObject) -> None:
    attempts = list(record.attempts)
    choice = data.draw(st.sampled_from(["finish", "add", "reach", "phases", "uncancel", "feeds"]))
    if choice == "finish" and attempts:
        index = data.draw(st.integers(0, len(attempts) - 1))
        attempts[index] = replace(attempts[index], outcome=Outcome.DONE, reason="")
    if choice == "add":
        attempts.append(Attempt(PhaseName.VERIFY, "exposure.svn", f"{SHOP}0", Outcome.DONE))
    after = replace(record, attempts=tuple(attempts))
    if choice == "reach":
        after = replace(after, self_test=make_record().self_test)
    if choice == "phases":
        after = replace(after, not_run=())
    if choice == "uncancel":
        after = replace(after, cancelled=False, status=ScanStatus.COMPLETE)
    if choice == "feeds":
        after = replace(after, engine=make_record().engine)
    assert rank(after) <= rank(record)


@given(records(), st.randoms(use_true_random=False))
def test_order_makes_no_difference(record: ScanRecord, random: object) -> None:
    def shuffled(items: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(random.sample(items, len(items)))  # type: ignore[attr-defined]

    mixed = replace(
        record,
        findings=shuffled(record.findings),  # type: ignore[arg-type]
        attempts=shuffled(record.attempts),  # type: ignore[arg-type]
        facts=shuffled(record.facts),  # type: ignore[arg-type]
        interactions=shuffled(record.interactions),  # type: ignore[arg-type]
    )
    assert build(mixed) == build(record)


@given(records())
def test_the_arithmetic_adds_up(record: ScanRecord) -> None:
    graded = build(record).grade
    assert len(graded.terms) == len(build(record).facts.counted)
    total = 0
    for step in graded.steps:
        added = sum(round(t.points * 100) for t in graded.terms if t.bucket == step.bucket)
        assert round(step.added * 100) == added
        total += added
        if step.limit is not None:
            total = min(total, round(step.limit * 100))
        assert round(step.total * 100) == total
    assert round(graded.points * 100) == total
    for term in graded.terms:
        exact = term.base * term.evidence_factor * term.confidence * term.exploitation_factor
        assert term.points == pytest.approx(exact, abs=0.0051)
    assert graded.letter == max([graded.earned, *(cap.letter for cap in graded.caps)], key=LETTERS.index)


def test_a_whole_scan_without_findings_is_an_a() -> None:
    graded = build(make_record()).grade
    assert (graded.letter, graded.points, graded.caps) == ("A", 0.0, ())


def test_a_proven_ssrf_is_an_f() -> None:
    assert build(with_callback(make_record())).risk_score == "F"


def test_version_banners_alone_are_never_worse_than_c() -> None:
    many = [
        make_finding(
            f"cve.CVE-2020-{n}", Severity.CRITICAL, EvidenceLevel.BANNER, 0.9, cve_id=f"CVE-2020-{n}", kev=True
        )
        for n in range(1_000, 1_040)
    ]
    assert build(make_record(*many)).risk_score == "C"


def test_versions_in_range_alone_are_never_worse_than_d() -> None:
    many = [
        make_finding(
            f"cve.CVE-2020-{n}",
            Severity.CRITICAL,
            EvidenceLevel.VERSION_RANGE,
            1.0,
            cve_id=f"CVE-2020-{n}",
            kev=True,
        )
        for n in range(1_000, 1_060)
    ]
    banners = [replace(finding, evidence_level=EvidenceLevel.BANNER, location="/b") for finding in many]
    headers = [make_finding("hygiene.csp-missing", Severity.LOW, location=str(n)) for n in range(40)]
    graded = build(make_record(*many, *banners, *headers)).grade
    assert (graded.letter, graded.points) == ("D", 45.0)


@given(st.lists(findings(), max_size=12))
def test_nothing_but_proof_makes_an_f(drawn: list[Finding]) -> None:
    unproven = [
        replace(finding, evidence_level=EvidenceLevel.VERSION_RANGE, oast_verified=False)
        if finding.evidence_level.rank > EvidenceLevel.VERSION_RANGE.rank or finding.oast_verified
        else finding
        for finding in drawn
    ]
    assert build(make_record(*unproven)).grade.letter != "F"


def test_missing_headers_alone_are_never_worse_than_b() -> None:
    many = [make_finding("hygiene.csp-missing", Severity.LOW, location=str(n)) for n in range(40)]
    assert build(make_record(*many)).risk_score == "B"


@pytest.mark.parametrize("status", [FindingStatus.FALSE_POSITIVE, FindingStatus.FIXED])
def test_what_is_closed_weighs_nothing(status: FindingStatus) -> None:
    record = make_record()
    report = build(replace(record, findings=(entry(make_finding(severity=Severity.CRITICAL), 1, status),)))
    assert (report.risk_score, report.grade.terms) == ("A", ())


def test_what_is_set_aside_is_not_counted_and_told() -> None:
    record = make_record()
    accepted = entry(make_finding(severity=Severity.CRITICAL), 1, FindingStatus.ACCEPTED)
    false = entry(make_finding(location="/x"), 2, FindingStatus.FALSE_POSITIVE)
    graded = build(replace(record, findings=(accepted, false))).grade
    assert (graded.letter, graded.points, graded.undecided) == ("A", 0.0, "F")
    assert set(graded.set_aside) == {accepted.finding.fingerprint, false.finding.fingerprint}
    assert (
        "1 accepted risk and 1 false positive are not counted, by decision; counted, it would be F." in graded.words
    )


@given(records(), findings())
def test_a_decision_never_hides_what_it_leaves_out(record: ScanRecord, extra: Finding) -> None:
    """Setting a finding aside gives the letter of a scan without it, and the letter with it is told beside."""
    with_it = replace(record, findings=(*record.findings, entry(extra, 1_000, FindingStatus.OPEN)))
    aside = replace(record, findings=(*record.findings, entry(extra, 1_000, FindingStatus.ACCEPTED)))
    told = build(aside).grade
    assert told.points == build(record).grade.points
    assert told.letter == build(record).grade.letter
    if not any(finding.set_aside for finding in build(record).facts.findings):
        assert told.undecided == build(with_it).grade.letter


def test_ssrf_that_could_not_be_tested_caps_at_b() -> None:
    reason = "the target is not authorized for active checks"
    skipped = Attempt(PhaseName.OAST, "ssrf.callback", SHOP, Outcome.SKIPPED, reason)
    report = build(replace(make_record(), attempts=(*ALL_DONE[:-1], skipped)))
    assert report.risk_score == "B"
    assert "B at best: SSRF could not be tested" in report.grade.words
    assert reason in report.grade.words


def test_a_listener_that_nobody_can_reach_caps_at_b() -> None:
    assert build(replace(make_record(), self_test=None)).risk_score == "B"


def test_an_unreachable_target_is_a_d_that_says_so() -> None:
    record = replace(make_record(), facts=(), self_test=None, attempts=(
        Attempt(PhaseName.RESOLVE, "resolve.addresses", "shop.acme.test", Outcome.FAILED, "the name does not resolve"),
    ))  # fmt: skip
    report = build(record)
    assert report.risk_score == "D"
    assert "nothing could be tested" in report.grade.words
    assert report.grade.earned == "A"


@pytest.mark.parametrize(
    "change",
    [
        {"cancelled": True},
        {"status": ScanStatus.ERROR},
        {"status": ScanStatus.RUNNING},
        {"not_run": (PhaseName.OAST,)},
    ],
)
def test_a_scan_that_did_not_end_caps_at_c(change: dict[str, object]) -> None:
    assert build(replace(make_record(), **change)).risk_score == "C"  # type: ignore[arg-type]


def test_an_area_that_did_not_run_caps_at_b() -> None:
    without = tuple(a for a in ALL_DONE if not a.check.startswith("exposure."))
    report = build(replace(make_record(), attempts=without))
    assert report.risk_score == "B"
    assert "Exposed files" in report.grade.words


def test_thin_coverage_caps_at_c() -> None:
    attempts = tuple(
        a if a.check in ("exposure.git", "probe.web") else replace(a, outcome=Outcome.TIMED_OUT, reason="slow")
        for a in ALL_DONE
    )
    assert build(replace(make_record(), attempts=attempts)).risk_score == "C"


def test_what_does_not_apply_costs_nothing() -> None:
    extra = Attempt(PhaseName.MATCH, "tls.expired", SHOP, Outcome.SKIPPED, "not applicable: plain http")
    assert build(replace(make_record(), attempts=(*ALL_DONE, extra))).risk_score == "A"


def test_no_vulnerability_data_caps_at_b() -> None:
    record = make_record()
    assert build(replace(record, engine=replace(record.engine, feeds=()))).risk_score == "B"
