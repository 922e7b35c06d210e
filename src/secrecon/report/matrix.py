"""Coverage as a picture and as lists: per asset and area, and per check, what ran, what did not, and why.

Pure, over the ledger that `coverage` has read. Bounded where assets are many: those with the largest gaps are shown,
the others counted. A cell is `done` only where everything that applies ran.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from secrecon.model.scan import Outcome
from secrecon.report.coverage import AREAS, count_lines
from secrecon.report.document import Coverage, CoverageCount, CoverageLine
from secrecon.report.text import count, listed

MOST_ROWS = 60
MOST_REASONS = 3
_SHORT = {
    "ssrf": "SSRF",
    "cve": "CVEs",
    "template": "Flaws",
    "exposure": "Files",
    "behaviour": "Redirects",
    "hygiene": "Headers",
    "tls": "TLS",
    "service": "Services",
    "dns": "DNS",
    "recon": "Discovery",
}
SHORT = {area: _SHORT.get(area, title.split()[0]) for area, title in AREAS.items()}
"""Names of areas that fit above a column."""
SIGNS = {"done": "\u2713", "not_tested": "\u2717", "not_applicable": "\u00b7", "not_run": ""}
"""What stands in a cell, so that it does not speak by colour alone; where a part ran, how much of it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One asset and area. `state` as of `CoverageCount`, or `not_run` where the ledger has nothing; `why` is "" when done."""

    area: str
    state: str
    words: str
    why: str
    sign: str


@dataclass(frozen=True, slots=True)
class Row:
    """One asset and its cells, in the order of the columns."""

    asset: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """`columns`: areas of which the ledger says anything. `left`: assets that are not among the rows."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    left: int

    @property
    def words(self) -> str:
        """The picture in one sentence, for whoever cannot see it."""
        states = Counter(cell.state for row in self.rows for cell in row.cells)
        told = (
            f"{count(len(self.rows), 'asset')} by {count(len(self.columns), 'area')}: "
            f"{states['done']:,} cells done, {states['partial']:,} partly, {states['not_tested']:,} not tested, "
            f"{states['not_applicable']:,} do not apply, {states['not_run']:,} not planned."
        )
        return told + (f" {count(self.left, 'more asset')} with smaller gaps not shown." if self.left else "")


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check over all assets. `missed`: on which it did not run, in words, "" for none; `why`: its reasons."""

    check: str
    area: str
    done: int
    applicable: int
    missed: str
    why: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What was tested in one area: `checks` different ones on `assets` assets ran."""

    title: str
    checks: int
    assets: int

    @property
    def words(self) -> str:
        return f"{self.title}: {count(self.checks, 'check')} on {count(self.assets, 'asset')}"


def matrix(coverage: Coverage, most_rows: int = MOST_ROWS) -> Matrix:
    """The picture: assets with the largest gaps first, then by name."""
    ordered = sorted(coverage.assets, key=lambda asset: (-asset.count.not_done, asset.asset))
    chosen = ordered[:most_rows]
    columns = tuple(area for area in AREAS if any(dict(a.cells)[area].total for a in chosen))
    named = {asset.asset for asset in chosen}
    lines: dict[tuple[str, str], list[CoverageLine]] = {}
    for entry in coverage.lines:
        if entry.asset in named and entry.applicable and entry.outcome is not Outcome.DONE:
            lines.setdefault((entry.asset, entry.area), []).append(entry)
    rows = tuple(
        Row(
            asset.asset,
            tuple(_cell(area, dict(asset.cells)[area], lines.get((asset.asset, area), [])) for area in columns),
        )
        for asset in chosen
    )
    return Matrix(columns, rows, len(ordered) - len(chosen))


def check_rows(coverage: Coverage) -> tuple[CheckRow, ...]:
    """Every check in the order of the areas, those that did not run everywhere first within one."""
    groups: dict[tuple[str, str], list[CoverageLine]] = {}
    for entry in coverage.lines:
        groups.setdefault((entry.area, entry.check), []).append(entry)
    rows = [_check_row(area, check, lines) for (area, check), lines in groups.items()]
    order = list(AREAS)
    return tuple(sorted(rows, key=lambda row: (order.index(row.area), row.done - row.applicable, row.check)))


def areas_tested(coverage: Coverage) -> tuple[Tested, ...]:
    """The list of what was tested, one entry for each area in which a check ran to its end."""
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for entry in coverage.lines:
        if entry.outcome is Outcome.DONE and entry.applicable:
            checks, assets = seen.setdefault(entry.area, (set(), set()))
            checks.add(entry.check)
            assets.add(entry.asset)
    return tuple(
        Tested(title, len(seen[area][0]), len(seen[area][1])) for area, title in AREAS.items() if area in seen
    )


def cell_words(counted: CoverageCount) -> str:
    """A count of checks in words that cannot be misread."""
    if counted.total == 0:
        return "no check ran"
    if counted.applicable == 0:
        return "does not apply"
    if counted.done == counted.applicable:
        return f"all {counted.done:,} ran" if counted.done > 1 else "ran"
    if counted.done == 0:
        return "not tested"
    return f"{counted.done:,} of {counted.applicable:,} ran"


def _cell(area: str, counted: CoverageCount, missed: list[CoverageLine]) -> Cell:
    state = counted.state if counted.total else "not_run"
    words = cell_words(counted) if counted.total else "not planned"
    return Cell(area, state, words, _why(missed), _share(counted) if state == "partial" else SIGNS[state])


def _share(counted: CoverageCount) -> str:
    """`3/4`; of many checks the percentage, rounded down so that a part never reads as all."""
    share = f"{counted.done}/{counted.applicable}"
    return share if len(share) <= 7 else f"{100 * counted.done // counted.applicable} %"


def _check_row(area: str, check: str, lines: list[CoverageLine]) -> CheckRow:
    counted = count_lines(lines)
    missed = [entry for entry in lines if entry.applicable and entry.outcome is not Outcome.DONE]
    return CheckRow(
        check,
        area,
        counted.done,
        counted.applicable,
        listed([entry.asset for entry in missed], 3) if missed else "",
        _why(missed),
    )


def _why(missed: list[CoverageLine]) -> str:
    reasons = Counter(entry.reason or "no reason was recorded" for entry in missed)
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return "; ".join(reason for reason, _ in ordered[:MOST_REASONS])
