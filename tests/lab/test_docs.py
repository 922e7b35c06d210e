"""docs/lab.md lists exactly what truth.yaml lists, and the traps that exist."""

from __future__ import annotations

from pathlib import Path

from secrecon.lab.hosts import crawl, hazards, members, ssrf_graph
from secrecon.lab.truth import read_truth_file

DOCS = Path(__file__).parents[2] / "docs" / "lab.md"
FILE = read_truth_file()


def _rows() -> list[list[str]]:
    lines = DOCS.read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def _short(host: str) -> str:
    return f"`{host.removesuffix('.acme.test')}`"


def test_every_expected_finding_has_its_row_and_no_other_row_exists() -> None:
    told = {(r[0], r[1], r[2], r[3]) for r in _rows() if len(r) == 5 and r[0] != "check"}
    true = {
        (
            f"`{e.check}`",
            _short(e.host),
            " or ".join(f"`{place}`" for place in e.locations) if any(e.locations) else "whole host",
            e.about,
        )
        for e in FILE.expected
    }
    assert told == true


def test_the_twins_column_is_right() -> None:
    for row in _rows():
        if len(row) != 5 or not row[0].startswith("`") or row[0] == "`dns.zone-transfer`":
            continue
        twins = [
            _short(t.host)
            for t in FILE.twins
            if _short(t.twin_of) == row[1] and (row[0].strip("`") in t.checks or not t.checks)
        ]
        assert row[4] == (", ".join(twins) or "–"), row


def test_every_twin_has_its_row() -> None:
    told = {tuple(r) for r in _rows() if len(r) == 3 and r[0] != "twin"}
    true = {(_short(t.host), _short(t.twin_of), t.about) for t in FILE.twins if t.host != t.twin_of}
    assert told == true


def test_every_trap_is_told() -> None:
    rows = [r[0].strip("`") for r in _rows() if len(r) == 2]
    assert {*crawl.TRAPS, *hazards.TRAPS, *members.TRAPS, *ssrf_graph.TRAPS} <= set(rows)
