"""One finding with its decision, what changed between two scans, and a target over time. Works without a script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from secrecon.model.errors import BadInput, NotFound, UserError
from secrecon.model.finding import Severity
from secrecon.model.record import FindingRecord
from secrecon.model.triage import TriageState
from secrecon.report import ReportFinding, show_finding
from secrecon.report.diff import Change
from secrecon.service.clients import client_of
from secrecon.service.comparing import TrendPoint, compare_scans, trend
from secrecon.service.listing import read_id
from secrecon.service.retests import list_retests, retest_finding
from secrecon.service.triage import NO_FINDING, Verdict, read_finding, triage
from secrecon.store.findings import KnownFinding
from secrecon.web.access import Anyone, CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
MOST = 200
HEIGHT, STEP = 124, 44
NAMES = {
    Change.REGRESSED: "regressed",
    Change.NEW: "new",
    Change.NOT_RETESTED: "not re-tested",
    Change.FIXED: "fixed",
    Change.UNCHANGED: "unchanged",
}
TONES = {
    Change.REGRESSED: "bad",
    Change.NEW: "bad",
    Change.NOT_RETESTED: "care",
    Change.FIXED: "good",
    Change.UNCHANGED: "",
}
RETEST_WORDS = {
    "waiting": ("Waiting", "live"),
    "running": ("Running", "live"),
    "still_there": ("Still there", "bad"),
    "not_found": ("Not found any more", "good"),
    "could_not_test": ("Could not test", "care"),
}
LEVELS = tuple(level for level in Severity if level is not Severity.INFO)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the form of a decision holds."""

    state: str = TriageState.IN_PROGRESS.value
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, in chart units from the top."""

    level: Severity
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One scan of the trend's picture."""

    x: int
    letter: str
    parts: tuple[Part, ...]


@router.get("/findings/{finding_id}")
async def finding_page(
    request: Request,
    desk: Here,
    visitor: SignedIn,
    finding_id: str,
    back: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """A finding of the visitor's account, with the form to decide about it."""
    known = await read_finding(desk.ctx, visitor.caller, _number(finding_id))
    return await _page(request, desk, visitor, known, Entry(), _report(back))


@router.post("/findings/{finding_id}/triage")
async def decide(request: Request, desk: Here, visitor: SignedIn, finding_id: str, form: CheckedForm) -> Response:
    """Decide and go back; or the finding again as it is now, saying what is wrong, with what was entered."""
    number, back = _number(finding_id), _report(form.get("back", ""))
    entry = Entry(form.get("state", "")[:20], form.get("reason", "")[:2_000], form.get("until", "")[:10])
    try:
        verdict, revision = _verdict(entry), form.get("revision", "")
        if not revision.isascii() or not revision.isdigit() or len(revision) > 9:
            raise BadInput("This form is not one of ours. Reload the page and try again.", "revision")
        known = await triage(desk.ctx, visitor.caller, number, int(revision), verdict)
    except NotFound:
        raise
    except UserError as error:
        known = await read_finding(desk.ctx, visitor.caller, number)
        return await _page(request, desk, visitor, known, entry, back, error)
    place = f"/reports/{back}#f-{known.finding.fingerprint}" if back else f"/findings/{number}"
    return go(place)


@router.post("/findings/{finding_id}/retest")
async def retest(request: Request, desk: Here, visitor: SignedIn, finding_id: str, form: CheckedForm) -> Response:
    """Look for it again; the page of the finding shows how that goes."""
    number, back = _number(finding_id), _report(form.get("back", ""))
    try:
        await retest_finding(desk.ctx, visitor.caller, number)
    except NotFound:
        raise
    except UserError as error:
        known = await read_finding(desk.ctx, visitor.caller, number)
        return await _page(request, desk, visitor, known, Entry(), back, error)
    return go(f"/findings/{number}?back={back}#retest")


@router.get("/reports/{db_scan_id}/changes")
async def changes(
    request: Request,
    desk: Here,
    visitor: Anyone,
    db_scan_id: str,
    from_: Annotated[str, Query(alias="from", max_length=16)] = "",
) -> Response:
    """What changed since the scan before, or since the one that is named."""
    later, earlier = _report(db_scan_id), _report(from_)
    if not later or (from_ and not earlier):
        raise NotFound("There is no such report.")
    caller = None if visitor is None else visitor.caller
    diff = await compare_scans(desk.ctx, int(later), int(earlier) if earlier else None, caller, client_of(request))
    groups = [(change, diff.of(change)) for change in Change]
    return show(
        "changes.html.j2",
        request,
        visitor,
        diff=diff,
        groups=[(change, lines) for change, lines in groups if lines],
        names=NAMES,
        tones=TONES,
        most=MOST,
    )


@router.get("/trend")
async def over_time(
    request: Request, desk: Here, visitor: SignedIn, target: Annotated[str, Query(max_length=2_048)] = ""
) -> Response:
    """The latest scans of one target, side by side."""
    points = await trend(desk.ctx, visitor.caller, target)
    return show(
        "trend.html.j2",
        request,
        visitor,
        target=target,
        points=points,
        bars=_bars(points),
        width=max(STEP * len(points), STEP),
        levels=LEVELS,
        names=NAMES,
        told=[change for change in Change if change is not Change.UNCHANGED],
    )


def shown(known: KnownFinding) -> ReportFinding:
    """A finding of the account as reports show it."""
    return show_finding(
        FindingRecord(
            id=known.id,
            finding=known.finding,
            first_seen=known.first_seen,
            last_seen=known.last_seen,
            status=known.status,
            seen=known.seen,
            decision=known.decision,
            reopened=known.reopened,
            revision=known.revision,
        )
    )


async def _page(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    known: KnownFinding,
    entry: Entry,
    back: str,
    error: UserError | None = None,
) -> Response:
    return show(
        "finding.html.j2",
        request,
        visitor,
        200 if error is None else error.status,
        finding=shown(known),
        target=known.target,
        entry=entry,
        back=back,
        retests=await list_retests(desk.ctx, visitor.caller, known.id),
        retest_words=RETEST_WORDS,
        error="" if error is None else str(error),
    )


def _verdict(entry: Entry) -> Verdict:
    """The decision of a form. An acceptance ends with the day that was chosen (UTC)."""
    try:
        state = TriageState(entry.state)
    except ValueError as error:
        raise BadInput("Choose a decision.", "state") from error
    if state is not TriageState.ACCEPTED:
        return Verdict(state, entry.reason)
    if not entry.until:
        return Verdict(state, entry.reason)
    try:
        day = datetime.strptime(entry.until, "%Y-%m-%d").replace(tzinfo=UTC)
        expires = (day + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadInput("Write the last day as 2027-03-31.", "until") from error
    return Verdict(state, entry.reason, expires)


def _bars(points: tuple[TrendPoint, ...]) -> tuple[Bar, ...]:
    """Stacked from the bottom, the worst lowest, in proportion to the highest."""
    most = max((sum(point.severities[level] for level in LEVELS) for point in points), default=0) or 1
    bars = []
    for number, point in enumerate(points):
        top, parts = float(HEIGHT), []
        for level in LEVELS:
            height = round(HEIGHT * point.severities[level] / most, 1)
            top = round(top - height, 1)
            if height:
                parts.append(Part(level, top, height))
        bars.append(Bar(9 + STEP * number, point.letter, tuple(parts)))
    return tuple(bars)


def _number(text: str) -> int:
    return read_id(text, NO_FINDING)


def _report(text: str) -> str:
    """A report's number as it may stand in an address of ours; "" for anything else."""
    return text if text.isascii() and text.isdigit() and len(text) <= 16 else ""
