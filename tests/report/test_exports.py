"""Every export: complete, bounded, and inert whatever the target said."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker
from markdown_it import MarkdownIt
from tests.report.conftest import ALL_DONE, entry, hostile, make_finding, make_record, records, with_callback

from secrecon.model.asset import Service
from secrecon.model.errors import BadInput
from secrecon.model.finding import Evidence, Finding, FindingStatus, Severity
from secrecon.model.record import ScanRecord
from secrecon.model.scan import Outcome
from secrecon.report import FORMATS, build, render
from secrecon.report.markdown import escape, fenced
from secrecon.report.page import CONTENT_SECURITY_POLICY
from secrecon.report.table import COLUMNS, inert
from secrecon.report.text import line

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects tags, links and text, and checks that tags nest."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(document.decode("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def outside_fences(text: str) -> list[str]:
    """The lines of a Markdown text that are not inside a fenced block."""
    kept, fence = [], ""
    for row in text.split("\n"):
        if fence:
            fence = "" if row == fence else fence
        elif row.startswith("```"):
            fence = row.removesuffix("text")
        else:
            kept.append(row)
    return kept


def hostile_finding(text: str) -> Finding:
    evidence = Evidence("http", text, text, text, text, text, text)
    return replace(
        make_finding(),
        check="exposure." + text,
        title=text,
        asset=text,
        location=text,
        description=text,
        impact=text,
        remediation=text,
        references=(text, "javascript:alert(1)"),
        evidence=(evidence,),
        ssvc=text,
        cwe=(text,),
        cvss_vector=text,
    )


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"pdf"}))
@settings(max_examples=40)
@given(text=hostile)
def test_hostile_text_is_inert_everywhere(name: str, text: str) -> None:
    record = make_record(hostile_finding(text))
    spot = replace(ALL_DONE[0], asset=text, outcome=Outcome.FAILED, reason=text)
    heard = Service(text, text, 22, text, None, text, None, text, text)
    record = replace(record, attempts=(*ALL_DONE, spot), error=text, facts=(*record.facts, heard))
    data, _, filename = render(build(record), name)
    shown = data.decode("utf-8-sig")
    for forbidden in ("\x1b", "\x00", "\u202e", "\u200b", "\x9b"):
        assert forbidden not in shown
    if name in ("html", "md"):
        assert "<script" not in "".join(outside_fences(shown)).lower()
    assert "/" not in filename
    assert filename.isascii()


@settings(max_examples=60)
@given(hostile, records(4))
def test_html_is_well_formed_and_runs_nothing(text: str, record: ScanRecord) -> None:
    record = replace(record, findings=(*record.findings, entry(hostile_finding(text), 5_000)))
    page = Page(render(build(record), "html")[0])
    assert not page.open
    assert not {"script", "iframe", "object", "embed", "form", "img", "link", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name in ("href", "src"):
            assert tag == "a"
            assert value.startswith("#") or urlsplit(value).scheme in ("http", "https")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) or len(record.findings) > len({f.finding.fingerprint for f in record.findings})


def test_html_carries_its_own_policy() -> None:
    page = Page(render(build(make_record()), "html")[0])
    assert ("meta", "content", CONTENT_SECURITY_POLICY) in page.attributes
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_html_says_the_same_as_the_report() -> None:
    report = build(with_callback(make_record(make_finding())))
    text = " ".join("".join(Page(render(report, "html")[0]).words).split())
    assert report.grade.words in text
    assert report.coverage.summary in text
    for finding in report.facts.findings:
        assert finding.title in text
        assert finding.fingerprint in text
    for term in report.grade.terms:
        assert f"{term.points:.2f}" in text
    assert "our own traffic, proves nothing" in text


def test_five_thousand_findings() -> None:
    many = [make_finding(f"exposure.c{n % 40}", list(Severity)[n % 5], location=f"/{n}") for n in range(5_000)]
    report = build(make_record(*many))
    begun = time.process_time()
    for name in FORMATS:
        assert render(report, name)[0]
    assert time.process_time() - begun < 60
    html = render(report, "html")[0]
    assert html.count(b' id="f-') == 5_000
    assert html.count(b"<article") == 40


def test_ten_megabytes_of_evidence_stay_bounded() -> None:
    big = "A" * 10_000_000
    finding = replace(make_finding(), evidence=(Evidence("http", big, big, big),), description=big)
    for name in FORMATS:
        assert len(render(build(make_record(finding)), name)[0]) < 400_000


@pytest.mark.parametrize("name", ["docx", "", "../json"])
def test_formats_that_do_not_exist(name: str) -> None:
    with pytest.raises(BadInput, match="json, html, pdf, md, csv, sarif, cyclonedx, openvex"):
        render(build(make_record()), name)


def test_names_and_types() -> None:
    data, media, name = render(build(make_record()), "JSON")
    assert json.loads(data)["risk_score"] == "A"
    assert media == "application/json"
    assert name == "secrecon-shop.acme.test-8080-1234567890123.json"


# CSV


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1", "|calc", "%0a"])
def test_formulas_become_text(cell: str) -> None:
    assert inert(cell) == "'" + cell


@given(records(6), hostile)
def test_csv_reads_back(record: ScanRecord, text: str) -> None:
    record = replace(record, findings=(*record.findings, entry(hostile_finding(text), 5_000)))
    report = build(record)
    rows = list(csv.reader(io.StringIO(render(report, "csv")[0].decode("utf-8-sig"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 1 + len(report.facts.findings)
    for row, finding in zip(rows[1:], report.facts.findings, strict=True):
        assert len(row) == len(COLUMNS)
        assert row[COLUMNS.index("fingerprint")].lstrip("'") == finding.fingerprint
        assert not any(cell.lstrip(" ")[:1] in set("=+@\t\r") for cell in row if cell)


# Markdown


@given(st.text(max_size=60))
def test_a_fence_cannot_be_left(text: str) -> None:
    shown = fenced(text).split("\n")
    fence = shown[0].removesuffix("text")
    assert not any(fence in part for part in "\n".join(shown[1:-1]).split("\n"))


@given(hostile | st.text("<>[]()!*_`#-+=.:/1234567890 |~\\\\&@w\\n", max_size=30))
def test_markdown_text_is_only_text(text: str) -> None:
    wanted = " ".join(line(text).split())
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(escape(line(text)))
    if not wanted:
        assert tokens == []
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == wanted


def test_markdown_makes_no_links_by_itself() -> None:
    assert "://" not in escape("see https://evil.test and http://x")
    assert "www." not in escape("www.evil.test")


def test_markdown_tells_everything() -> None:
    text = render(build(with_callback(make_record(make_finding()))), "md")[0].decode()
    for heading in ("# Security report", "## Findings", "## Coverage", "## Grade arithmetic", "## Callbacks"):
        assert heading in text


# SARIF


@given(records(6), hostile)
def test_sarif_is_consistent(record: ScanRecord, text: str) -> None:
    record = replace(record, findings=(*record.findings, entry(hostile_finding(text), 5_000)))
    report = build(record)
    log = json.loads(render(report, "sarif")[0])
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] is not None for rule in rules)
    assert len(run["results"]) == sum(f.status is not FindingStatus.FIXED for f in report.facts.findings)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["partialFingerprints"]["secreconFingerprint/v1"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii()
        assert not uri.startswith("/")
        assert not urlsplit(uri).scheme
        assert ".." not in uri.split("/")
        assert " " not in uri


def test_sarif_fingerprints_are_stable_and_closed_findings_suppressed() -> None:
    one, two = (
        replace(make_record(), findings=(entry(make_finding(), n, FindingStatus.ACCEPTED),)) for n in (1, 2)
    )
    results = [json.loads(render(build(r), "sarif")[0])["runs"][0]["results"][0] for r in (one, two)]
    assert results[0]["partialFingerprints"] == results[1]["partialFingerprints"]
    assert results[0]["suppressions"][0]["kind"] == "external"


SARIF_SCHEMA = Path(__file__).parents[2] / "build" / "schemas" / "sarif-2.1.0.json"


@pytest.mark.skipif(
    not SARIF_SCHEMA.exists() and "CI" not in os.environ, reason="scripts/schemas could not fetch the SARIF schema"
)
@settings(max_examples=15)
@given(records(5), hostile)
def test_sarif_is_valid_against_the_official_schema(record: ScanRecord, text: str) -> None:
    record = replace(record, findings=(*record.findings, entry(hostile_finding(text), 5_000)))
    schema = json.loads(SARIF_SCHEMA.read_text("utf-8"))
    validator = Draft4Validator(schema, format_checker=FormatChecker())
    errors = list(validator.iter_errors(json.loads(render(build(record), "sarif")[0])))
    assert not errors, errors[0].message


def test_sarif_keeps_to_what_code_hosts_take() -> None:
    """The limits and names of GitHub's code scanning, whose reader drops or refuses what goes beyond them."""
    long = replace(make_finding(), title="A" * 3_000, description="B" * 9_000, check="exposure." + "c" * 900)
    fixed = entry(make_finding(location="/old"), 2, FindingStatus.FIXED)
    record = replace(make_record(long), findings=(entry(long, 1), fixed))
    (run,) = json.loads(render(build(record), "sarif")[0])["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert len(rule["name"]) <= 255
    assert len(rule["shortDescription"]["text"]) <= 1_024
    assert len(rule["fullDescription"]["text"]) <= 1_024
    assert rule["help"]["markdown"]
    assert 0.0 <= float(rule["properties"]["security-severity"]) <= 10.0
    assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
    assert "external/cwe/cwe-527" in rule["properties"]["tags"]
    prints = result["partialFingerprints"]
    assert prints["primaryLocationLineHash"] == prints["secreconFingerprint/v1"] + ":1"


def test_sarif_says_what_was_not_tested() -> None:
    dead = tuple(replace(a, outcome=Outcome.FAILED, reason="connection refused") for a in ALL_DONE)
    run = json.loads(render(build(replace(make_record(), attempts=dead)), "sarif")[0])["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False
    notes = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("connection refused" in note for note in notes)
