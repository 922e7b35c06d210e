"""What a report says of the scan before it: the difference of `diff`, or in a sentence why there is none. Pure.

Formats for people tell every finding that changed, and only count those that did not; the JSON tells all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.record import JsonValue
from secrecon.report.diff import Change, Diff, DiffLine, diff_document
from secrecon.report.text import line, listed

TITLE = "Since the last scan"
ALONE = "This report was made without looking at any earlier scan."
FIRST = "This is the first finished scan of its target: there is nothing before it to compare with."
NOT_OURS = "What changed since the scan before is told to the account alone."
RUNNING = "The scan has not ended: it is compared with the one before once it has."
WORDS = {
    Change.REGRESSED: "regressed",
    Change.NEW: "new",
    Change.NOT_RETESTED: "not re-tested",
    Change.FIXED: "fixed",
    Change.UNCHANGED: "unchanged",
}
MEANING = (
    "Fixed: everything that found it ran again and did not find it. Not re-tested: nobody knows, for the reason given. "
    "Regressed: it was known, was gone, and is back."
)


@dataclass(frozen=True, slots=True)
class Since:
    """`difference` to the scan before, or None and the `note` that says why."""

    difference: Diff | None = None
    note: str = ALONE


@dataclass(frozen=True, slots=True)
class SinceRow:
    """One finding that changed, in words that are safe to show. `severity`: as the later scan has it where it has it."""

    change: str
    severity: str
    title: str
    place: str
    why: str


STANDS_ALONE = Since()


def summary(since: Since) -> str:
    """The whole section in a sentence or two."""
    found = since.difference
    if found is None:
        return since.note
    counts = found.counts
    told = listed([f"{counts[change]:,} {words}" for change, words in WORDS.items()], len(WORDS))
    return f"Compared with {found.earlier.name} UTC, a {found.earlier.ledger.mode} scan: {told}."


def made_with(since: Since) -> tuple[str, ...]:
    """What the two scans were made with that is not the same."""
    found = since.difference
    return () if found is None else tuple(f"{r.because}: {line(r.words)}" for r in found.between)


def rows(since: Since, most: int) -> tuple[tuple[SinceRow, ...], int]:
    """The first findings that changed, the most urgent change first, and how many more there are."""
    found = since.difference
    changed = (
        () if found is None else tuple(i for i in found.lines if i.change is not Change.UNCHANGED or i.differs)
    )
    return tuple(_row(item) for item in changed[:most]), max(len(changed) - most, 0)


def since_document(since: Since) -> dict[str, JsonValue]:
    """The section as JSON-safe values."""
    found = since.difference
    return {"summary": summary(since), "difference": None if found is None else diff_document(found)}


def states(since: Since) -> dict[str, str]:
    """By fingerprint, what SARIF calls the baseline state of the later scan's findings; empty where nothing was compared."""
    if since.difference is None:
        return {}
    return {
        item.seen.fingerprint: "new"
        if item.change is not Change.UNCHANGED
        else "updated"
        if item.differs
        else "unchanged"
        for item in since.difference.lines
        if item.change in (Change.NEW, Change.REGRESSED, Change.UNCHANGED)
    }


def _row(item: DiffLine) -> SinceRow:
    why = [*item.differs, *(f"{reason.because}: {reason.words}" for reason in item.reasons)]
    return SinceRow(
        change=WORDS[item.change],
        severity=item.seen.severity.value,
        title=line(item.seen.title),
        place=line(item.seen.place),
        why=line("; ".join(why)),
    )
