"""What the PDF shows, worked out beforehand: every number in words, every text bounded, every list cut with its rest counted.

The shape is what `templates/report.typ` lays out. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from secrecon.model.finding import Severity
from secrecon.model.record import JsonValue
from secrecon.report.causes import BASIS, Cause, root_causes
from secrecon.report.document import EvidenceItem, Report, ReportFinding
from secrecon.report.matrix import SHORT, areas_tested, cell_words, matrix
from secrecon.report.pdftext import listing, prose
from secrecon.report.risk import arithmetic
from secrecon.report.since import MEANING, made_with, rows, summary
from secrecon.report.text import count, day, is_link, listed
from secrecon.report.timeline import moments

Json = dict[str, JsonValue]
Rows = list[JsonValue]

MOST_CAUSES = 120
"""Root causes that are told in full; the table of what to fix first names `MOST_ROWS`."""
MOST_ROWS = 400
MOST_PLACES = 60
SHOWN_PLACES = 2
"""Findings of one serious cause that are shown with their evidence; of a lesser one it is the first."""
MOST_EVIDENCE = 2
MOST_LINES, MOST_CHARACTERS = 40, 3_000
MOST_ASSETS = 40
MOST_MOMENTS = 30
MOST_CHANGES = 60
CHART = 100.0


def pdf_document(report: Report) -> Json:
    """The report as the template's JSON. Text is bounded; the only numbers are the widths of bars, 0-100."""
    facts = report.facts
    causes = root_causes(facts.findings)
    return {
        "title": prose(f"Security report: {facts.subject}"),
        "plain_title": prose(f"Security report: {facts.subject}").replace("\x01", ""),
        "subject": prose(facts.subject),
        "grade": report.risk_score,
        "verdict": prose(report.grade.words),
        "coverage_summary": prose(report.coverage.summary),
        "cover": _pairs(_cover(report)),
        "sections": [
            {
                "title": _heading(section.title),
                "audience": section.audience,
                "paragraphs": [prose(text) for text in section.paragraphs],
                "bullets": [prose(text) for text in section.bullets],
            }
            for section in report.narrative
        ],
        "severities": _severities(report),
        "areas": _areas(report),
        "fix": [_fix_row(cause) for cause in causes[:MOST_ROWS]],
        "fix_left": _more(len(causes) - MOST_ROWS, "more root cause"),
        "causes": [_cause(cause) for cause in causes[:MOST_CAUSES]],
        "causes_left": _more(len(causes) - MOST_CAUSES, "more root cause"),
        "nothing": _nothing(report),
        "tested": [prose(entry.words) for entry in areas_tested(report.coverage)],
        "gaps": [prose(gap) for gap in report.coverage.gaps],
        "since": _since(report),
        "matrix": _matrix(report),
        "groups": _groups(report),
        "steps": [
            [
                step.title,
                f"{step.added:,.2f}",
                "no limit" if step.limit is None else f"{step.limit:,.2f}",
                f"{step.total:,.2f}",
            ]
            for step in report.grade.steps
        ],
        "caps": [prose(f"{cap.letter} at best: {cap.reason}.") for cap in report.grade.caps],
        "callbacks": _callbacks(report),
        "method": _method(report),
        "feeds": [[prose(f.name), f.date, f"{f.rows:,}", prose(f.note) or "–"] for f in facts.feeds],
        "footer": f"SecRecon {facts.engine_version} · scan {facts.scan_id}",
    }


def _since(report: Report) -> Json:
    changed, left = rows(report.since, MOST_CHANGES)
    return {
        "words": prose(summary(report.since)),
        "made_with": [prose(words) for words in made_with(report.since)],
        "rows": [
            [row.change, row.severity, prose(row.title[:300]), prose(row.place[:300]), prose(row.why[:600])]
            for row in changed
        ],
        "left": _more(left, "more change"),
        "meaning": prose(MEANING) if changed else "",
    }


def _pairs(pairs: Iterable[tuple[str, str]]) -> Rows:
    return [[name, prose(value)] for name, value in pairs if value]


def _heading(text: str) -> str:
    """Text of a heading, which must not be empty."""
    return prose(text) if text.strip() else "(not named)"


def _more(number: int, what: str) -> str:
    return f"{count(number, what)}: see the JSON export." if number > 0 else ""


