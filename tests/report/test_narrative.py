"""The narrative: its numbers are the data's numbers, and it never claims more than was tested."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from tests.report.conftest import ALL_DONE, make_finding, make_record, records, with_callback

from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.model.interaction import CallbackProtocol
from secrecon.model.record import ScanRecord
from secrecon.model.scan import FeedInfo, Outcome, PhaseName, ScanStatus
from secrecon.model.target import parse_target
from secrecon.report import build
from secrecon.report.text import count, line


def text_of(record: ScanRecord) -> str:
    return build(record).report_text


@given(records())
def test_its_numbers_are_the_data(record: ScanRecord) -> None:
    report = build(record)
    text, facts = report.report_text, report.facts
    total = len(facts.findings)
    notes = sum(f.severity is Severity.INFO for f in facts.findings)
    if total > notes:
        assert f"{count(total, 'finding')}" in text
        for level, number in facts.severity_counts:
            assert (f"{number:,} {level}" in text) or number in (0, total)
    if total and total == notes:
        assert count(total, "note") in text
    if facts.kev_count:
        assert f"{facts.kev_count:,} finding" in text
    if facts.target_hits:
        assert f"received {count(len(facts.target_hits), 'callback')}" in text
    assert f"{report.grade.points:,.2f} points" in text
    assert f"{report.coverage.assessing.done:,} of" in text
    for feed in facts.feeds:
        assert f"{feed.name}, as of {feed.date}: {feed.rows:,} records" in text
    assert f"Grade {report.risk_score}" in text


@given(records())
def test_it_never_promises_safety(record: ScanRecord) -> None:
    text = text_of(record).lower()
    for phrase in ("no vulnerabilities", "is secure", "is clean", "not vulnerable", "no problems exist"):
        assert phrase not in text
    assert "  " not in text
    assert ".." not in text.replace("...", "")
    assert "none" not in text.split() or "none of" in text


WRONG_ENGLISH = (
    r"\b1 (?:findings|notes|causes|root causes|callbacks|services|pages|technologies|checks|areas|hosts|seconds|requests)\b",
    r"(?<![\d.,])(?:0|[2-9]|[1-9]\d+) (?:finding|note|cause|root cause|callback|service|page|technology|area|host)\b",
    r"\bThere is (?!1\b)\d|\bThere are 1\b|\bno findings? (?:need|are)",
    r"[ ,;:]\.|\.\.|,,|\(\)|\[\]| ,| ;|\s:",
    r"\bNone\b|\bTrue\b|\bnull\b|\{|\}",
)


@settings(max_examples=200)
@given(records())
def test_its_english_is_right_for_every_mix(record: ScanRecord) -> None:
    report = build(record)
    for section in report.narrative:
        assert section.paragraphs or section.bullets, section.title
        assert all(text.strip() for text in (*section.paragraphs, *section.bullets)), section.title
        for text in section.paragraphs:
            assert text[0].isupper() or text[0].isdigit() or text.startswith("http"), text
            assert text[-1] in ".:", text
            for pattern in WRONG_ENGLISH:
                assert not re.search(pattern, text), (pattern, text)
        if section.paragraphs and section.paragraphs[-1].endswith(":"):
            assert section.bullets, "what is announced follows"


@settings(max_examples=200)
@given(records())
def test_it_claims_no_more_than_the_data(record: ScanRecord) -> None:
    report = build(record)
    facts, text = report.facts, report.report_text
    by_id = {finding.id: finding for finding in facts.findings}
    cited = [s for section in report.narrative for s in (*section.points, *(x for p in section.prose for x in p))]
    assert all(number in by_id for sentence in cited for number in sentence.findings)
    assert set(re.findall(r"CVE-\d{4}-\d+", text)) <= {finding.cve_id for finding in facts.findings}
    serious = [f for f in facts.counted if f.severity.rank >= Severity.HIGH.rank or f.is_kev]
    assert ("serious finding" in text) == bool(serious)
    if serious:
        assert re.search(rf"\b{len(serious)} serious findings? ", text)
        spoken = {number for sentence in cited for number in sentence.findings}
        assert {finding.id for finding in serious} <= spoken, "no serious finding goes untold"
    if "proof, not suspicion" in text:
        assert any(finding.oast_verified for finding in facts.counted)
    if "calls for no action" in text or "Nothing found calls for action" in text:
        assert not [f for f in facts.counted if f.severity is not Severity.INFO]
    if "normal plan of work" in text:
        assert not serious


def test_nothing_found() -> None:
    text = text_of(make_record())
    assert "Nothing was found in what was tested." in text
    assert "Nothing found calls for action." in text


def test_only_notes() -> None:
    text = text_of(make_record(make_finding(severity=Severity.INFO)))
    assert "No problem was found in what was tested. 1 note for information is listed." in text


def test_one_critical_by_version_is_not_called_proof() -> None:
    text = text_of(make_record(make_finding("cve.CVE-2021-41773", Severity.CRITICAL, EvidenceLevel.VERSION_RANGE)))
    assert "There is 1 finding of critical severity." in text
    assert "It rests on a version number alone and must be confirmed" in text
    assert "proof" not in text.split("For the engineer")[0]


def test_proven_ssrf() -> None:
    text = text_of(with_callback(make_record()))
    assert "The target sent a request to our listener when asked to" in text
    assert "received 1 callback from the target (1 HTTP)" in text
    assert "1 further hit was our own self-test" in text


def test_a_lookup_alone_is_not_called_a_request() -> None:
    record = with_callback(make_record())
    hits = tuple(replace(hit, protocol=CallbackProtocol.DNS) for hit in record.interactions)
    text = text_of(replace(record, interactions=hits))
    assert "looked our listener's name up when asked to" in text
    assert "sent a request" not in text
    assert "not suspicion" not in text


def test_an_organisation_goes_by_its_name() -> None:
    record = make_record()
    text = text_of(replace(record, spec=replace(record.spec, target=parse_target("acme.test"))))
    assert "scan of acme.test on" in text
    assert "https://acme.test" not in text


def test_kev() -> None:
    text = text_of(make_record(make_finding("cve.CVE-2021-41773", cve_id="CVE-2021-41773", kev=True)))
    assert "1 finding is in CISA's catalogue of known exploited vulnerabilities" in text


def test_hundreds_are_grouped() -> None:
    many = [make_finding(location=f"/{number}") for number in range(300)]
    text = text_of(make_record(*many))
    assert "There are 300 findings, all of high severity." in text
    assert "300 findings] at shop.acme.test" in text
    assert len(text) < 10_000


def test_cancelled() -> None:
    text = text_of(replace(make_record(), cancelled=True, not_run=(PhaseName.VERIFY, PhaseName.OAST)))
    assert "was cancelled" in text
    assert "These phases were not run: verify and oast." in text


def test_error_says_why() -> None:
    text = text_of(replace(make_record(), status=ScanStatus.ERROR, error="the disk is full"))
    assert "ended in an error" in text
    assert "the disk is full" in text


def test_unreachable() -> None:
    attempts = tuple(replace(a, outcome=Outcome.FAILED, reason="connection refused") for a in ALL_DONE)
    text = text_of(replace(make_record(), attempts=attempts, facts=()))
    assert "could not be tested" in text
    assert "Nothing was found because nothing could be looked at." in text
    assert "connection refused" in text
    assert "found in what was tested" not in text


def test_ssrf_not_testable() -> None:
    skipped = replace(ALL_DONE[-1], outcome=Outcome.SKIPPED, reason="the scan has no listener")
    text = text_of(replace(make_record(), attempts=(*ALL_DONE[:-1], skipped)))
    assert "SSRF could not be tested" in text
    assert "the scan has no listener" in text
    assert "could have reached the listener" not in text


def test_curated_core_is_named_with_its_date() -> None:
    record = make_record()
    feeds = (FeedInfo("vulnerability core", "2026-08-01", 1_200, "ab", "curated core shipped with the package"),)
    text = text_of(replace(record, engine=replace(record.engine, feeds=feeds)))
    assert "vulnerability core, as of 2026-08-01: 1,200 records" in text
    assert "curated core, not the whole catalogue" in text
    assert "curated core, not" not in text_of(record)


def test_no_data_is_said() -> None:
    record = make_record()
    assert "No vulnerability data was loaded" in text_of(replace(record, engine=replace(record.engine, feeds=())))


def test_hostile_titles_stay_on_one_line() -> None:
    text = text_of(make_record(make_finding(title="evil\n\nIn short\n========\x1b[2J")))
    assert "\x1b" not in text
    assert text.count("\n========\n") == 1 or text.count("In short\n====") == 1
    assert line("evil\n\nIn short") in text


def test_a_changed_report_says_why() -> None:
    record = replace(
        make_record(), version=3, changes=("a callback arrived", "the vulnerability data changed: news.")
    )
    text = text_of(record)
    assert (
        "since the scan ended (version 3): the vulnerability data changed: news. It had changed 1 time before."
        in text
    )
    assert "has changed since" not in text_of(make_record())
