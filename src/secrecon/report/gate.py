"""The verdict for pipelines: which exit code a report means at a threshold.

0: nothing at the threshold, and enough was tested to say so. 1: findings at the threshold. 2: could not test enough.
A finding at the threshold outranks thin coverage, because it is certain; a grade that only coverage lowered is 2,
because nothing was found that would explain it. What a person accepted or closed does not fail a pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.errors import BadInput
from secrecon.model.finding import Severity
from secrecon.report.baseline import Baseline, is_new
from secrecon.report.document import Report, ReportFinding
from secrecon.report.grade import LETTERS
from secrecon.report.text import count

CLEAN, FOUND, NOT_ENOUGH_TESTED = 0, 1, 2
THRESHOLDS = ("critical", "high", "medium", "low", "kev", "grade:B", "grade:C", "grade:D", "grade:F")


@dataclass(frozen=True, slots=True)
class FailOn:
    """A threshold: exactly one of a severity, KEV membership, or a letter (this grade or worse fails)."""

    severity: Severity | None = None
    kev: bool = False
    grade: str = ""


def parse_fail_on(text: str) -> FailOn:
    """Read `critical|high|medium|low|kev|grade:C`. Raises BadInput naming what can be written."""
    word = text.strip().lower()
    if word == "kev":
        return FailOn(kev=True)
    if word in ("critical", "high", "medium", "low"):
        return FailOn(severity=Severity(word))
    letter = word.removeprefix("grade:").upper()
    if word.startswith("grade:") and len(letter) == 1 and letter in LETTERS[1:]:
        return FailOn(grade=letter)
    raise BadInput(f"unknown threshold {text!r}: write one of {', '.join(THRESHOLDS)}", "fail_on")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pipeline is told. `at_threshold`: findings that fail it; `known`: those that a baseline already had."""

    exit_code: int
    words: str
    at_threshold: tuple[ReportFinding, ...]
    known: int


def judge(report: Report, fail_on: FailOn | None, baseline: Baseline | None = None) -> Verdict:
    """The verdict at a threshold; without one nothing counts as found. With a baseline only new findings fail.

    Enough was tested when the scan came to its end uncancelled, at least one check got an answer from the target,
    and at least four fifths of the checks that apply ran. Raises BadInput for a letter with a baseline, because a grade is of
    all findings.
    """
    if fail_on is not None and fail_on.grade and baseline is not None:
        raise BadInput(
            "a baseline goes with critical, high, medium, low or kev: a grade is of all findings", "baseline"
        )
    found: tuple[ReportFinding, ...] = ()
    known = 0
    if fail_on is not None and not fail_on.grade:
        reached = [finding for finding in report.facts.counted if _at(finding, fail_on)]
        found = tuple(f for f in reached if baseline is None or is_new(f, baseline, fail_on.severity))
        known = len(reached) - len(found)
    code = _code(report, fail_on, bool(found))
    return Verdict(code, _words(report, code, found, known, baseline is not None), found, known)


def exit_code(report: Report, fail_on: FailOn | None, baseline: Baseline | None = None) -> int:
    """0 clean, 1 findings at the threshold, 2 could not test enough: see `judge`."""
    return judge(report, fail_on, baseline).exit_code


def _code(report: Report, fail_on: FailOn | None, found: bool) -> int:
    if found or (fail_on is not None and fail_on.grade and _reached(report.grade.earned, fail_on.grade)):
        return FOUND
    if fail_on is not None and fail_on.grade and _reached(report.grade.letter, fail_on.grade):
        return NOT_ENOUGH_TESTED
    return CLEAN if report.coverage.enough else NOT_ENOUGH_TESTED


def _at(finding: ReportFinding, fail_on: FailOn) -> bool:
    if fail_on.severity is None:
        return finding.is_kev
    return finding.severity.rank >= fail_on.severity.rank


def _words(report: Report, code: int, found: tuple[ReportFinding, ...], known: int, compared: bool) -> str:
    """The verdict for a log. No word of a target is in it, so that no log takes it for a command."""
    new = "new " if compared else ""
    already = f" ({known:,} more known from the baseline)" if known else ""
    if code == FOUND:
        if not found:
            return f"The points of the findings earn grade {report.grade.earned}."
        return f"{count(len(found), f'{new}finding')} at the threshold{already}."
    told = f"{count(0, f'{new}finding')} at the threshold{already}".capitalize()
    if code == NOT_ENOUGH_TESTED:
        return f"Could not test enough to say: {told[0].lower()}{told[1:]}, {_share(report)}. The coverage says what and why."
    return f"{told}, {_share(report)}."


def _share(report: Report) -> str:
    counted = report.coverage.assessing
    return f"{counted.done:,} of {counted.applicable:,} checks ran"


def _reached(letter: str, threshold: str) -> bool:
    return LETTERS.index(letter) >= LETTERS.index(threshold)
