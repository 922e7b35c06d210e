"""The coverage ledger: what did not run is never counted as done, and says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import ALL_DONE, SHOP, make_record, records, with_callback

from secrecon.model.interaction import OastReach, OastSelfTest
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.report import build
from secrecon.report.coverage import AREAS, area_of


@pytest.mark.parametrize(
    ("check", "area"),
    [
        ("ssrf.callback", "ssrf"),
        ("cve.CVE-2021-41773", "cve"),
        ("exposures", "exposure"),
        ("tls.expired", "tls"),
        ("probe.web", "recon"),
        ("", "recon"),
    ],
)
def test_area_of(check: str, area: str) -> None:
    assert area_of(check) == area


@given(records())
def test_counts_equal_the_ledger(record: ScanRecord) -> None:
    coverage = build(record).coverage
    assert coverage.total.total == len(record.attempts) == len(coverage.lines)
    assert sum(area.count.total for area in coverage.areas) == coverage.total.total
    assert sum(asset.count.total for asset in coverage.assets) == coverage.total.total
    done = sum(attempt.outcome is Outcome.DONE for attempt in record.attempts)
    assert coverage.total.done == done
    assert [area.area for area in coverage.areas] == list(AREAS)
    assert 0.0 <= coverage.share <= 1.0


@given(records())
def test_every_gap_has_a_reason_and_no_gap_hides(record: ScanRecord) -> None:
    coverage = build(record).coverage
    for area in coverage.areas:
        if area.count.not_done:
            assert area.reasons
            assert area.area == "recon" or coverage.gaps


def test_everything_done() -> None:
    coverage = build(make_record()).coverage
    assert (coverage.tested, coverage.enough, coverage.gaps, coverage.ssrf_gap) == (True, True, (), "")
    assert coverage.summary == "Everything planned was tested: 7 of 7 checks ran."


def test_a_repeated_attempt_keeps_the_bad_news_in_any_order() -> None:
    blocked = Attempt(PhaseName.VERIFY, "exposure.git", SHOP, Outcome.BLOCKED, "a firewall answered")
    for attempts in ((blocked, *ALL_DONE), (*ALL_DONE, blocked)):
        line = next(
            e for e in build(replace(make_record(), attempts=attempts)).coverage.lines if e.check == "exposure.git"
        )
        assert line.outcome is Outcome.BLOCKED


def test_reconnaissance_alone_is_not_testing() -> None:
    attempts = tuple(a for a in ALL_DONE if a.check in ("resolve.addresses", "probe.web", "cve.match"))
    coverage = build(replace(make_record(), attempts=attempts)).coverage
    assert not coverage.tested
    assert coverage.gaps[0].startswith("Nothing on the target could be assessed")


def test_ssrf_that_was_heard_of_is_not_called_untested() -> None:
    late = replace(ALL_DONE[-1], outcome=Outcome.TIMED_OUT, reason="4 of 32 requests were not answered")
    silent = replace(make_record(), attempts=(*ALL_DONE[:-1], late))
    assert any(gap.startswith("SSRF could not be tested: 4 of 32") for gap in build(silent).coverage.gaps)
    heard = build(with_callback(silent))
    assert any(gap.startswith("SSRF could not be tested in full: 4 of 32") for gap in heard.coverage.gaps)
    assert any(cap.reason.startswith("SSRF could not be tested in full: 4") for cap in heard.grade.caps)


def test_a_listener_that_nothing_reaches_is_not_enough() -> None:
    record = make_record()
    assert build(record).coverage.enough
    deaf = OastSelfTest(OastReach.BLOCKED, OastReach.NOT_TESTABLE, "its hit was not recorded")
    assert not build(replace(record, self_test=deaf)).coverage.enough
    half = replace(deaf, dns=OastReach.REACHABLE)
    assert build(replace(record, self_test=half)).coverage.enough


@pytest.mark.parametrize(
    ("outcome", "reason", "gap"),
    [
        (Outcome.DONE, "logged in; 52 requests were sent as the user of a form", ""),
        (
            Outcome.FAILED,
            "not logged in: the form was answered with 403",
            "not logged in: the form was answered with 403",
        ),
        (Outcome.BLOCKED, "no longer logged in: the session was lost 3 times", "no longer logged in"),
    ],
)
def test_whether_the_scan_was_logged_in_is_told(outcome: Outcome, reason: str, gap: str) -> None:
    record = make_record()
    line = Attempt(PhaseName.CRAWL, "crawl.login", SHOP, outcome, reason)
    coverage = build(replace(record, attempts=(*ALL_DONE, line))).coverage
    assert ("logged in; 52 requests" in coverage.summary) is (not gap)
    assert any(gap in told for told in coverage.gaps) is bool(gap) or not gap
    if gap:
        assert coverage.gaps[0].startswith("What only a user sees")
        assert "check the credentials" in coverage.gaps[0]
