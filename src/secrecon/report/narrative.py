"""The report in plain English, written by rules: every number in it is counted from the data it is given.

It speaks of "nothing found in what was tested", never of a clean target; a version match is called a match, not a
proof. Sections name whom they are for. No language model takes part; `narrative_source` is "deterministic".
"""

from __future__ import annotations

from collections.abc import Iterable

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.interaction import CallbackProtocol
from secrecon.model.scan import ScanMode, ScanStatus
from secrecon.report.coverage import phases_missed
from secrecon.report.document import Coverage, Facts, Grade, ReportFinding, Section
from secrecon.report.text import count, day, listed

BOTH, DIRECTOR, ENGINEER = "both", "director", "engineer"
MOST_GROUPS = 12
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
    return tuple(section for section in sections if section.paragraphs or section.bullets)


def as_text(sections: tuple[Section, ...]) -> str:
    """The narrative as plain text: underlined headings, paragraphs, dashes."""
    blocks = []
    for section in sections:
        blocks.append(f"{section.title}\n{'=' * len(section.title)}")
        blocks.extend(section.paragraphs)
        if section.bullets:
            blocks.append("\n".join(f"- {bullet}" for bullet in section.bullets))
    return "\n\n".join(blocks) + "\n"


def _in_short(facts: Facts, coverage: Coverage, graded: Grade) -> tuple[str, ...]:
    paragraphs = [_opening(facts, coverage), _found(facts, coverage)]
    kev = facts.kev_count
    if kev:
        which = f"{count(kev, 'finding is', 'findings are')} in CISA's catalogue of known exploited vulnerabilities"
        paragraphs.append(
            f"{which} (KEV): attackers use such flaws today, so they come before others of their rank."
        )
    paragraphs.extend(_proven(facts))
    paragraphs.append(f"Grade {graded.words}")
    return tuple(paragraphs)


def _proven(facts: Facts) -> list[str]:
    """What callbacks prove: a request where one came, only a lookup where nothing else did."""
    requested = {(hit.asset, hit.location) for hit in facts.target_hits if hit.protocol == CallbackProtocol.HTTP}
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
            told.append(f"{who} {what.format(listed(_unique(f.place for f in found), 4))}")
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
    by_level = [f"{number:,} {level}" for level, number in facts.severity_counts if number]
    if total == dict(facts.severity_counts)[Severity.INFO]:
        return (
            f"No problem was found in what was tested. {count(total, 'note')} for information {_is(total)} listed."
        )
    return f"There {_is(total)} {count(total, 'finding')}: {listed(by_level)}. {_certainty(facts)}".strip()


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
    grave = [f for f in facts.counted if f.severity.rank >= Severity.HIGH.rank]
    paragraphs: list[str] = []
    bullets: list[str] = []
    if coverage.gaps and coverage.tested:
        paragraphs.append(f"{coverage.summary} What was not tested may hold problems that this report cannot show.")
    closed = [f for f in facts.findings if f.status in (FindingStatus.FALSE_POSITIVE, FindingStatus.FIXED)]
    if closed:
        verb = "was" if len(closed) == 1 else "were"
        paragraphs.append(
            f"{count(len(closed), 'finding')} {verb} closed as fixed or false and {_is(len(closed))} not counted in the grade."
        )
    if grave:
        number = count(len(grave), "serious finding needs", "serious findings need")
        paragraphs.append(f"{number} a decision now. In order of urgency:")
        for group in _groups(grave)[:3]:
            impact = _first(group[0].impact) or _first(group[0].description)
            bullets.append(f"{group[0].title} ({_where(group)}). {impact}".strip())
    elif facts.counted and any(f.severity is not Severity.INFO for f in facts.counted):
        paragraphs.append(
            "Nothing found calls for an emergency. The findings are worth a place in the normal plan of work."
        )
    elif coverage.tested:
        paragraphs.append("Nothing found calls for action. Read below what was not tested before relying on this.")
    else:
        paragraphs.append("There is no result to act on. Make the target reachable for the scanner and scan again.")
    return Section(title, DIRECTOR, tuple(paragraphs), tuple(bullets))


