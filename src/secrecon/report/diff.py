"""Two scans of one target held against each other: what is new, fixed, regressed, unchanged, and what was not re-tested.

Pure, and never more than the ledgers say: a finding that is missing is fixed only where `model.trace` says that everything that
found it ran again. Each change says why as far as it can be told: the target, our rules, a feed, or what was covered. Where
several of these changed at once, all are named, because nobody can tell them apart afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from secrecon.model.errors import BadInput
from secrecon.model.finding import FindingStatus
from secrecon.model.record import JsonValue
from secrecon.model.scan import ScanMode
from secrecon.model.trace import VERSIONS, logged_in, not_looked
from secrecon.report.snapshot import Seen, Snapshot
from secrecon.report.text import line

TEMPLATES = "templates"
"""How the name of a feed of templates begins."""


class Change(StrEnum):
    """What became of a finding between two scans, the most urgent first."""

    REGRESSED = "regressed"
    NEW = "new"
    NOT_RETESTED = "not_retested"
    FIXED = "fixed"
    UNCHANGED = "unchanged"


class Because(StrEnum):
    """What can make two scans differ."""

    TARGET = "target"
    RULES = "rules"
    FEED = "feed"
    COVERAGE = "coverage"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that explains a difference, in words."""

    because: Because
    words: str


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One finding. `seen`: as the later scan has it where it has it. `differs`: what about it is otherwise, in words.

    `reasons` is empty where nothing changed.
    """

    change: Change
    seen: Seen
    differs: tuple[str, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """`earlier` and `later` in words. `between`: what the two scans were made with that is not the same."""

    earlier: Snapshot
    later: Snapshot
    lines: tuple[DiffLine, ...]
    between: tuple[Reason, ...]

    def of(self, change: Change) -> tuple[DiffLine, ...]:
        """The findings with one change, worst first."""
        return tuple(item for item in self.lines if item.change is change)

    @property
    def counts(self) -> dict[Change, int]:
        """How many findings each change has; every change is in it."""
        found = Counter(item.change for item in self.lines)
        return {change: found[change] for change in Change}


def compare(earlier: Snapshot, later: Snapshot) -> Diff:
    """What changed from `earlier` to `later`. Raises BadInput for scans of different targets."""
    if earlier.target != later.target:
        raise BadInput(
            f"{earlier.name} is of {earlier.target} and {later.name} of {later.target}: compare one target"
        )
    between = tuple(_between(earlier, later))
    lines = [_present(earlier, later, seen, between) for seen in later.findings.values()]
    lines += [
        _absent(earlier, later, seen, between)
        for fingerprint, seen in earlier.findings.items()
        if fingerprint not in later.findings
    ]
    return Diff(earlier, later, tuple(sorted(lines, key=_order)), between)


def _order(item: DiffLine) -> tuple[int, int, int, str, str, str]:
    seen = item.seen
    change = list(Change).index(item.change)
    return change, -seen.severity.rank, -seen.evidence_level.rank, seen.title, seen.place, seen.fingerprint


def _present(earlier: Snapshot, later: Snapshot, seen: Seen, between: tuple[Reason, ...]) -> DiffLine:
    before = earlier.findings.get(seen.fingerprint)
    if before is not None:
        differs = tuple(_differs(before, seen))
        return DiffLine(
            Change.UNCHANGED, seen, differs, _why_otherwise(earlier, later, before, seen) if differs else ()
        )
    known = seen.seen is FindingStatus.REGRESSED or seen.first_seen < earlier.created
    gap = not_looked(seen.wanted, later.ledger.mode, earlier.ledger, logged_in(later.ledger))
    if gap and known:
        told = f"known since {seen.first_seen[:10]}; the earlier scan did not look for it"
        return DiffLine(Change.UNCHANGED, seen, (told,), (_uncovered(earlier, later, seen, gap),))
    if gap:
        return DiffLine(Change.NEW, seen, (), (_uncovered(earlier, later, seen, gap),))
    change = Change.REGRESSED if known else Change.NEW
    return DiffLine(change, seen, (), _why(earlier, later, seen, between))


def _absent(earlier: Snapshot, later: Snapshot, seen: Seen, between: tuple[Reason, ...]) -> DiffLine:
    gap = not_looked(seen.wanted, earlier.ledger.mode, later.ledger, logged_in(earlier.ledger))
    if gap:
        return DiffLine(Change.NOT_RETESTED, seen, (), (Reason(Because.COVERAGE, gap),))
    return DiffLine(Change.FIXED, seen, (), _why(earlier, later, seen, between))


def _uncovered(earlier: Snapshot, later: Snapshot, seen: Seen, gap: str) -> Reason:
    """Why the earlier scan does not have a finding that it did not look for."""
    met = any(asset == seen.wanted.asset for _, asset in earlier.ledger.lines)
    if met or (earlier.ledger.mode, later.ledger.mode) == (ScanMode.QUICK, ScanMode.FULL):
        return Reason(Because.COVERAGE, f"the earlier scan could not have seen it: {gap}")
    return Reason(
        Because.TARGET, f"the earlier scan did not meet {seen.wanted.asset}, so it looked for nothing there"
    )


def _differs(before: Seen, seen: Seen) -> Iterable[str]:
    if before.severity is not seen.severity:
        yield f"severity {before.severity}, now {seen.severity}"
    if before.evidence_level is not seen.evidence_level:
        yield f"evidence {_words(before.evidence_level)}, now {_words(seen.evidence_level)}"
    if before.kev is not seen.kev:
        yield "now known to be exploited" if seen.kev else "no longer listed as exploited"


def _words(level: str) -> str:
    return str(level).replace("_", " ")


def _between(earlier: Snapshot, later: Snapshot) -> Iterable[Reason]:
    """What the two scans were made with that is not the same."""
    if earlier.engine_version != later.engine_version:
        yield Reason(Because.RULES, f"SecRecon {earlier.engine_version}, then {later.engine_version}")
    if earlier.rules_digest != later.rules_digest:
        yield Reason(Because.RULES, f"rules {earlier.rules_digest[:12]}, then {later.rules_digest[:12]}")
    for name in sorted({*earlier.feeds, *later.feeds}):
        old, new = earlier.feeds.get(name, "not there"), later.feeds.get(name, "not there")
        if old != new:
            yield Reason(Because.FEED, f"{name}: {old}; then {new}")
    if earlier.ledger.mode is not later.ledger.mode:
        yield Reason(Because.COVERAGE, f"a {earlier.ledger.mode} scan, then a {later.ledger.mode} scan")


def _why(earlier: Snapshot, later: Snapshot, seen: Seen, between: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Why one scan has a finding that the other looked for and does not have."""
    asset, product = seen.wanted.asset, seen.wanted.product
    if product:
        old, new = earlier.versions.get((asset, product), ""), later.versions.get((asset, product), "")
        if old != new:
            words = f"{product} told version {old or 'none'} then and {new or 'none'} later"
            return (Reason(Because.TARGET, words),)
    others = tuple(reason for reason in between if _touches(reason, seen))
    if others and product:
        return others
    same = "" if others else ", and the rules and data are the same"
    return (Reason(Because.TARGET, f"the same check ran both times{same}: the target answers otherwise"), *others)


