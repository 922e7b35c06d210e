"""The PDF: tagged, searchable, bounded, the same bytes each time, and inert whatever the target said."""

from __future__ import annotations

import sys
from dataclasses import replace

import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.conftest import ALL_DONE, hostile, make_finding, make_record, records, with_callback

from secrecon.model.finding import Evidence, Finding, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import build, render
from secrecon.report.pdftext import BREAK, COLUMNS, LONG_WORD, has_glyph, listing, prose

A4_WIDTH, MARGIN = 595.3, 56.7
"""Points."""


def pdf_of(record: ScanRecord) -> bytes:
    data, media, name = render(build(record), "pdf")
    assert media == "application/pdf"
    assert name.endswith(".pdf")
    return data


def text_of(data: bytes) -> str:
    """All text of a PDF, with line breaks as blanks."""
    document = pypdfium2.PdfDocument(data)
    try:
        pages = []
        for page in document:
            words = page.get_textpage()
            pages.append(words.get_text_range())
            words.close()
            page.close()
        return " ".join(
            " ".join(pages).replace("\ufffe", "-").split()
        )  # pdfium's sign for a hyphen at a line's end
    finally:
        document.close()


def squeezed(text: str) -> str:
    return "".join(text.split())


def said_everywhere(text: str) -> Finding:
    evidence = Evidence("http", text, text, text, text, text, text)
    return replace(
        make_finding(), title=text, asset=text, location=text, description=text, impact=text, remediation=text,
        references=(text, "javascript:alert(1)"), evidence=(evidence,), ssvc=text, cwe=(text,), cvss_vector=text,
    )  # fmt: skip


def test_it_says_what_the_report_says() -> None:
    report = build(with_callback(make_record(make_finding())))
    text = text_of(render(report, "pdf")[0])
    for finding in report.facts.findings:
        assert finding.title in text
        assert squeezed(finding.fingerprint) in squeezed(text)
    for part in ("Contents", "What to fix first", "Coverage", "Grade arithmetic", "Callbacks", "Method", "Data"):
        assert part in text
    assert squeezed(report.coverage.summary) in squeezed(text)
    assert "GET /.git/HEAD HTTP/1.1" in text
    assert "Proven by a callback" in text


def test_it_is_tagged_and_calls_itself_accessible() -> None:
    data = pdf_of(make_record(make_finding()))
    assert b"/StructTreeRoot" in data
    assert b"/Marked true" in data
    assert b"pdfuaid:part" in data or b"pdfuaid" in data
    document = pypdfium2.PdfDocument(data)
    assert document.get_metadata_dict()["Title"] == "Security report: http://shop.acme.test:8080"
    outline = [mark.get_title() for mark in document.get_toc()]
    document.close()
    assert {"Summary", "Findings", "Coverage", "Method"} <= set(outline)


def test_equal_reports_make_equal_bytes() -> None:
    record = with_callback(make_record(make_finding()))
    assert pdf_of(record) == pdf_of(replace(record, attempts=record.attempts[::-1]))


def test_nothing_found_is_told_with_what_was_tested_and_what_was_not() -> None:
    spot = replace(ALL_DONE[5], outcome=Outcome.BLOCKED, reason="a wall answers for it")
    text = text_of(pdf_of(replace(make_record(), attempts=(*ALL_DONE[:5], spot, *ALL_DONE[6:]))))
    assert "Nothing was found in what was tested." in text
    assert "Security headers and cookies: 2 checks on 1 asset" in text
    assert "What was not tested:" in text
    assert "a wall answers for it" in text


def test_nothing_looked_at_is_not_called_clean() -> None:
    dead = tuple(replace(a, outcome=Outcome.FAILED, reason="connection refused") for a in ALL_DONE)
    text = text_of(pdf_of(replace(make_record(), attempts=dead)))
    assert "Nothing was found because nothing could be looked at." in text
    assert "Nothing was found in what was tested" not in text