def _for_engineer(facts: Facts) -> Section:
    groups = _groups([f for f in facts.counted if f.severity is not Severity.INFO])
    bullets = [_task(group) for group in groups[:MOST_GROUPS]]
    paragraphs: tuple[str, ...] = ()
    if groups:
        paragraphs = (
            f"{count(len(groups), 'thing')} to fix, worst first. Each finding carries its evidence below.",
        )
    left = sum(len(group) for group in groups[MOST_GROUPS:])
    if left:
        bullets.append(f"{count(left, 'more finding')} of lower rank: see the list of findings.")
    return Section("For the engineer", ENGINEER, paragraphs, tuple(bullets))


def _task(group: tuple[ReportFinding, ...]) -> str:
    first = group[0]
    known = ", known to be exploited" if any(f.is_kev for f in group) else ""
    basis = {
        EvidenceLevel.BANNER: "version banner only, a distribution may have fixed it: confirm first",
        EvidenceLevel.VERSION_RANGE: "version is in the affected range: confirm, then update",
        EvidenceLevel.BEHAVIOUR: "shown by the target's behaviour",
        EvidenceLevel.CALLBACK: "proven by a callback",
    }[first.evidence_level]
    fix = _first(first.remediation)
    return f"{first.title} [{first.severity}{known}] at {_where(group)}: {basis}. {fix}".strip()


def _groups(findings: list[ReportFinding]) -> list[tuple[ReportFinding, ...]]:
    """Findings that are the same thing in several places, in the order of their worst one."""
    groups: dict[tuple[str, str, str], list[ReportFinding]] = {}
    for finding in findings:
        groups.setdefault((finding.check, finding.title, finding.severity), []).append(finding)
    return [tuple(group) for group in groups.values()]


def _where(group: tuple[ReportFinding, ...]) -> str:
    return listed(_unique(finding.place for finding in group), 3)


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
        http = sum(hit.protocol == "http" for hit in hits)
        kinds = [
            text for text in (http and f"{http:,} HTTP", len(hits) - http and f"{len(hits) - http:,} DNS") if text
        ]
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
        paragraphs.append(f"SSRF could not be tested in full: {coverage.ssrf_gap}. Silence there is no good news.")
    elif not hits:
        paragraphs.append(
            "No callback came from the target, and the self-test showed that one could have reached the listener."
        )
    return Section("Callbacks (SSRF)", BOTH, tuple(paragraphs))


def _tested(facts: Facts, coverage: Coverage) -> Section:
    seen = [
        count(len(facts.services), "service"),
        count(facts.pages, "page"),
        count(facts.inputs, "request that takes input", "requests that take input"),
        count(len(facts.technologies), "technology", "technologies"),
    ]
    paragraphs = [f"The scan met {listed(seen)}. {coverage.summary}"]
    if facts.scan_mode is ScanMode.QUICK:
        paragraphs.append(
            "A quick scan looks neither for subdomains nor for other ports, and verifies no CVE actively; a full scan does."
        )
    return Section("What was tested, and what was not", BOTH, tuple(paragraphs), coverage.gaps)


def _grade(graded: Grade) -> Section:
    heaviest = [term for term in graded.terms if term.points > 0][:3]
    text = f"The findings add up to {graded.points:.2f} points, which alone would give {graded.earned}."
    if heaviest:
        weights = [f"{term.title} at {term.place} ({term.points:.2f})" for term in heaviest]
        text += f" The heaviest: {listed(weights)}."
    caps = tuple(f"{cap.letter} at best: {cap.reason}." for cap in graded.caps)
    return Section("How the grade comes about", BOTH, (text,), caps)


def _data(facts: Facts) -> Section:
    engine = f"Engine {facts.engine_version}, rule set {facts.rules_digest[:12]}. Report version {facts.version}."
    if not facts.feeds:
        return Section(
            "Data used",
            ENGINEER,
            ("No vulnerability data was loaded, so no version was matched against known vulnerabilities.", engine),
        )
    bullets = tuple(
        f"{feed.name}, as of {feed.date}: {count(feed.rows, 'record')}{f' ({feed.note})' if feed.note else ''}"
        for feed in facts.feeds
    )
    paragraphs = [
        "Versions were matched against the data below and nothing newer. "
        "A vulnerability published later, or missing from this data, could not be found."
    ]
    if any("curated" in f"{feed.name} {feed.note}".lower() for feed in facts.feeds):
        paragraphs.append("Part of this data is a curated core, not the whole catalogue of known vulnerabilities.")
    return Section("Data used", ENGINEER, (*paragraphs, engine), bullets)
