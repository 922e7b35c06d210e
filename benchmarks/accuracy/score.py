"""From what was seen to verdicts, figures and the printed table. Pure: no clock, no process, no network.

Found on the old version is a true positive, found on the fixed one a false positive. A program that did not run gives
neither: it is printed as what it is and counted apart, never as clean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.accuracy.nouns import Age, Measured, Pair, Seen, Side, Stranger, Verdict

MARKS = {
    Verdict.FOUND: "found",
    Verdict.CLEAN: "not found",
    Verdict.UNTESTED: "could not test",
    Verdict.NONE: "-",
    Verdict.NO_PROGRAM: "did not run",
}


def verdict(seen: Seen, cve: str, templates: Iterable[str]) -> Verdict:
    """What a set said of one CVE. `templates`: the ids in the set that look for it. A failed template makes a verdict
    "could not test" unless another one found something."""
    looking = tuple(templates)
    if cve in seen.cves or any(name in seen.found for name in looking):
        return Verdict.FOUND
    if not looking:
        return Verdict.NONE
    if any(name in seen.failed for name in looking) or not seen.ran:
        return Verdict.UNTESTED
    return Verdict.CLEAN


def false_alarms(seen: Seen, pair: Pair, age: Age) -> tuple[str, ...]:
    """CVEs that our rules claim and that this version does not have."""
    real = {*pair.has.get(age, ()), *((pair.cve,) if age is Age.OLD else ())}
    return tuple(sorted(seen.cves - real))


@dataclass(frozen=True, slots=True)
class Figures:
    """One set of templates over all pairs that ran and that it has a template for."""

    pairs: int
    true_positives: int
    missed: int
    false_positives: int
    untested: int

    @property
    def recall(self) -> float | None:
        """Share of vulnerable programs found, 0 to 1; None where nothing was tried."""
        tried = self.true_positives + self.missed
        return self.true_positives / tried if tried else None


def figures(measured: Sequence[Measured], *, ours: bool) -> Figures:
    """Of the pairs that ran. "Could not test" on the old version counts as missed: nobody would have been told."""
    counted = found = missed = false = untested = 0
    for each in measured:
        old, fixed = (_said(each.sides[age], ours=ours) for age in (Age.OLD, Age.FIXED))
        if not each.ran or old is Verdict.NONE:
            continue
        counted += 1
        found += old is Verdict.FOUND
        missed += old is not Verdict.FOUND
        false += fixed is Verdict.FOUND
        untested += Verdict.UNTESTED in (old, fixed)
        if ours:
            false += sum(
                len([cve for cve in side.false_alarms if cve != each.pair.cve]) for side in each.sides.values()
            )
    return Figures(counted, found, missed, false, untested)


def _said(side: Side, *, ours: bool) -> Verdict:
    return side.ours if ours else side.community


def complaints(measured: Sequence[Measured], strangers: Sequence[Stranger], *, strict: bool) -> list[str]:
    """Why the run is not a pass, in plain words; empty where it is one. `strict`: what could not be installed or started
    counts as well."""
    said = []
    for each in measured:
        for age, side in each.sides.items():
            program = f"{each.pair.package} {each.pair.version(age)}"
            if side.problem:
                if strict:
                    said.append(f"{program}: {side.problem}")
                continue
            if age is Age.OLD and side.ours is not Verdict.FOUND:
                said.append(f"{program}: {each.pair.cve} {_reason(side.ours)} by our rules")
            if age is Age.FIXED and side.ours is Verdict.UNTESTED:
                said.append(f"{program}: our rules could not test {each.pair.cve}")
            said.extend(f"{program}: our rules claim {cve}, which it does not have" for cve in side.false_alarms)
    for stranger in strangers:
        if stranger.ours is None:
            said.append(f"{stranger.name}: {stranger.problem or 'our rules did not run'}")
        elif stranger.ours:
            said.append(f"{stranger.name}: our rules find {', '.join(stranger.which)}")
    return said


def _reason(said: Verdict) -> str:
    return {Verdict.NONE: "is looked for by none", Verdict.UNTESTED: "could not be tested"}.get(
        said, "is not found"
    )


def table(measured: Sequence[Measured], *, community: bool) -> list[str]:
    """Markdown, a line a pair."""
    head = ["package", "CVE", "old", "ours"] + (["community"] if community else [])
    head += ["fixed", "ours"] + (["community"] if community else [])
    lines = [_line(head), _line(["---"] * len(head))]
    for each in measured:
        pair = each.pair
        cells = [pair.package, pair.cve + (" (KEV)" if pair.kev else "")]
        for age in (Age.OLD, Age.FIXED):
            side = each.sides[age]
            cells += [pair.version(age), side.problem or _ours(side, pair)]
            if community:
                cells.append(MARKS[side.community])
        lines.append(_line(cells))
    return lines


def _ours(side: Side, pair: Pair) -> str:
    others = [cve for cve in side.false_alarms if cve != pair.cve]
    return MARKS[side.ours] + (f"; wrongly {', '.join(others)}" if others else "")


def summary(measured: Sequence[Measured], *, community: bool) -> list[str]:
    """The figures under the table."""
    lines = [
        f"{len(measured)} pairs, {sum(each.ran for each in measured)} ran with both versions",
        _figures_line("our rules", figures(measured, ours=True)),
    ]
    if community:
        lines.append(_figures_line("community templates", figures(measured, ours=False)))
    return lines


def _figures_line(name: str, of: Figures) -> str:
    recall = "nothing to measure" if of.recall is None else f"{of.recall:.1%} ({of.true_positives} of {of.pairs})"
    return f"{name}: recall {recall}, false positives {of.false_positives}, pairs that could not be tested {of.untested}"


def strangers_table(strangers: Sequence[Stranger], *, community: bool) -> list[str]:
    head = ["program", "our rules find"] + (["community templates find"] if community else [])
    lines = [_line(head), _line(["---"] * len(head))]
    for each in strangers:
        cells = [each.name, _count(each.ours, each.ours_ran)]
        if community:
            cells.append(_count(each.community, each.community_ran))
        lines.append(_line(cells))
    return lines


def _count(found: int | None, ran: int) -> str:
    return "did not run" if found is None else f"{found} (of {ran} templates)"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
