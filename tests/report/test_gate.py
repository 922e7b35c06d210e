"""Exit codes: found outranks untested, untested outranks clean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import ALL_DONE, entry, make_finding, make_record, records

from secrecon.model.errors import BadInput
from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import FailOn, build, exit_code, parse_fail_on


@pytest.mark.parametrize("text", ["critical", "high", "medium", "low", "KEV", " grade:c ", "grade:F"])
def test_thresholds_that_exist(text: str) -> None:
    chosen = parse_fail_on(text)
    assert sum([chosen.severity is not None, chosen.kev, bool(chosen.grade)]) == 1


@pytest.mark.parametrize("text", ["", "info", "grade:A", "grade:E", "grade:", "grade:CD", "worst", "high,low"])
def test_thresholds_that_do_not(text: str) -> None:
    with pytest.raises(BadInput, match="kev"):
        parse_fail_on(text)


def test_severity_threshold() -> None:
    report = build(make_record(make_finding(severity=Severity.MEDIUM)))
    assert [exit_code(report, parse_fail_on(t)) for t in ("critical", "high", "medium", "low")] == [0, 0, 1, 1]


def test_kev_threshold_and_its_safe_twin() -> None:
    listed = make_finding("cve.CVE-2021-41773", cve_id="CVE-2021-41773", kev=True)
    assert exit_code(build(make_record(listed)), FailOn(kev=True)) == 1
    assert exit_code(build(make_record(replace(listed, kev=False))), FailOn(kev=True)) == 0


@pytest.mark.parametrize("status", [FindingStatus.ACCEPTED, FindingStatus.FALSE_POSITIVE, FindingStatus.FIXED])
def test_what_a_person_closed_does_not_fail(status: FindingStatus) -> None:
    record = replace(make_record(), findings=(entry(make_finding(), 1, status),))
    assert exit_code(build(record), FailOn(severity=Severity.LOW)) == 0


def test_grade_threshold() -> None:
    report = build(make_record(make_finding(severity=Severity.HIGH)))
    assert report.risk_score == "D"
    assert [exit_code(report, parse_fail_on(f"grade:{letter}")) for letter in "BCDF"] == [1, 1, 1, 0]


def test_a_grade_that_only_coverage_lowered_is_not_a_finding() -> None:
    report = build(replace(make_record(), self_test=None))
    assert report.risk_score == "B"
    assert exit_code(report, parse_fail_on("grade:B")) == 2
    assert exit_code(report, parse_fail_on("grade:C")) == 0


def test_nothing_tested_is_two_even_without_a_threshold() -> None:
    dead = tuple(replace(a, outcome=Outcome.FAILED, reason="connection refused") for a in ALL_DONE)
    report = build(replace(make_record(), attempts=dead))
    assert exit_code(report, None) == 2
    assert exit_code(report, FailOn(severity=Severity.LOW)) == 2


def test_a_cancelled_scan_is_two_but_a_finding_is_one() -> None:
    record = replace(make_record(make_finding()), cancelled=True)
    assert exit_code(build(record), FailOn(severity=Severity.CRITICAL)) == 2
    assert exit_code(build(record), FailOn(severity=Severity.HIGH)) == 1


@given(records())
def test_zero_only_where_enough_was_tested(record: ScanRecord) -> None:
    report = build(record)
    for threshold in (None, FailOn(kev=True), FailOn(severity=Severity.LOW), FailOn(grade="B")):
        if exit_code(report, threshold) == 0:
            assert report.coverage.enough


def test_info_never_fails() -> None:
    note = make_finding("exposure.api-docs", Severity.INFO, EvidenceLevel.BEHAVIOUR)
    assert exit_code(build(make_record(note)), FailOn(severity=Severity.LOW)) == 0