@pytest.mark.parametrize(
    "text",
    [
        '#read("/etc/passwd")',
        '"); #panic("x") #("',
        "= A heading\n- a list *strong* _so_ `raw` $x$ @ref <label>",
        '#import "@preview/evil:1.0.0"',
        "[#pagebreak()]" * 5,
        "\\u{41} \\ // /* comment */ https://evil.test",
    ],
)
def test_markup_of_a_target_is_only_text(text: str) -> None:
    shown = squeezed(text_of(pdf_of(make_record(said_everywhere(text)))))
    assert squeezed(text.replace("\n", "\\n")) in shown
    assert "root:x:" not in shown


@settings(max_examples=12)
@given(hostile, records(3))
def test_any_text_makes_a_pdf(text: str, record: ScanRecord) -> None:
    finding = said_everywhere(text)
    spot = replace(ALL_DONE[0], asset=text, outcome=Outcome.FAILED, reason=text)
    shown = text_of(pdf_of(replace(record, findings=(*record.findings, *make_record(finding).findings),
                                   attempts=(*record.attempts, spot), error=text)))  # fmt: skip
    for forbidden in ("\x1b", "\x00", "\u202e", "\u200b"):
        assert forbidden not in shown


def test_what_no_font_has_is_told_by_its_number() -> None:
    text = text_of(pdf_of(make_record(said_everywhere("你 \U0001f600 שלום \u202egnp e\u0301"))))
    for shown in ("\\u4f60", "\\U0001f600", "\\u05e9", "\\u202egnp", "\\u0301"):
        assert shown in text


def test_ten_megabytes_of_evidence_and_one_long_word_stay_bounded() -> None:
    big = "A" * 10_000_000
    data = pdf_of(
        make_record(replace(make_finding(), evidence=(Evidence("http", big, big, big),), description=big))
    )
    assert len(data) < 400_000
    text = text_of(data)
    assert "more characters: see the JSON export" in text


def test_no_word_leaves_the_page_however_long_it_is() -> None:
    spot = replace(ALL_DONE[0], asset="h" * 400, outcome=Outcome.FAILED, reason="r" * 400)
    record = make_record(said_everywhere("https://" + "a" * 300 + "/?q=" + "b" * 300))
    document = pypdfium2.PdfDocument(pdf_of(replace(record, attempts=(*ALL_DONE, spot))))
    furthest = 0.0
    for page in document:
        words = page.get_textpage()
        boxes = (words.get_charbox(number) for number in range(words.count_chars()))
        furthest = max(furthest, *(right for _, _, right, _ in boxes))
        words.close()
        page.close()
    document.close()
    assert furthest < A4_WIDTH - MARGIN + 2


def test_many_findings_are_counted_where_they_are_not_shown() -> None:
    one_cause = [make_finding("exposure.git", location=f"/{n}") for n in range(300)]
    other = [
        make_finding(f"exposure.c{n}", Severity.LOW, location=f"/x{n}", title=f"Fault {n}") for n in range(500)
    ]
    text = text_of(pdf_of(make_record(*one_cause, *other)))
    assert "238 more places: see the JSON export." in text
    assert "101 more root causes: see the JSON export." in text
    assert "381 more root causes: see the JSON export." in text


@given(st.text(max_size=200))
def test_prose_can_be_set(text: str) -> None:
    shown = prose(text.replace(BREAK, ""))
    assert all(has_glyph(ord(c)) or c in ("\n", BREAK) for c in shown)
    assert all(len(piece) <= LONG_WORD for piece in shown.replace(BREAK, " ").split())


@given(st.text(max_size=400), st.integers(1, 5), st.integers(1, 300))
def test_a_listing_is_bounded_and_tells_what_it_leaves_out(text: str, lines: int, characters: int) -> None:
    rows = listing(text, lines, characters).split("\n")
    assert len(rows) <= lines + 1
    assert all(len(row) <= COLUMNS for row in rows)
    if len(text) > characters:
        assert rows[-1].endswith("see the JSON export]")


def test_the_library_is_loaded_only_for_a_pdf() -> None:
    """Half of the start of every command would be lost otherwise."""
    loaded = sys.modules.pop("typst", None)
    try:
        render(build(make_record()), "json")
        assert "typst" not in sys.modules
    finally:
        if loaded is not None:
            sys.modules["typst"] = loaded