def _touches(reason: Reason, seen: Seen) -> bool:
    """Whether a change of rules or of a feed could have made the difference."""
    if reason.because is Because.COVERAGE:
        return False
    if reason.because is Because.RULES:
        return True
    of_templates = reason.words.lower().startswith(TEMPLATES)
    wants = any(line.startswith("template.") for line in seen.wanted.lines)
    return wants if of_templates else VERSIONS in seen.wanted.lines


def _why_otherwise(earlier: Snapshot, later: Snapshot, before: Seen, seen: Seen) -> tuple[Reason, ...]:
    """Why both scans have a finding and say something else of it."""
    reasons: list[Reason] = []
    if before.evidence_level is not seen.evidence_level:
        weaker, ledger, name = (
            (seen, later, "later")
            if seen.evidence_level.rank < before.evidence_level.rank
            else (
                before,
                earlier,
                "earlier",
            )
        )
        stronger = before if weaker is seen else seen
        gap = not_looked(stronger.wanted, ledger.ledger.mode, ledger.ledger)
        if gap:
            reasons.append(Reason(Because.COVERAGE, f"the {name} scan did not verify it: {gap}"))
        else:
            reasons.append(Reason(Because.TARGET, "the same checks ran both times: the target answers otherwise"))
    if before.severity is not seen.severity or before.kev is not seen.kev:
        made = [r for r in _between(earlier, later) if r.because in (Because.RULES, Because.FEED)]
        reasons += made or [Reason(Because.TARGET, "the target answers otherwise")]
    return tuple(dict.fromkeys(reasons))


def diff_document(diff: Diff) -> dict[str, JsonValue]:
    """The difference as JSON-safe values, in the order in which it is written; the API answers with it too."""
    return {
        "target": diff.later.target,
        "from_scan": _side(diff.earlier),
        "to_scan": _side(diff.later),
        "counts": {change.value: number for change, number in diff.counts.items()},
        "made_with": [_told(reason) for reason in diff.between],
        "findings": [
            {
                "change": item.change.value,
                "id": item.seen.id,
                "fingerprint": item.seen.fingerprint,
                "check": line(item.seen.wanted.check),
                "title": item.seen.title,
                "severity": item.seen.severity.value,
                "evidence_level": item.seen.evidence_level.value,
                "asset": line(item.seen.wanted.asset),
                "location": item.seen.location,
                "status": item.seen.status.value,
                "differs": list(item.differs),
                "reasons": [_told(reason) for reason in item.reasons],
            }
            for item in diff.lines
        ],
    }


def _side(side: Snapshot) -> dict[str, JsonValue]:
    mode, finished = side.ledger.mode.value, side.finished or None
    return {"db_scan_id": side.db_scan_id, "scan_mode": mode, "finished_at": finished}


def _told(reason: Reason) -> dict[str, JsonValue]:
    return {"because": reason.because.value, "detail": line(reason.words)}
