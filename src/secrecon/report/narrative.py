"""The report in plain English, written by rules: every number in it is counted from the data it is given.

It speaks of "nothing found in what was tested", never of a clean target; a version match is called a match, not a
proof. Sections name whom they are for, sentences the findings they speak of. No language model takes part here:
`report.prose` puts what one wrote in the place of some of this, after checking it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from secrecon.model.draft import Audience
from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.model.interaction import CallbackProtocol
from secrecon.model.scan import ScanMode, ScanStatus
from secrecon.report.causes import Cause, host_of, root_causes
from secrecon.report.coverage import phases_missed
from secrecon.report.document import Coverage, Facts, Grade, ReportFinding, Section, Sentence
from secrecon.report.text import count, day, listed

BOTH, DIRECTOR, ENGINEER = (str(who) for who in (Audience.BOTH, Audience.DIRECTOR, Audience.ENGINEER))
MOST_GROUPS = 12
MOST_DECISIONS = 6
BRIEF = 200
_MODES = {ScanMode.QUICK: "quick", ScanMode.FULL: "full"}


def tell(facts: Facts, coverage: Coverage, graded: Grade) -> tuple[Section, ...]:
    """The narrative of a scan, in reading order. Sections with nothing to say are left out."""
    sections = (
        Section("In short", BOTH, _in_short(facts, coverage, graded)),
        _for_director(facts, coverage),
        _for_engineer(facts),
        _callbacks(facts, coverage),
        _tested(facts, coverage),
        _grade(graded),
        _data(facts),
    )
    return tuple(section for section in sections if section.prose or section.points)


def _said(text: str, findings: Iterable[ReportFinding] = ()) -> Sentence:
    return Sentence(text, tuple(finding.id for finding in findings))


def _prose(*texts: str) -> tuple[tuple[Sentence, ...], ...]:
    """Paragraphs that speak of no finding in particular."""
    return tuple((Sentence(text),) for text in texts)


def as_text(sections: tuple[Section, ...]) -> str:
    """The narrative as plain text: underlined headings, paragraphs, dashes."""
    blocks = []
    for section in sections:
        blocks.append(f"{section.title}\n{'=' * len(section.title)}")
        blocks.extend(section.paragraphs)
        if section.bullets:
            blocks.append("\n".join(f"- {bullet}" for bullet in section.bullets))
    return "\n\n".join(blocks) + "\n"


def _in_short(facts: Facts, coverage: Coverage, graded: Grade) -> tuple[tuple[Sentence, ...], ...]:
    said = [_said(_opening(facts, coverage)), _said(_found(facts, coverage))]
    if facts.kev_count:
        said.append(_exploited(facts))
    said.extend(_proven(facts))
    said.append(_said(f"Grade {graded.words}"))
    if facts.changes:
        said.append(_said(_changed(facts)))
    return tuple((sentence,) for sentence in said)


def _changed(facts: Facts) -> str:
    """Why the report is not as it was when the scan ended: the newest reason, and how many there were before."""
    before = len(facts.changes) - 1
    more = f" It had changed {count(before, 'time')} before." if before else ""
    last = facts.changes[-1].rstrip(".")
    return f"This report has changed since the scan ended (version {facts.version}): {last}.{more}"


def _exploited(facts: Facts) -> Sentence:
    number = count(facts.kev_count, "finding is", "findings are")
    which = f"{number} in CISA's catalogue of known exploited vulnerabilities (KEV): attackers use such flaws today"
    known = [finding for finding in facts.findings if finding.is_kev]
    by_version = {EvidenceLevel.BANNER, EvidenceLevel.VERSION_RANGE}
    if all(finding.evidence_level in by_version for finding in known):
        return _said(f"{which}. Of what rests on a version number, confirm and update these first.", known)
    return _said(f"{which}.", known)


def _proven(facts: Facts) -> list[Sentence]:
    """What callbacks prove: a request where one came, only a lookup where nothing else did."""
    requested = {(hit.asset, hit.location) for hit in facts.target_hits if hit.protocol != CallbackProtocol.DNS}
    verified = [finding for finding in facts.counted if finding.oast_verified]
    fetched = [finding for finding in verified if (finding.asset, finding.location) in requested]
    looked_up = [finding for finding in verified if (finding.asset, finding.location) not in requested]
    told = []
    for found, what in (
        (fetched, "sent a request to our listener when asked to ({}). That is proof, not suspicion."),
        (looked_up, "looked our listener's name up when asked to ({}). That proves a lookup, not yet a request."),
    ):
        if found:
            who = "The target" if len(found) == 1 else f"In {len(found):,} cases the target"
            where = (
                found[0].place if len(found) == 1 else "on " + listed(_unique(host_of(f.asset) for f in found), 4)
            )
            told.append(_said(f"{who} {what.format(where)}", found))
    return told


def _opening(facts: Facts, coverage: Coverage) -> str:
    mode = _MODES[facts.scan_mode]
    if not facts.status.is_final:
        return f"This {mode} scan of {facts.subject} is still {facts.status}. What follows is what it has so far."
    when = f" on {day(facts.finished)}" if facts.finished else ""
    if facts.status is ScanStatus.ERROR:
        why = f": {facts.error}" if facts.error else ""
        return f"This {mode} scan of {facts.subject} ended in an error{when}{why.rstrip('.')}. It is not complete."
    if facts.cancelled:
        missed = listed([str(phase) for phase in phases_missed(coverage.not_run)], 9)
        not_run = f" These phases were not run: {missed}." if missed else ""
        return f"This {mode} scan of {facts.subject} was cancelled{when} before its end.{not_run}"
    took = f" It took {_duration(facts.seconds)} and {count(facts.requests, 'request')}." if facts.seconds else ""
    if not coverage.tested:
        return (
            f"{facts.subject} could not be tested: the {mode} scan ended{when} without an answer from its web services."
            f"{took} This report says nothing about whether the target is safe."
        )
    return f"SecRecon finished a {mode} scan of {facts.subject}{when}.{took}"


def _duration(seconds: float | None) -> str:
    whole = round(seconds or 0)
    if whole < 1:
        return "less than a second"
    if whole < 120:
        return count(whole, "second")
    return count(round(whole / 60), "minute")


def _found(facts: Facts, coverage: Coverage) -> str:
    total = len(facts.findings)
    if total == 0:
        if not coverage.tested:
            return "Nothing was found because nothing could be looked at."
        return (
            "Nothing was found in what was tested. That is a statement about the checks that ran, "
            "not about the ones that did not."
        )
    if total == dict(facts.severity_counts)[Severity.INFO]:
        return (
            f"No problem was found in what was tested. {count(total, 'note')} for information {_is(total)} listed."
        )
    return f"There {_is(total)} {count(total, 'finding')}{_by_severity(facts)}. {_certainty(facts)}".strip()


def _by_severity(facts: Facts) -> str:
    """`: 1 critical and 2 low`, or ` of high severity` where all have the same."""
    levels = [(level, number) for level, number in facts.severity_counts if number]
    if len(levels) == 1:
        return f"{', all' if levels[0][1] > 1 else ''} of {levels[0][0]} severity"
    return ": " + listed([f"{number:,} {level}" for level, number in levels])


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _certainty(facts: Facts) -> str:
    """How many findings are shown by the target itself, and how many rest on a version."""
    total = len(facts.findings)
    shown = sum(f.evidence_level in (EvidenceLevel.BEHAVIOUR, EvidenceLevel.CALLBACK) for f in facts.findings)
    confirm = "must be confirmed before anyone relies on"
    if shown == total:
        return (
            "It is shown by the target's own behaviour."
            if total == 1
            else "All are shown by the target's behaviour."
        )
    if not shown and total == 1:
        return f"It rests on a version number alone and {confirm} it."
    if not shown:
        return f"All rest on version numbers alone and {confirm} them."
    rest = total - shown
    rests, it = ("rests", "it") if rest == 1 else ("rest", "them")
    own = f"{shown:,} of them {_is(shown)} shown by the target's own behaviour"
    return f"{own}; {rest:,} {rests} on a version number alone and {confirm} {it}."


def _for_director(facts: Facts, coverage: Coverage) -> Section:
    title = "For the director"
    grave = [f for f in facts.counted if f.severity.rank >= Severity.HIGH.rank or f.is_kev]
    said: list[Sentence] = []
    points: list[Sentence] = []
    decision: tuple[Sentence, ...] = ()
    if coverage.gaps and coverage.tested:
        said.append(
            _said(f"{coverage.summary} What was not tested may hold problems that this report cannot show.")
        )
    closed = [f for f in facts.findings if not f.counts]
    if closed:
        verb = "was" if len(closed) == 1 else "were"
        number = count(len(closed), "finding")
        said.append(
            _said(
                f"{number} {verb} closed as fixed, accepted or false and {_is(len(closed))} not counted in the grade.",
                closed,
            )
        )
    if grave:
        causes = root_causes(grave)
        decision = (
            _said(_decision(grave), grave),
            _said(f"What to decide, worst first ({count(len(causes), 'cause')}):"),
        )
        points = [_for_decision(cause) for cause in causes[:MOST_DECISIONS]]
        if len(causes) > MOST_DECISIONS:
            left = count(len(causes) - MOST_DECISIONS, "more cause")
            rest = [finding for cause in causes[MOST_DECISIONS:] for finding in cause.findings]
            points.append(_said(f"{left}: listed below, under what to fix first.", rest))
    elif facts.counted and any(f.severity is not Severity.INFO for f in facts.counted):
        said.append(
            _said(
                "Nothing found calls for an emergency. The findings are worth a place in the normal plan of work."
            )
        )
    elif coverage.tested:
        what = "What is still open calls for no action" if closed else "Nothing found calls for action"
        said.append(_said(f"{what}. Read below what was not tested before relying on this."))
    else:
        said.append(
            _said("There is no result to act on. Make the target reachable for the scanner and scan again.")
        )
    prose = (*((sentence,) for sentence in said), *((decision,) if decision else ()))
    return Section(title, DIRECTOR, prose, tuple(points))


def _decision(grave: list[ReportFinding]) -> str:
    """How many serious findings there are, and how certain they are."""
    shown = sum(f.evidence_level in (EvidenceLevel.BEHAVIOUR, EvidenceLevel.CALLBACK) for f in grave)
    which = "critical or high"
    if any(finding.severity.rank < Severity.HIGH.rank for finding in grave):
        which = "critical, high or known to be exploited"
    number = count(len(grave), f"serious finding ({which}) needs", f"serious findings ({which}) need")
    if shown == len(grave):
        certain = "shown by the target itself"
    elif not shown:
        certain = "by version number alone: confirm before acting"
    else:
        certain = f"{shown:,} shown by the target itself, {len(grave) - shown:,} by version number alone"
    return f"{number} a decision now ({certain})."


def _for_decision(cause: Cause) -> Sentence:
    first = cause.findings[0]
    impact = _first(cause.impact or first.impact) or _first(cause.description or first.description)
    where = listed(cause.hosts, 4)
    return _said(f"{cause.title} ({where}; {cause.basis}). {impact}".strip(), cause.findings)


def _for_engineer(facts: Facts) -> Section:
    causes = root_causes(f for f in facts.counted if f.severity is not Severity.INFO)
    points = [_task(cause) for cause in causes[:MOST_GROUPS]]
    prose: tuple[tuple[Sentence, ...], ...] = ()
    if causes:
        whole = sum(len(cause.findings) for cause in causes)
        apart = (
            " (notes for information and what was closed are not counted)" if whole < len(facts.findings) else ""
        )
        prose = _prose(
            f"{count(whole, 'finding')}{apart} with {count(len(causes), 'root cause')}, worst first. "
            "Every finding carries its evidence below.",
        )
    left = len(causes) - MOST_GROUPS
    if left > 0:
        rest = [finding for cause in causes[MOST_GROUPS:] for finding in cause.findings]
        more = f"{count(left, 'more root cause')} of lower rank with {count(len(rest), 'finding')}"
        points.append(_said(f"{more}: see the list of findings.", rest))
    return Section("For the engineer", ENGINEER, prose, tuple(points))


def _task(cause: Cause) -> Sentence:
    known = ", known to be exploited" if cause.is_kev else ""
    times = f", {cause.times}" if len(cause.findings) > 1 else ""
    fix = _first(cause.fix or cause.findings[0].remediation)
    if cause.is_product and not cause.fix:
        fix = "Each finding names the version that fixes it; take the newest of them."
    told = f"{cause.title} [{cause.severity}{known}{times}] at {cause.where}: {cause.basis}. {fix}".strip()
    return _said(told, cause.findings)


def _points(texts: Iterable[str]) -> tuple[Sentence, ...]:
    """Points that speak of no finding in particular."""
    return tuple(Sentence(text) for text in texts)


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _first(text: str) -> str:
    """The first sentences of a text, as one line of about two hundred characters."""
    told = ""
    for sentence in " ".join(text.strip().split("\n\n", 1)[0].split()).split(". "):
        if told and len(told) + len(sentence) > BRIEF:
            return told + "."
        told += (". " if told else "") + sentence
    return told


def _callbacks(facts: Facts, coverage: Coverage) -> Section:
    paragraphs = []
    hits = facts.target_hits
    if hits:
        http = sum(hit.protocol in ("http", "https") for hit in hits)
        dns = sum(hit.protocol == "dns" for hit in hits)
        counts = ((http, "HTTP"), (dns, "DNS"), (len(hits) - http - dns, "mail or LDAP"))
        kinds = [f"{number:,} {name}" for number, name in counts if number]
        paragraphs.append(
            f"The listener received {count(len(hits), 'callback')} from the target ({listed(kinds)}). "
            "An HTTP callback proves that the target fetches what it is told to; "
            "a DNS callback alone proves only that it looked a name up."
        )
    own = len(facts.hits) - len(hits)
    if own:
        verb = "was" if own == 1 else "were"
        paragraphs.append(f"{count(own, 'further hit')} {verb} our own self-test or resolver and proved nothing.")
    if coverage.ssrf_gap:
        silence = "" if "silence" in coverage.ssrf_gap.lower() else " Silence there is no good news."
        paragraphs.append(f"SSRF could not be tested in full: {coverage.ssrf_gap}.{silence}")
    elif not hits:
        paragraphs.append(
            "No callback came from the target, and the self-test showed that one could have reached the listener."
        )
    return Section("Callbacks (SSRF)", BOTH, _prose(*paragraphs))


def _tested(facts: Facts, coverage: Coverage) -> Section:
    seen = [
        count(len(facts.services), "service"),
        count(facts.pages, "page"),
        count(facts.inputs, "request that takes input", "requests that take input"),
        count(len(facts.technologies), "technology", "technologies"),
    ]
    paragraphs = [f"The scan saw {listed(seen)}. {coverage.summary}"]
    if facts.scan_mode is ScanMode.QUICK:
        paragraphs.append(
            "A quick scan looks neither for subdomains nor for other ports, and verifies no CVE actively; a full scan does."
        )
    return Section("What was tested, and what was not", BOTH, _prose(*paragraphs), _points(coverage.gaps))


def _grade(graded: Grade) -> Section:
    text = f"The findings add up to {graded.points:,.2f} points, which alone would give {graded.earned}."
    heaviest = _heaviest(graded)
    if heaviest:
        text += f" The heaviest: {listed(heaviest)}."
    caps = _points(f"{cap.letter} at best: {cap.reason}." for cap in graded.caps)
    return Section("How the grade comes about", BOTH, _prose(text), caps)


def _heaviest(graded: Grade) -> list[str]:
    """The three kinds of finding that weigh most one by one; the same words and points are told once."""
    alike = Counter((term.title, term.points) for term in graded.terms if term.points > 0)
    return [
        f"{title} ({number:,} × {points:.2f})" if number > 1 else f"{title} ({points:.2f})"
        for (title, points), number in list(alike.items())[:3]
    ]


def _data(facts: Facts) -> Section:
    engine = f"Engine {facts.engine_version}, rule set {facts.rules_digest[:12]}. Report version {facts.version}."
    if not facts.feeds:
        return Section(
            "Data used",
            ENGINEER,
            _prose(
                "No vulnerability data was loaded, so no version was matched against known vulnerabilities.", engine
            ),
        )
    points = _points(
        f"{feed.name}, as of {feed.date}: {count(feed.rows, 'record')}{f' ({feed.note})' if feed.note else ''}"
        for feed in facts.feeds
    )
    paragraphs = [
        "Versions were matched against the data below and nothing newer. "
        "A vulnerability published later, or missing from this data, could not be found."
    ]
    if any("curated" in f"{feed.name} {feed.note}".lower() for feed in facts.feeds):
        paragraphs.append("Part of this data is a curated core, not the whole catalogue of known vulnerabilities.")
    return Section("Data used", ENGINEER, _prose(*paragraphs, engine), points)