def _cover(report: Report) -> list[tuple[str, str]]:
    facts = report.facts
    state = "cancelled before its end" if facts.cancelled else str(facts.status)
    return [
        ("Target", facts.target),
        ("Scan", f"{facts.scan_mode}, {facts.touch} checks"),
        ("Finished", day(facts.finished) if facts.finished else f"not yet ({state})"),
        ("State", state if facts.cancelled or facts.error else ""),
        ("Error", facts.error),
        ("Findings", count(len(facts.findings), "finding")),
        ("Known to be exploited", count(facts.kev_count, "finding") if facts.kev_count else ""),
        ("Report", f"{facts.db_scan_id}, version {facts.version}" if facts.db_scan_id else ""),
        ("Scan id", facts.scan_id),
        ("Text written", "by rules" if report.narrative_source == "deterministic" else "by a language model"),
    ]


def _severities(report: Report) -> Rows:
    counts = report.facts.severity_counts
    most = max((number for _, number in counts), default=0) or 1
    return [[str(level), f"{number:,}", round(CHART * number / most, 2)] for level, number in counts]


def _areas(report: Report) -> Rows:
    rows: Rows = []
    for area in report.coverage.areas:
        counted = area.count
        done = CHART * counted.done / counted.applicable if counted.applicable else 0.0
        missed = CHART - done if counted.applicable or area.required else 0.0
        rows.append(
            {
                "title": area.title,
                "state": area.state,
                "words": cell_words(counted),
                "done": round(done, 2),
                "missed": round(missed, 2),
                "why": prose("; ".join(area.reasons)) or "–",
                "next": prose("; ".join(area.next_steps)) or "–",
            }
        )
    return rows


def _fix_row(cause: Cause) -> JsonValue:
    kev = "; known to be exploited" if cause.is_kev else ""
    return [
        prose(cause.title),
        str(cause.severity),
        f"{len(cause.findings):,}",
        prose(listed(cause.hosts, 3)),
        cause.basis + kev,
    ]


def _cause(cause: Cause) -> Json:
    one = len(cause.findings) == 1
    shown = SHOWN_PLACES if cause.severity.rank >= Severity.HIGH.rank else 1
    others = cause.findings[shown:]
    return {
        "title": _heading(cause.title),
        "severity": str(cause.severity),
        "basis": cause.basis[:1].upper() + cause.basis[1:],
        "kev": cause.is_kev,
        "times": "" if one else cause.times,
        "description": prose(cause.description),
        "impact": prose(cause.impact),
        "fix": prose(cause.fix),
        "findings": [_finding(finding, cause) for finding in cause.findings[:shown]],
        "places": [_place(finding, cause) for finding in others[:MOST_PLACES]],
        "places_left": _more(len(others) - MOST_PLACES, "more place"),
    }


def _place(finding: ReportFinding, cause: Cause) -> str:
    named = "" if finding.title == cause.title else f"{finding.title}: "
    proof = next((item.summary for item in finding.evidence if item.summary), "")
    severity = "" if finding.severity is cause.severity else f" ({finding.severity})"
    return prose(f"{named}{finding.place}{severity}" + (f". {proof}" if proof else ""))


def _finding(finding: ReportFinding, cause: Cause) -> Json:
    threat = finding.threat
    due = f"CISA asks for a fix by {threat.kev_due}" if threat.kev_due else ""
    exploited = "known to be exploited (CISA KEV)" if finding.is_kev else "not in CISA's catalogue (KEV)"
    cvss = "" if finding.cvss_score is None else f"{finding.cvss_score:.1f} {finding.cvss_vector or ''}"
    facts = [
        ("CVE", f"{finding.cve_id}, {exploited}" if finding.cve_id else ""),
        ("Due", due),
        ("CVSS", cvss.strip()),
        ("EPSS", "" if finding.epss is None else f"{finding.epss:.3f}"),
        ("SSVC", threat.ssvc_points or finding.ssvc or ""),
        ("Confidence", f"{finding.confidence_score:.2f}, {BASIS[finding.evidence_level]}"),
        ("Risk", arithmetic(finding)),
        ("Weakness", ", ".join(finding.cwe)),
        ("Seen", f"first {day(finding.first_seen)}; status {finding.status.replace('_', ' ')}"),
        ("Decision", "" if finding.triage is None else finding.triage.words),
        ("Check", finding.check),
        ("Fingerprint", finding.fingerprint),
    ]
    return {
        "title": "" if finding.title == cause.title else _heading(finding.title),
        "severity": str(finding.severity),
        "place": _heading(finding.place),
        "description": "" if cause.description else prose(finding.description),
        "impact": "" if cause.impact else prose(finding.impact),
        "fix": "" if cause.fix else prose(finding.remediation),
        "evidence": [_evidence(item) for item in finding.evidence[:MOST_EVIDENCE]],
        "evidence_left": _more(len(finding.evidence) - MOST_EVIDENCE, "more piece of evidence"),
        "facts": _pairs(facts),
        "references": [{"text": prose(url), "url": url if is_link(url) else ""} for url in finding.references[:8]],
    }


