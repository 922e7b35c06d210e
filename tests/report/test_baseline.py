"""Only what is new since a baseline fails a pipeline; what became worse, came back or was reopened is new."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import ALL_DONE, entry, make_finding, make_record, records

from secrecon.model.errors import BadInput
from secrecon.model.finding import FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import (
    Baseline,
    FailOn,
    baseline_of,
    build,
    exit_code,
    judge,
    parse_fail_on,
    read_baseline,
    render,
)

LOW, HIGH = FailOn(severity=Severity.LOW), FailOn(severity=Severity.HIGH)
OLD = make_finding()
FRESH = make_finding("exposure.env", location="/.env")


def known(*findings: object) -> Baseline:
    return baseline_of(build(replace(make_record(), findings=findings)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["json", "sarif"])
def test_an_exported_report_is_a_baseline(name: str) -> None:
    before = build(make_record(OLD))
    baseline = read_baseline(render(before, name)[0])
    assert baseline == baseline_of(before)
    assert exit_code(before, LOW, baseline) == 0
    told = judge(build(make_record(OLD, FRESH)), LOW, baseline)
    assert (told.exit_code, [f.check for f in told.at_threshold], told.known) == (1, ["exposure.env"], 1)
    assert told.words == "1 new finding at the threshold (1 more known from the baseline)."


@given(records())
def test_a_report_is_never_new_to_itself_but_for_what_came_back(record: ScanRecord) -> None:
    report = build(record)
    for name in ("low", "high", "kev"):
        told = judge(report, parse_fail_on(name), baseline_of(report))
        assert all(finding.status is FindingStatus.REGRESSED for finding in told.at_threshold)
        assert told.exit_code in ((1,) if told.at_threshold else (0, 2))


def test_what_became_worse_is_new() -> None:
    mild = known(entry(replace(OLD, severity=Severity.LOW)))
    assert exit_code(build(make_record(OLD)), HIGH, mild) == 1
    assert exit_code(build(make_record(OLD)), LOW, mild) == 0
    listed = replace(OLD, cve_id="CVE-2021-41773", kev=True)
    before = known(entry(replace(listed, kev=False)))
    assert exit_code(build(make_record(listed)), FailOn(kev=True), before) == 1
    assert exit_code(build(make_record(listed)), FailOn(kev=True), known(entry(listed))) == 0


@pytest.mark.parametrize("status", [FindingStatus.FIXED, FindingStatus.ACCEPTED, FindingStatus.FALSE_POSITIVE])
def test_what_did_not_stand_then_is_new_now(status: FindingStatus) -> None:
    assert exit_code(build(make_record(OLD)), LOW, known(entry(OLD, 1, status))) == 1


def test_thin_coverage_is_two_with_a_baseline_too() -> None:
    dead = tuple(replace(a, outcome=Outcome.FAILED, reason="refused") for a in ALL_DONE)
    told = judge(build(replace(make_record(OLD), attempts=dead)), LOW, known(entry(OLD)))
    assert told.exit_code == 2
    assert told.words.startswith("Could not test enough to say: no new findings at the threshold")


def test_a_letter_cannot_be_compared() -> None:
    with pytest.raises(BadInput, match="a grade is of all findings"):
        exit_code(build(make_record()), FailOn(grade="C"), {})


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"findings":[{}]}', b'{"runs":[{"results":[{"partialFingerprints":{}}]}]}',
             b'{"runs":[{"results":[{"partialFingerprints":{},"properties":{"severity":"low"}}]}]}',
             b'{"findings":[{"fingerprint":"a","severity":"worst"}]}', b"[" * 100_000]
)  # fmt: skip
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="no JSON or SARIF report"):
        read_baseline(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_baseline_or_refused(data: bytes) -> None:
    with contextlib.suppress(BadInput):
        assert isinstance(read_baseline(data), dict)


def test_words_for_a_log_hold_no_word_of_a_target() -> None:
    bad = replace(OLD, title="::error::owned", asset="::set-env", location="%0A")
    assert "::" not in judge(build(make_record(bad)), LOW, {}).words
    assert json.loads(render(build(make_record(bad)), "json")[0])["findings"]
