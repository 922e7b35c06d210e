"""Advice: every gap says what to do next, and the advice fits its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from tests.report.conftest import ALL_DONE, make_record, records

from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import build
from secrecon.report.advice import next_step


@pytest.mark.parametrize(
    ("outcome", "reason", "words"),
    [
        (Outcome.SKIPPED, "the target is not authorized for active checks", "authorized"),
        (Outcome.SKIPPED, "no callback listener is running", "callback listener reachable"),
        (Outcome.SKIPPED, "no technology with a version was seen", "package manager"),
        (Outcome.BLOCKED, "the server answers 403 even for pages that cannot exist", "scanner's address"),
        (Outcome.BLOCKED, "something new", "filter"),
        (Outcome.TIMED_OUT, "something new", "quieter"),
        (Outcome.FAILED, "connection refused", "answers the scanner"),
    ],
)
def test_the_step_fits(outcome: Outcome, reason: str, words: str) -> None:
    assert words in next_step(outcome, reason)


@given(records())
def test_every_gap_of_a_check_names_a_next_step(record: ScanRecord) -> None:
    coverage = build(record).coverage
    for area in coverage.areas:
        assert bool(area.next_steps) == bool(area.count.not_done)
    for gap in coverage.gaps:
        assert "Next: " in gap or "no check ran" in gap or gap.startswith("Nothing on the target")


@given(records())
def test_groups_hold_every_asset_once(record: ScanRecord) -> None:
    coverage = build(record).coverage
    assert sorted(name for group in coverage.groups for name in group.assets) == [a.asset for a in coverage.assets]
    assert sum(group.count.total for group in coverage.groups) == coverage.total.total
    for group in coverage.groups:
        assert bool(group.missed) == bool(group.count.not_done)


def test_a_gap_on_one_host_names_it() -> None:
    blocked = replace(ALL_DONE[2], check="exposure.git", outcome=Outcome.BLOCKED, reason="a wall")
    gaps = build(replace(make_record(), attempts=(*ALL_DONE, blocked))).coverage.gaps
    assert any(f"on {blocked.asset} (a wall). Next: " in gap for gap in gaps)
