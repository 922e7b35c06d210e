"""The coverage ledger read back: per area and asset what ran, what did not, and why.

Only DONE may ever be read as clean. A line whose reason begins with `not applicable` (no TLS on a plain http port) or
`by policy` (a template that would write to the target) counts neither for nor against. Areas are the part of a check's
id before its first dot; those that look for problems are `assessing`, the others (resolve, discover, probe, crawl, ...)
only find things to look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from secrecon.model.record import ScanRecord
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanStatus
from secrecon.report.advice import LISTENER, next_step
from secrecon.report.document import (
    AreaCoverage,
    AssetCoverage,
    AssetGroup,
    Coverage,
    CoverageCount,
    CoverageLine,
    SelfTest,
)
from secrecon.report.text import count, line, listed

AREAS = {
    "ssrf": "Server-side request forgery (callbacks)",
    "cve": "Known vulnerabilities (CVE)",
    "template": "Known flaws, asked for directly",
    "exposure": "Exposed files and panels",
    "behaviour": "Redirects and cross-origin behaviour",
    "hygiene": "Security headers and cookies",
    "tls": "TLS certificates and protocols",
    "service": "Services that answer anyone",
    "dns": "DNS",
    "recon": "Finding hosts, services and pages",
}
"""Every area with its title, in the order shown. `recon` collects whatever assesses nothing."""

ASSESSING = tuple(area for area in AREAS if area != "recon")
REQUIRED = ("ssrf", "cve", "exposure", "behaviour", "hygiene")
"""The areas that every web target has; the grade is capped where one of them did not run."""

_ALIASES = {"exposures": "exposure", "oast": "ssrf", "match": "cve", "headers": "hygiene", "cookies": "hygiene"}
_HANDS_ON = ("ssrf", "exposure", "behaviour", "hygiene", "tls")
_PHASES_THAT_MATTER = frozenset(PhaseName) - {PhaseName.SYNTHESIS}
ENOUGH_SHARE = 0.8
MOST_REASONS = 4
MOST_NAMED = 3
LOGIN = "crawl.login"
"""The ledger's line that says whether the scan was logged in."""
NOT_APPLICABLE = "not applicable"
BY_POLICY = "by policy"


def area_of(check: str) -> str:
    """The area that a check's id belongs to."""
    head = check.split(".", 1)[0]
    head = _ALIASES.get(head, head)
    return head if head in AREAS else "recon"


def read_coverage(record: ScanRecord, self_test: SelfTest | None) -> Coverage:
    """The ledger of a scan, ordered and counted. The order of `record.attempts` makes no difference."""
    lines = tuple(sorted((_line(a) for a in _latest(record.attempts)), key=_line_order))
    assessing = count_lines(entry for entry in lines if entry.area != "recon")
    areas = tuple(_area(area, lines) for area in AREAS)
    tested = any(entry.outcome is Outcome.DONE and entry.area in _HANDS_ON for entry in lines)
    not_run = tuple(phase for phase in PhaseName if phase in record.not_run)
    share = assessing.done / assessing.applicable if assessing.applicable else 0.0
    whole = record.status is ScanStatus.COMPLETE and not record.cancelled
    whole = whole and not _PHASES_THAT_MATTER & set(not_run)
    deaf = self_test is not None and not self_test.reachable
    ssrf_gap = _ssrf_gap(areas[0], self_test)
    heard = any(not hit.own for hit in record.interactions)
    gaps = (*_logged_out(lines), *_gaps(areas, lines, ssrf_gap, tested, heard))
    assets = _by_asset(lines)
    return Coverage(
        total=count_lines(lines),
        assessing=assessing,
        areas=areas,
        assets=assets,
        groups=_groups(assets),
        lines=lines,
        not_run=not_run,
        tested=tested,
        enough=whole and tested and share >= ENOUGH_SHARE and not deaf,
        share=share,
        ssrf_gap=ssrf_gap,
        gaps=gaps,
        summary=_summary(assessing, tested, gaps) + _logged_in(lines),
    )


def phases_missed(not_run: Iterable[PhaseName]) -> tuple[PhaseName, ...]:
    """The phases among `not_run` whose absence leaves something untested."""
    return tuple(phase for phase in not_run if phase in _PHASES_THAT_MATTER)


