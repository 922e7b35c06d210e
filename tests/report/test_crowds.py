"""Ledger lines told together: none is lost, few are left alone, and a large set stays readable."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import make_record

from secrecon import report as reports
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.report import crowds
from secrecon.report.crowds import Crowd, crowded
from secrecon.report.document import CoverageLine


def line_of(
    check: int, asset: int, outcome: Outcome = Outcome.DONE, reason: str = "", area: str = "template"
) -> CoverageLine:
    return CoverageLine(
        PhaseName.VERIFY,
        f"{area}.c{check}",
        area,
        f"http://a{asset}.test",
        outcome,
        reason,
        requests=1,
        applicable=True,
    )


def spread(lines: tuple[CoverageLine, ...], together: tuple[Crowd, ...]) -> set[tuple[object, ...]]:
    alone = {(e.phase, e.check, e.area, e.asset, e.outcome, e.reason, e.applicable) for e in lines}
    return alone | {
        (crowd.phase, check, crowd.area, asset, crowd.outcome, crowd.reason, crowd.applicable)
        for crowd in together
        for check in crowd.checks
        for asset in crowd.assets
    }


lines = st.lists(
    st.builds(
        line_of,
        st.integers(0, 6),
        st.integers(0, 3),
        st.sampled_from(Outcome),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["template", "cve"]),
    ),
    max_size=40,
    unique_by=lambda entry: (entry.check, entry.asset),
)


@given(lines)
def test_no_line_is_lost_and_none_is_made_up(entries: list[CoverageLine]) -> None:
    given_ = tuple(entries)
    assert crowded(given_) == (given_, ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowds, "MOST_LINES", 3)
        alone, together = crowded(given_)
    assert spread(alone, together) == spread(given_, ())
    assert sum(len(c.checks) * len(c.assets) for c in together) + len(alone) == len(given_)
    assert sum(c.requests for c in together) + sum(e.requests for e in alone) == len(given_)


def test_a_large_set_on_many_assets_stays_readable() -> None:
    record = make_record()
    attempts = [
        Attempt(PhaseName.VERIFY, f"template.t{check}", f"http://a{asset}.test", Outcome.DONE, "", 1)
        for check in range(1_500)
        for asset in range(8)
    ]
    attempts[7] = Attempt(PhaseName.VERIFY, "template.t0", "http://a7.test", Outcome.FAILED, "it was closed", 1)
    whole = reports.build(replace(record, attempts=tuple(attempts)))
    body, _, _ = reports.render(whole, "json")
    coverage = json.loads(body)["coverage"]
    assert coverage["checks"] == []
    assert coverage["summary"]["checks"]["total"] == 12_000
    together = coverage["checks_together"]
    assert len(together) == 3
    assert sum(len(crowd["checks"]) * len(crowd["assets"]) for crowd in together) == 12_000
    failed = next(crowd for crowd in together if crowd["outcome"] == "failed")
    assert (failed["checks"], failed["assets"], failed["reason"]) == (
        ["template.t0"],
        ["http://a7.test"],
        "it was closed",
    )
    assert len(body) < 150_000
    for format_ in ("html", "md", "csv"):
        assert len(reports.render(whole, format_)[0]) < 200_000
