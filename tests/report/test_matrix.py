"""The coverage picture: nothing is called done that did not run, and what is left out is counted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from tests.report.conftest import ALL_DONE, SHOP, make_record, records

from secrecon.model.record import ScanRecord
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.report import FORMATS, build, render
from secrecon.report.coverage import AREAS
from secrecon.report.matrix import SHORT, areas_tested, check_rows, matrix
from secrecon.report.render import TITLES


@given(records())
def test_the_picture_agrees_with_the_ledger(record: ScanRecord) -> None:
    coverage = build(record).coverage
    picture = matrix(coverage)
    for row in picture.rows:
        for cell in row.cells:
            lines = [e for e in coverage.lines if (e.asset, e.area) == (row.asset, cell.area)]
            applicable = [entry for entry in lines if entry.applicable]
            missed = [entry for entry in applicable if entry.outcome is not Outcome.DONE]
            assert (cell.state == "done") == (bool(applicable) and not missed)
            assert (cell.state == "not_run") == (not lines)
            assert bool(cell.why) == bool(missed)
    assert sum(row.applicable for row in check_rows(coverage)) == coverage.total.applicable
    ran = {entry.area for entry in coverage.lines if entry.outcome is Outcome.DONE}
    assert len(areas_tested(coverage)) == len(ran)


def test_the_largest_gaps_come_first_and_the_rest_is_counted() -> None:
    def attempt(host: int, number: int) -> Attempt:
        ran = number > host
        outcome = Outcome.DONE if ran else Outcome.FAILED
        asset, check = f"http://h{host:03}.test", f"exposure.c{number}"
        return Attempt(PhaseName.VERIFY, check, asset, outcome, "" if ran else "refused")

    spots = [attempt(host, number) for host in range(70) for number in range(3)]
    picture = matrix(build(replace(make_record(), attempts=tuple(spots))).coverage, 60)
    assert [row.asset for row in picture.rows][:2] == ["http://h002.test", "http://h003.test"]
    assert (len(picture.rows), picture.left) == (60, 10)
    assert "10 more assets with smaller gaps" in picture.words
    cell = picture.rows[0].cells[0]
    assert (cell.state, cell.sign, cell.why) == ("not_tested", "✗", "refused")


def test_nothing_found_is_told_with_what_was_tested() -> None:
    spot = replace(ALL_DONE[5], outcome=Outcome.BLOCKED, reason="a wall answers for it")
    report = build(replace(make_record(), attempts=(*ALL_DONE[:5], spot, *ALL_DONE[6:])))
    for name in ("html", "md"):
        text = " ".join(render(report, name)[0].decode().split())
        assert "Nothing was found in what was tested." in text
        assert "Security headers and cookies: 2 checks on 1 asset" in text
        assert "a wall answers for it" in text
    html = render(report, "html")[0].decode()
    assert f"<title>{SHOP}, Files: 1 of 2 ran (a wall answers for it)</title>" in html
    assert "<desc" in html


def test_every_area_can_stand_above_a_column() -> None:
    assert SHORT.keys() == AREAS.keys()
    assert all(len(name) <= 10 for name in SHORT.values())
    spots = tuple(Attempt(PhaseName.VERIFY, f"{area}.x", SHOP, Outcome.DONE, "", 1) for area in AREAS)
    html = render(build(replace(make_record(), attempts=spots)), "html")[0].decode()
    assert all(f">{name}</text>" in html for name in SHORT.values())


def test_every_format_has_a_name() -> None:
    assert tuple(TITLES) == FORMATS