def count_lines(lines: Iterable[CoverageLine]) -> CoverageCount:
    """Count by outcome; lines that do not apply are in `total` only."""
    every = tuple(lines)
    outcomes = Counter(entry.outcome for entry in every if entry.applicable)
    return CoverageCount(
        total=len(every),
        applicable=sum(outcomes.values()),
        done=outcomes[Outcome.DONE],
        skipped=outcomes[Outcome.SKIPPED],
        blocked=outcomes[Outcome.BLOCKED],
        timed_out=outcomes[Outcome.TIMED_OUT],
        failed=outcomes[Outcome.FAILED],
    )


def _latest(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """One attempt per check and asset. Of two, the one that is worse news, so that order never decides."""
    kept: dict[tuple[str, str], Attempt] = {}
    for attempt in attempts:
        key = (attempt.check, attempt.asset)
        kept[key] = max(kept.get(key, attempt), attempt, key=_badness)
    return tuple(kept.values())


def _badness(attempt: Attempt) -> tuple[int, str, int, int]:
    worst = (Outcome.DONE, Outcome.SKIPPED, Outcome.TIMED_OUT, Outcome.FAILED, Outcome.BLOCKED)
    phase = list(PhaseName).index(attempt.phase)
    return worst.index(attempt.outcome), attempt.reason, attempt.requests, phase


def _line(attempt: Attempt) -> CoverageLine:
    does_not_apply = attempt.outcome is Outcome.SKIPPED and attempt.reason.lower().startswith(
        (NOT_APPLICABLE, BY_POLICY)
    )
    return CoverageLine(
        phase=attempt.phase,
        check=line(attempt.check),
        area=area_of(attempt.check),
        asset=line(attempt.asset),
        outcome=attempt.outcome,
        reason=line(attempt.reason, 500),
        requests=attempt.requests,
        applicable=not does_not_apply,
    )


def _line_order(entry: CoverageLine) -> tuple[int, str, str, str]:
    return list(AREAS).index(entry.area), entry.check, entry.asset, entry.reason


def _reasons(lines: Iterable[CoverageLine]) -> tuple[str, ...]:
    """Why something was not done, the most frequent reason first."""
    missed = Counter(
        entry.reason or "no reason was recorded"
        for entry in lines
        if entry.applicable and entry.outcome is not Outcome.DONE
    )
    ordered = sorted(missed.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(reason for reason, _ in ordered[:MOST_REASONS])


def _area(area: str, lines: tuple[CoverageLine, ...]) -> AreaCoverage:
    mine = tuple(entry for entry in lines if entry.area == area)
    return AreaCoverage(area, AREAS[area], count_lines(mine), _reasons(mine), _next_steps(mine), area in REQUIRED)


def _next_steps(lines: Iterable[CoverageLine]) -> tuple[str, ...]:
    """What to do about what was not done, most frequent first."""
    steps = Counter(
        next_step(entry.outcome, entry.reason)
        for entry in lines
        if entry.applicable and entry.outcome is not Outcome.DONE
    )
    return tuple(step for step, _ in sorted(steps.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_REASONS])


def _groups(assets: tuple[AssetCoverage, ...]) -> tuple[AssetGroup, ...]:
    """Assets with the same gaps for the same reasons, read together; the largest gaps first, the fully tested last."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[AssetCoverage]] = {}
    for asset in assets:
        missed = tuple(area for area, counted in asset.cells if counted.not_done)
        groups.setdefault((missed, asset.reasons), []).append(asset)
    result = [
        AssetGroup(
            assets=tuple(asset.asset for asset in mine),
            missed=tuple(AREAS[area] for area in missed),
            count=_sum(asset.count for asset in mine),
            reasons=reasons,
        )
        for (missed, reasons), mine in groups.items()
    ]
    return tuple(sorted(result, key=lambda group: (-group.count.not_done, group.assets)))


def _sum(counts: Iterable[CoverageCount]) -> CoverageCount:
    every = tuple(counts)
    return CoverageCount(
        total=sum(c.total for c in every),
        applicable=sum(c.applicable for c in every),
        done=sum(c.done for c in every),
        skipped=sum(c.skipped for c in every),
        blocked=sum(c.blocked for c in every),
        timed_out=sum(c.timed_out for c in every),
        failed=sum(c.failed for c in every),
    )


def _by_asset(lines: tuple[CoverageLine, ...]) -> tuple[AssetCoverage, ...]:
    groups: dict[str, list[CoverageLine]] = {}
    for entry in lines:
        groups.setdefault(entry.asset, []).append(entry)
    result = []
    for asset in sorted(groups):
        mine = groups[asset]
        cells: dict[str, list[CoverageLine]] = {area: [] for area in AREAS}
        for entry in mine:
            cells[entry.area].append(entry)
        counted = tuple((area, count_lines(cell)) for area, cell in cells.items())
        result.append(AssetCoverage(asset, counted, count_lines(mine), _reasons(mine)))
    return tuple(result)


def _ssrf_gap(area: AreaCoverage, self_test: SelfTest | None) -> str:
    """Why SSRF cannot be called tested, "" where it can."""
    if area.count.applicable == 0:
        return "no SSRF check ran"
    if area.count.done == 0:
        return "; ".join(area.reasons)
    if area.count.not_done:
        share = f"only {area.count.done:,} of {count(area.count.applicable, 'check')} ran"
        return f"{share} ({'; '.join(area.reasons)})"
    if self_test is None:
        return "the callback listener was not tested, so silence proves nothing"
    if not self_test.reachable:
        return f"callbacks could not reach the listener ({self_test.detail or 'its self-test failed'})"
    return ""


def _gaps(
    areas: tuple[AreaCoverage, ...], lines: tuple[CoverageLine, ...], ssrf_gap: str, tested: bool, heard: bool
) -> tuple[str, ...]:
    """What was not tested, where, why, and what to do next: one text per area. `heard`: the target called back."""
    ssrf = areas[0]
    gaps = []
    if ssrf_gap:
        in_full = " in full" if heard else ""
        gaps.append(f"SSRF could not be tested{in_full}: {ssrf_gap}. {_next(ssrf.next_steps or (LISTENER,))}")
    for area in areas:
        if area.area in ("ssrf", "recon"):
            continue
        counted = area.count
        if counted.total == 0 and area.area in REQUIRED:
            gaps.append(f"{area.title}: no check ran.")
        elif counted.not_done:
            ran = f"{counted.done:,} of {count(counted.applicable, 'check')} ran" if counted.done else "not tested"
            where = _where(entry for entry in lines if entry.area == area.area)
            gaps.append(
                f"{area.title}: {ran}; missing {where} ({'; '.join(area.reasons)}). {_next(area.next_steps)}"
            )
    if not tested:
        gaps.insert(0, "Nothing on the target could be assessed: no check got an answer from its web services.")
    return tuple(gaps)


def _logged_out(lines: tuple[CoverageLine, ...]) -> tuple[str, ...]:
    """Where the scan was to log in and could not, or did not stay logged in."""
    missing = [entry for entry in lines if entry.check == LOGIN and entry.outcome is not Outcome.DONE]
    if not missing:
        return ()
    first = missing[0]
    step = next_step(first.outcome, first.reason)
    return (f"What only a user sees: not tested {_where(missing)} ({first.reason}). {_next((step,))}",)


def _logged_in(lines: tuple[CoverageLine, ...]) -> str:
    """A sentence for a scan that was logged in; none for others."""
    done = [entry for entry in lines if entry.check == LOGIN and entry.outcome is Outcome.DONE]
    return f" On {listed(sorted(entry.asset for entry in done)[:MOST_NAMED])}: {done[0].reason}." if done else ""


def _where(lines: Iterable[CoverageLine]) -> str:
    """On which assets something was not done: one or two by name, more by number."""
    assets = sorted({e.asset for e in lines if e.applicable and e.outcome is not Outcome.DONE})
    return f"on {listed(assets)}" if len(assets) < MOST_NAMED else f"on {count(len(assets), 'asset')}"


def _next(steps: tuple[str, ...]) -> str:
    return f"Next: {'; '.join(steps)}."


def _summary(assessing: CoverageCount, tested: bool, gaps: tuple[str, ...]) -> str:
    ran = f"{assessing.done:,} of {count(assessing.applicable, 'check')} ran"
    if not tested:
        return f"Could not test: {ran}, and none of them got an answer from the target's web services."
    if not gaps:
        return f"Everything planned was tested: {ran}."
    return f"{ran}; {count(len(gaps), 'area')} could not be fully tested."
