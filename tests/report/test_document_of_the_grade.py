"""docs/grade.md tells the same numbers as the code."""

from __future__ import annotations

from pathlib import Path

from secrecon.model.confidence import DOUBTS, GROUNDS, MOST
from secrecon.report.coverage import ENOUGH_SHARE
from secrecon.report.grade import (
    BUCKETS,
    HALF_COVERED,
    THRESHOLDS,
    WELL_COVERED,
)
from secrecon.report.risk import BASE, EVIDENCE_PERCENT, KEV_PERCENT, LIKELY

TEXT = (Path(__file__).parents[2] / "docs" / "grade.md").read_text(encoding="utf-8")


def test_the_tables_are_the_code() -> None:
    for severity, base in BASE.items():
        assert f"| {severity} | {base} |" in TEXT
    for level, percent in EVIDENCE_PERCENT.items():
        assert f"| {level} | {percent / 100:.2f} |" in TEXT
    for letter, below in THRESHOLDS:
        assert f"| below {below // 100} | {letter} |" in TEXT
    for bucket, _, limit in BUCKETS:
        row = next(row for row in TEXT.splitlines() if row.startswith(f"| {bucket} | severity"))
        assert row.endswith("| no limit |" if limit is None else f"| {limit // 100} |")
    assert f"exploited vulnerabilities | {KEV_PERCENT / 100:.2f} |" in TEXT
    for floor, percent in LIKELY:
        assert f"| EPSS {floor} and more | {percent / 100:.2f} |" in TEXT


def test_the_shares_are_the_code() -> None:
    assert (HALF_COVERED, WELL_COVERED, ENOUGH_SHARE) == (0.5, 0.9, 0.8)
    for words in ("less than half", "less than nine tenths", "less than four fifths"):
        assert words in TEXT


def test_the_tables_of_confidence_are_the_code() -> None:
    part = TEXT.partition("\n## Confidence\n")[2].partition("\n## ")[0]
    rows = [row for row in part.splitlines() if row.startswith("| ") and "confidence |" not in row]
    proofs = [f"| {level} | {sure:.2f} | {words} |" for level, sure, words in GROUNDS.values()]
    fractions = {1 / 2: "half", 2 / 3: "two thirds"}
    doubts = [
        f"| {words} | {fractions[factor] if most == 1.0 else f'at most {most:.2f}'} |"
        for factor, most, words in DOUBTS.values()
    ]
    assert rows == [*proofs, *doubts]
    assert f"up to {max(MOST.values()):.2f} ({min(MOST.values()):.2f} for versions and signs" in part
