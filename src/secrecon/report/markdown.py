"""The report as Markdown (CommonMark with GitHub's tables) for issue trackers and wikis.

Outside text is escaped so that it can start no markup, link, image or HTML; evidence goes into fenced blocks whose
fence is longer than any run of backticks inside.
"""

from __future__ import annotations

from collections.abc import Iterable

from secrecon.report.causes import root_causes
from secrecon.report.document import EvidenceItem, Report, ReportFinding
from secrecon.report.matrix import areas_tested
from secrecon.report.risk import arithmetic
from secrecon.report.since import MEANING, TITLE, made_with, rows, summary
from secrecon.report.text import count, listed

_SPECIAL = {ord(c): "\\" + c for c in "\\`*_[]|~$@"} | {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;"}
_BLOCK_STARTS = "#+-=:"
MOST_CHANGES = 1_000


def to_markdown(report: Report) -> bytes:
    """The whole report, narrative first, then what to fix first, findings, coverage, arithmetic and callbacks."""
    facts = report.facts
    number = f"· report {facts.db_scan_id}, version {facts.version} " if facts.db_scan_id else ""
    parts = [
        f"# Security report: {escape(facts.subject)}",
        f"**Grade {report.risk_score}** · {count(len(facts.findings), 'finding')} {number}"
        f"· {facts.scan_mode} scan · finished {facts.finished or 'not yet'}",
    ]
    for section in report.narrative:
        parts.append(f"## {escape(section.title)}")
        parts.extend(escape(paragraph) for paragraph in section.paragraphs)
        parts.append("\n".join(f"- {escape(bullet)}" for bullet in section.bullets))
    parts.append(f"*{escape(report.narrative_note)}*")
    parts.extend(["## What to fix first", _causes(report)] if facts.findings else [])
    parts.append("## Findings")
    parts.extend(_finding(finding) for finding in facts.findings)
    if not facts.findings:
        parts.append(_nothing(report))
    parts.extend([f"## {TITLE}", *_since(report)])
    parts.extend(["## Coverage", _coverage(report), "## Grade arithmetic", _grade(report)])
    parts.extend(["## Callbacks", _hits(report)])
    return ("\n\n".join(part for part in parts if part) + "\n").encode("utf-8")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no link of its own, no list, heading or rule."""
    shown = " ".join(text.split()).translate(_SPECIAL)
    shown = shown.replace("://", ":\\//")
    for www in ("www.", "WWW."):
        shown = shown.replace(www, www[:3] + "\\.")
    if shown[:1] in _BLOCK_STARTS and shown:
        return "\\" + shown
    digits = len(shown) - len(shown.lstrip("0123456789"))
    if digits and shown[digits : digits + 1] in (".", ")"):
        return f"{shown[:digits]}\\{shown[digits:]}"
    return shown


def fenced(text: str) -> str:
    """Text as a fenced block that it cannot leave."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _causes(report: Report) -> str:
    rows = [
        (
            cause.title,
            str(cause.severity),
            f"{len(cause.findings):,}",
            listed(cause.hosts, 4),
            cause.basis + ("; known to be exploited" if cause.is_kev else ""),
        )
        for cause in root_causes(report.facts.findings)
    ]
    return _table(("What", "Severity", "Findings", "Where", "How we know"), rows)


def _since(report: Report) -> Iterable[str]:
    yield escape(summary(report.since))
    if report.since.difference is None:
        return
    yield "\n".join(f"- {escape(words)}" for words in made_with(report.since))
    changed, left = rows(report.since, MOST_CHANGES)
    if changed:
        yield _table(
            ("Change", "Severity", "What", "Where", "Why"),
            [(row.change, row.severity, row.title, row.place, row.why) for row in changed],
        )
        yield f"{count(left, 'more change')}: see the JSON export." if left else ""
        yield escape(MEANING)


def _nothing(report: Report) -> str:
    if not report.coverage.tested:
        return "Nothing was found because nothing could be looked at."
    parts = ["Nothing was found in what was tested. What was tested:"]
    parts.append("\n".join(f"- {escape(entry.words)}" for entry in areas_tested(report.coverage)))
    if report.coverage.gaps:
        parts.append("What was not tested:")
        parts.append("\n".join(f"- {escape(gap)}" for gap in report.coverage.gaps))
    return "\n\n".join(parts)


def _finding(finding: ReportFinding) -> str:
    rows = [
        ("Severity", str(finding.severity)),
        ("Where", finding.place),
        ("CVE", finding.cve_id or ""),
        ("KEV", finding.kev_status or ""),
        ("CISA due date", finding.threat.kev_due),
        ("Confidence", f"{finding.confidence_score:.2f} ({finding.evidence_level})"),
        ("Verified by callback", "yes" if finding.oast_verified else "no"),
        ("CVSS", _cvss(finding)),
        ("EPSS", "" if finding.epss is None else f"{finding.epss:.5f}"),
        ("SSVC", finding.threat.ssvc_points or finding.ssvc or ""),
        ("Risk", arithmetic(finding)),
        ("CWE", " ".join(finding.cwe)),
        ("Status", f"{finding.status}, first seen {finding.first_seen}"),
        ("Decision", "" if finding.triage is None else finding.triage.words),
        ("Fingerprint", finding.fingerprint),
    ]
    parts = [
        f"### {escape(finding.title)}",
        _table(("Field", "Value"), [row for row in rows if row[1]]),
        escape(finding.description),
        f"**Impact.** {escape(finding.impact)}" if finding.impact else "",
        f"**Fix.** {escape(finding.remediation)}" if finding.remediation else "",
        *(_evidence(item) for item in finding.evidence),
        "\n".join(f"- {escape(url)}" for url in finding.references),
    ]
    return "\n\n".join(part for part in parts if part)


def _cvss(finding: ReportFinding) -> str:
    score = "" if finding.cvss_score is None else f"{finding.cvss_score:.1f}"
    return f"{score} {finding.cvss_vector or ''}".strip()


def _evidence(item: EvidenceItem) -> str:
    parts = [f"**Evidence ({escape(item.kind)}).** {escape(item.summary)}"]
    if item.matcher:
        parts.append(f"What proves it: {escape(item.matcher)}")
    for title, text in (
        ("Request", item.request),
        ("Response", item.response),
        ("Callback", item.callback),
        ("Replay", item.curl),
    ):
        if text:
            parts.append(f"{title}:\n\n{fenced(text)}")
    return "\n\n".join(parts)


def _coverage(report: Report) -> str:
    rows = [
        (
            area.title,
            area.state.replace("_", " "),
            f"{area.count.done} of {area.count.applicable}",
            "; ".join(area.reasons),
            "; ".join(area.next_steps),
        )
        for area in report.coverage.areas
    ]
    return (
        report.coverage.summary
        + "\n\n"
        + _table(("Area", "State", "Checks run", "Why not", "What to do next"), rows)
    )


def _grade(report: Report) -> str:
    graded = report.grade
    header = ("Finding", "Base", "Evidence", "Confidence", "Attacks", "Points")
    terms = [
        (
            f"{term.title} at {term.place}",
            f"{term.base:g}",
            f"{term.evidence_factor:g}",
            f"{term.confidence:.2f}",
            f"{term.exploitation_factor:g}",
            f"{term.points:.2f}",
        )
        for term in graded.terms
    ]
    steps = [
        (
            step.title,
            f"{step.added:,.2f}",
            "none" if step.limit is None else f"{step.limit:,.2f}",
            f"{step.total:,.2f}",
        )
        for step in graded.steps
    ]
    caps = "\n".join(f"- {cap.letter} at best: {escape(cap.reason)}" for cap in graded.caps)
    parts = [escape(graded.words), _table(header, terms) if terms else "No finding adds points."]
    parts.extend([_table(("Step", "Adds", "Total is at most", "Total"), steps), caps])
    return "\n\n".join(part for part in parts if part)


def _hits(report: Report) -> str:
    if not report.facts.hits:
        return "The listener received no callback."
    rows = [
        (
            hit.at,
            hit.protocol.upper(),
            hit.remote_address,
            f"{hit.asset} {hit.location}",
            "ours" if hit.own else "target",
        )
        for hit in report.facts.hits
    ]
    return _table(("Time", "Protocol", "From", "Probe", "Whose"), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines.extend("| " + " | ".join(escape(cell) or " " for cell in row) + " |" for row in rows)
    return "\n".join(lines)
