"""Many ledger lines of templates, told together without losing one: thousands of templates on dozens of assets are hundreds
of thousands of lines, and nearly all of them say the same.

Checks that came to the same on the same assets are one crowd. Which check, on which asset, with which outcome and why stays
exact; only the number of requests is summed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secrecon.model.scan import Outcome, PhaseName
from secrecon.report.document import CoverageLine

AREA = "template"
MOST_LINES = 2_000
"""Lines of templates up to which each is told alone."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """`checks` times `assets` lines with one outcome and reason. `requests`: of all of them together."""

    phase: PhaseName
    area: str
    checks: tuple[str, ...]
    assets: tuple[str, ...]
    outcome: Outcome
    applicable: bool
    reason: str
    requests: int


def crowded(lines: tuple[CoverageLine, ...]) -> tuple[tuple[CoverageLine, ...], tuple[Crowd, ...]]:
    """The lines that are told alone, and the crowds: none where there are few lines. The order of `lines` is kept."""
    mine = [entry for entry in lines if entry.area == AREA]
    if len(mine) <= MOST_LINES:
        return lines, ()
    return tuple(entry for entry in lines if entry.area != AREA), tuple(_crowds(mine))


_Kind = tuple[PhaseName, Outcome, bool, str]


def _crowds(lines: Iterable[CoverageLine]) -> Iterable[Crowd]:
    by_check: dict[tuple[str, _Kind], list[CoverageLine]] = {}
    for entry in lines:
        kind = (entry.phase, entry.outcome, entry.applicable, entry.reason)
        by_check.setdefault((entry.check, kind), []).append(entry)
    together: dict[tuple[_Kind, tuple[str, ...]], tuple[list[str], int]] = {}
    for (check, kind), mine in by_check.items():
        assets = tuple(entry.asset for entry in mine)
        checks, requests = together.get((kind, assets), ([], 0))
        checks.append(check)
        together[kind, assets] = (checks, requests + sum(entry.requests for entry in mine))
    for ((phase, outcome, applicable, reason), assets), (checks, requests) in together.items():
        yield Crowd(phase, AREA, tuple(checks), assets, outcome, applicable, reason, requests)
