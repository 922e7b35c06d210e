"""The A-F grade: a pure function of findings and coverage, with its whole arithmetic (docs/grade.md explains it).

Points are whole hundredths, so that sums are exact and order makes no difference. The steps of the sum form a chain
with rising limits: moving a finding to a worse step never lowers the total, and neither does adding one. The letter
is the worse of what the points earn and what the coverage allows. What was not tested can never be an A.
"""

from __future__ import annotations

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.scan import ScanStatus
from secrecon.report.coverage import REQUIRED, phases_missed
from secrecon.report.document import Cap, Coverage, Facts, Grade, ReportFinding, Step, Term
from secrecon.report.risk import BASE, EVIDENCE_PERCENT, exploitation, level_of, weight
from secrecon.report.text import count, listed

LETTERS = "ABCDF"
THRESHOLDS = (("A", 500), ("B", 2_000), ("C", 4_000), ("D", 8_000))
"""Letter, and the hundredths of a point that it stays below; from the last on it is F."""

VERSIONS_ALONE = 4_500
"""Hundredths that versions reach at most, however many CVEs name them: a D, since nothing was proven."""

BUCKETS: tuple[tuple[str, str, int | None], ...] = (
    ("low", "low severity", 1_500),
    ("banner", "version banner or sign alone, medium and above", 3_000),
    ("version", "version in an affected range alone, medium and above", VERSIONS_ALONE),
    ("medium", "medium severity", 6_000),
    ("serious", "high and critical severity", None),
)
"""The chain of the sum: bucket, its title, and the hundredths that the total may reach at most after it."""

WELL_COVERED = 0.9
HALF_COVERED = 0.5


def grade(facts: Facts, coverage: Coverage) -> Grade:
    """The grade of a report, with every term, step and cap."""
    terms = tuple(sorted((_term(finding) for finding in facts.counted), key=_term_order))
    steps = _steps(terms)
    points = round(steps[-1].total * 100)
    earned = _letter(points)
    caps = _caps(facts, coverage)
    limits = [cap.letter for cap in caps]
    letter = worst([earned, *limits])
    aside = tuple(finding for finding in facts.findings if finding.set_aside)
    every = _steps((*terms, *(_term(finding) for finding in aside)))
    undecided = worst([_letter(round(every[-1].total * 100)), *limits])
    words = f"{_words(letter, earned, points, caps)}{_decided(aside, undecided)}"
    return Grade(
        letter, earned, points / 100, terms, steps, caps, words, tuple(f.fingerprint for f in aside), undecided
    )


def _letter(points: int) -> str:
    """What so many hundredths of a point earn."""
    return next((letter for letter, below in THRESHOLDS if points < below), "F")


def _decided(aside: tuple[ReportFinding, ...], undecided: str) -> str:
    """What decisions keep out of the sum, and the letter without them: never told less loudly than the letter."""
    if not aside:
        return ""
    accepted = sum(finding.status is FindingStatus.ACCEPTED for finding in aside)
    parts = [count(accepted, "accepted risk")] if accepted else []
    if len(aside) > accepted:
        parts.append(count(len(aside) - accepted, "false positive"))
    verb = "is" if len(aside) == 1 else "are"
    return f" {' and '.join(parts)} {verb} not counted, by decision; counted, it would be {undecided}."


def worst(letters: list[str]) -> str:
    """The worst of some letters."""
    return max(letters, key=LETTERS.index)


def _term(finding: ReportFinding) -> Term:
    level = level_of(finding)
    return Term(
        fingerprint=finding.fingerprint,
        title=finding.title,
        place=finding.place,
        severity=finding.severity,
        base=float(BASE[finding.severity]),
        evidence_factor=EVIDENCE_PERCENT[level] / 100,
        confidence=round(finding.confidence_score * 100) / 100,
        exploitation_factor=exploitation(finding) / 100,
        points=weight(finding) / 100,
        bucket=_bucket(finding.severity, level),
    )


def _bucket(severity: Severity, level: EvidenceLevel) -> str:
    if severity.rank <= Severity.LOW.rank:
        return "low"
    if level is EvidenceLevel.BANNER:
        return "banner"
    if level is EvidenceLevel.VERSION_RANGE:
        return "version"
    return "medium" if severity is Severity.MEDIUM else "serious"


def _term_order(term: Term) -> tuple[float, int, str, str, str]:
    return -term.points, -term.severity.rank, term.title, term.place, term.fingerprint


def _steps(terms: tuple[Term, ...]) -> tuple[Step, ...]:
    steps = []
    total = 0
    for bucket, title, limit in BUCKETS:
        added = sum(round(term.points * 100) for term in terms if term.bucket == bucket)
        total = total + added if limit is None or total + added < limit else limit
        steps.append(Step(bucket, title, added / 100, None if limit is None else limit / 100, total / 100))
    return tuple(steps)


def _caps(facts: Facts, coverage: Coverage) -> tuple[Cap, ...]:
    """Every limit that the coverage sets, the hardest first."""
    if not coverage.tested:
        return (Cap("D", "nothing could be tested: no check got an answer from the target's web services"),)
    caps = [*_early_end(facts, coverage), *_thin_coverage(coverage)]
    if coverage.ssrf_gap:
        in_full = " in full" if facts.target_hits else ""
        caps.append(Cap("B", f"SSRF could not be tested{in_full}: {coverage.ssrf_gap}"))
    for area in coverage.areas:
        if area.area == "recon" and area.count.not_done:
            caps.append(Cap("B", f"not everything was looked at: {'; '.join(area.reasons)}"))
        if area.area not in REQUIRED or area.area == "ssrf":
            continue
        if not area.ran and (area.count.total == 0 or area.count.applicable):
            why = "; ".join(area.reasons) or "no check of it ran"
            caps.append(Cap("B", f"not tested: {area.title}: {why}"))
    if not facts.feeds:
        caps.append(Cap("B", "known vulnerabilities could not be matched: no vulnerability data was loaded"))
    return tuple(sorted(caps, key=lambda cap: (-LETTERS.index(cap.letter), cap.reason)))


def _early_end(facts: Facts, coverage: Coverage) -> list[Cap]:
    missed = phases_missed(coverage.not_run)
    after = f"; not run: {listed([str(phase) for phase in missed], 9)}" if missed else ""
    if facts.status is ScanStatus.ERROR:
        return [Cap("C", f"the scan ended in an error{after}")]
    if not facts.status.is_final:
        return [Cap("C", f"the scan is still {facts.status}{after}")]
    if facts.cancelled:
        return [Cap("C", f"the scan was cancelled{after}")]
    return [Cap("C", f"the scan did not reach its end{after}")] if missed else []


def _thin_coverage(coverage: Coverage) -> list[Cap]:
    ran = f"{coverage.assessing.done:,} of {count(coverage.assessing.applicable, 'check')} ran"
    if coverage.share < HALF_COVERED:
        return [Cap("C", f"less than half was tested: {ran}")]
    if coverage.share < WELL_COVERED:
        return [Cap("B", f"less than nine tenths were tested: {ran}")]
    return []


def _words(letter: str, earned: str, points: int, caps: tuple[Cap, ...]) -> str:
    below = dict(THRESHOLDS).get(earned)
    rule = f"F begins at {THRESHOLDS[-1][1] // 100}" if below is None else f"{earned} is below {below // 100}"
    if not caps or caps[0].letter != letter or earned == letter:
        return f"{letter}: the findings come to {points / 100:,.2f} points, and {rule}."
    return f"{letter} at best: {caps[0].reason}."
