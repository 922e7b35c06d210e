"""The verdict for pipelines: which exit code a report means at a threshold.

0: nothing at the threshold, and enough was tested to say so. 1: findings at the threshold. 2: could not test enough.
A finding at the threshold outranks thin coverage, because it is certain; a grade that only coverage lowered is 2,
because nothing was found that would explain it. What a person accepted or closed does not fail a pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.errors import BadInput
from secrecon.model.finding import Severity
from secrecon.report.document import Report
from secrecon.report.grade import LETTERS

CLEAN, FOUND, NOT_ENOUGH_TESTED = 0, 1, 2
_CHOICES = ("critical", "high", "medium", "low", "kev", "grade:B", "grade:C", "grade:D", "grade:F")


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
    raise BadInput(f"unknown threshold {text!r}: write one of {', '.join(_CHOICES)}", "fail_on")


def exit_code(report: Report, fail_on: FailOn | None) -> int:
    """0 clean, 1 findings at the threshold, 2 could not test enough. Without a threshold nothing counts as found.

    Enough was tested when the scan came to its end uncancelled, at least one check got an answer from the target,
    and at least four fifths of the checks that apply ran.
    """
    if fail_on is not None:
        if _found(report, fail_on):
            return FOUND
        if fail_on.grade and _reached(report.grade.letter, fail_on.grade):
            return NOT_ENOUGH_TESTED
    return CLEAN if report.coverage.enough else NOT_ENOUGH_TESTED


def _found(report: Report, fail_on: FailOn) -> bool:
    if fail_on.grade:
        return _reached(report.grade.earned, fail_on.grade)
    standing = report.facts.counted
    if fail_on.kev:
        return any(finding.is_kev for finding in standing)
    least = fail_on.severity
    return least is not None and any(finding.severity.rank >= least.rank for finding in standing)


def _reached(letter: str, threshold: str) -> bool:
    return LETTERS.index(letter) >= LETTERS.index(threshold)
