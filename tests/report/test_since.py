"""Every format tells what changed since the scan before, or that there was none; and tells no more than the difference does."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.conftest import ALL_DONE, NOW, make_finding, make_record, records

from secrecon.model.finding import Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import Report, build, render
from secrecon.report.diff import Change, compare
from secrecon.report.markdown import MOST_CHANGES as MARKDOWN
from secrecon.report.page import MOST_CHANGES as HTML
from secrecon.report.pdfdata import MOST_CHANGES as PDF
from secrecon.report.since import ALONE, FIRST, NOT_OURS, RUNNING, Since, rows, states, summary
from secrecon.report.snapshot import snapshot_of

LATER = NOW + 86_400.0
ENV = make_finding("exposure.env", location="/.env", title="The environment file is open")
GIT = make_finding()
CSP = make_finding("hygiene.csp-missing", Severity.LOW, location="", title="No content security policy")
HOSTILE = "<script>alert(1)</script> |\u202e\x1b[31m `x` =1+1"


def since(old: ScanRecord, new: ScanRecord) -> Since:
    return Since(compare(snapshot_of(old), snapshot_of(new)), "")


def day_after(record: ScanRecord) -> ScanRecord:
    found = tuple(replace(item, first_seen=LATER) for item in record.findings)
    return replace(record, db_scan_id=record.db_scan_id + 1, created=LATER - 40, findings=found)


@pytest.fixture(scope="module")
def report() -> Report:
    """Git is new, the environment file is fixed, the header stayed, and one finding was not looked for again."""
    redirect = make_finding("behaviour.open-redirect", Severity.MEDIUM, location="/go", title="Open redirect by to")
    old = make_record(ENV, CSP, redirect)
    attempts = tuple(
        replace(one, outcome=Outcome.BLOCKED, reason="a firewall answered") if one.check == redirect.check else one
        for one in ALL_DONE
    )
    new = day_after(replace(make_record(GIT, CSP), attempts=attempts))
    return build(new, since(old, new))


def test_the_words_count_every_change(report: Report) -> None:
    assert summary(report.since) == (
        "Compared with report 1234567890123 of 2026-11-23 02:13 UTC, a quick scan: 0 regressed, 1 new, 1 not re-tested, "
        "1 fixed and 1 unchanged."
    )
    changed, left = rows(report.since, 2)
    assert [row.change for row in changed] == ["new", "not re-tested"]
    assert left == 1
    assert "a firewall answered" in changed[1].why


def told(report: Report, format_: str) -> str:
    """The text of a format, without what only lays it out."""
    data = render(report, format_)[0]
    if format_ == "pdf":
        document = pypdfium2.PdfDocument(data)
        pages = [page.get_textpage().get_text_range() for page in document]
        document.close()
        return " ".join(" ".join(pages).replace("\ufffe", "-").split())
    text = data.decode()
    if format_ == "html":
        text = text[text.index('<section id="since">') : text.index('<section id="coverage">')]
        return " ".join(re.sub(r"<[^>]+>", " ", text).split())
    return " ".join(text.replace("\\", "").split())


@pytest.mark.parametrize("format_", ["html", "md", "pdf"])
def test_people_read_what_changed_and_why(report: Report, format_: str) -> None:
    text = told(report, format_)
    assert "Since the last scan" in text
    assert "1 new, 1 not re-tested, 1 fixed and 1 unchanged" in text
    for words in ("Git repository", "environment file", "a firewall answered", "not re-tested"):
        assert words in text, words
    if format_ != "pdf":
        assert "the same check ran both times" in text


NOTES = (ALONE, FIRST, NOT_OURS, RUNNING)


@pytest.mark.parametrize(
    ("format_", "note"), [*((name, note) for name in ("html", "md", "json") for note in NOTES), ("pdf", FIRST)]
)
def test_where_nothing_was_compared_it_is_told(format_: str, note: str) -> None:
    assert note in told(build(make_record(GIT), Since(note=note)), format_)


def test_programs_read_the_whole_difference(report: Report) -> None:
    document = json.loads(render(report, "json")[0])["since_last_scan"]
    assert document["difference"]["counts"] == {
        "regressed": 0,
        "new": 1,
        "not_retested": 1,
        "fixed": 1,
        "unchanged": 1,
    }
    assert {item["change"] for item in document["difference"]["findings"]} == {
        "new",
        "not_retested",
        "fixed",
        "unchanged",
    }
    assert json.loads(render(build(make_record()), "json")[0])["since_last_scan"]["difference"] is None


def test_code_scanning_reads_the_state_of_each_result(report: Report) -> None:
    results = json.loads(render(report, "sarif")[0])["runs"][0]["results"]
    assert {result["ruleId"]: result["baselineState"] for result in results} == {
        "exposure.git": "new",
        "hygiene.csp-missing": "unchanged",
    }
    alone = json.loads(render(build(make_record(GIT)), "sarif")[0])["runs"][0]["results"]
    assert "baselineState" not in alone[0]


def test_what_a_target_said_stays_inert() -> None:
    old = make_record(replace(ENV, title=HOSTILE))
    attempts = tuple(
        replace(one, outcome=Outcome.FAILED, reason=HOSTILE) if one.check == ENV.check else one for one in ALL_DONE
    )
    new = day_after(replace(make_record(), attempts=attempts))
    report = build(new, since(old, new))
    html, md = (render(report, name)[0].decode() for name in ("html", "md"))
    assert "<script" not in html
    assert "<script" not in md
    for text in (
        html,
        md,
        json.dumps(json.loads(render(report, "json")[0])["since_last_scan"], ensure_ascii=False),
    ):
        assert "\u202e" not in text
        assert "\x1b" not in text


@settings(max_examples=25)
@given(records(4), records(4), st.integers(0, 5))
def test_any_two_scans_come_to_the_same_counts(old: ScanRecord, new: ScanRecord, most: int) -> None:
    compared = since(old, new)
    assert compared.difference is not None
    counts = compared.difference.counts
    changed, left = rows(compared, most)
    assert len(changed) <= most
    assert len(changed) + left >= sum(counts.values()) - counts[Change.UNCHANGED]
    assert states(compared).keys() == {item.finding.fingerprint for item in new.findings}
    for change, number in counts.items():
        assert f"{number:,} " in summary(compared), change


def test_the_document_says_what_the_code_does() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    for note in NOTES:
        assert f"| {note} |" in text
    assert f"(the first {HTML:,} changes in the HTML, {PDF:,} in the PDF, {MARKDOWN:,} in the Markdown)" in text