def _evidence(item: EvidenceItem) -> Json:
    blocks = (
        ("What proves it", item.matcher),
        ("Request", item.request),
        ("Response, excerpt", item.response),
        ("Callback", item.callback),
        ("Replay", item.curl),
    )
    return {
        "summary": prose(item.summary),
        "blocks": [[name, listing(text, MOST_LINES, MOST_CHARACTERS)] for name, text in blocks if text],
    }


def _nothing(report: Report) -> str:
    if report.facts.findings:
        return ""
    if report.coverage.tested:
        return "Nothing was found in what was tested. What was tested:"
    return "Nothing was found because nothing could be looked at."


def _matrix(report: Report) -> Json:
    picture = matrix(report.coverage, MOST_ASSETS)
    return {
        "columns": [SHORT[area] for area in picture.columns],
        "rows": [
            {"asset": prose(row.asset), "cells": [[cell.state, cell.sign] for cell in row.cells]}
            for row in picture.rows
        ],
        "words": picture.words,
        "left": _more(picture.left, "more asset"),
    }


def _groups(report: Report) -> Rows:
    return [
        [
            prose(listed(group.assets, 4)),
            cell_words(group.count),
            prose(", ".join(group.missed)) or "–",
            prose("; ".join(group.reasons)) or "–",
        ]
        for group in report.coverage.groups[:MOST_ASSETS]
    ]


def _callbacks(report: Report) -> Json:
    facts = report.facts
    told = moments(facts.hits[:500])
    test = facts.self_test
    line = "The listener was not tested in this scan, so the absence of callbacks proves nothing."
    if test is not None:
        reach = f"HTTP {test.http.replace('_', ' ')}, DNS {test.dns.replace('_', ' ')}"
        line = f"Self-test of the listener: {reach}. {test.detail}"
    return {
        "self_test": prose(line),
        "moments": [
            [
                f"{moment.at[:10]} {moment.at[11:19]}",
                moment.protocol.upper() + (f" × {moment.times:,}" if moment.times > 1 else ""),
                moment.remote_address,
                prose(
                    (moment.place or "no probe of this scan") + (" (ours, proves nothing)" if moment.own else "")
                ),
                moment.after or "–",
            ]
            for moment in told[:MOST_MOMENTS]
        ],
        "left": _more(len(told) - MOST_MOMENTS + max(len(facts.hits) - 500, 0), "more callback"),
    }


def _method(report: Report) -> Json:
    facts = report.facts
    took = "" if facts.seconds is None else f"{facts.seconds:,.0f} seconds"
    return {
        "facts": _pairs(
            [
                ("Requests", f"{facts.requests:,}, {facts.received:,} bytes received"),
                ("Took", took),
                ("Seen", f"{count(len(facts.services), 'service')}, {count(facts.pages, 'page')}, "
                         f"{count(facts.inputs, 'input')}, {count(len(facts.technologies), 'technology', 'technologies')}"),
                ("Not run", listed([str(phase) for phase in report.coverage.not_run], 12)),
                ("Engine", facts.engine_version),
                ("Rule set", facts.rules_digest),
            ]
        ),
        "levels": [[basis[:1].upper() + basis[1:], _LEVELS[str(level)]] for level, basis in BASIS.items()],
    }  # fmt: skip


_LEVELS = {
    "banner": "A product named a version. A distribution may have mended the flaw without changing it: ask the package manager. "
    "Where no version is named: a sign that something else could explain.",
    "version_range": "The version lies in a range that an advisory calls affected. Nothing was tried on the target.",
    "behaviour": "The target's own answer shows it; the request and the answer are the evidence.",
    "callback": "The target contacted a listener of ours under a name that was used in one probe only.",
}
