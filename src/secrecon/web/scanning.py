"""The dashboard's first page, the form that starts a scan, and the page of a running scan."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from secrecon.model.errors import BadInput, Exhausted, UserError
from secrecon.model.scan import PhaseName, ScanMode, ScanSpec, Touch
from secrecon.model.target import parse_target
from secrecon.service.answers import ScanRequest, ScanSummary, StatusView
from secrecon.service.feeds import kept_feeds
from secrecon.service.inventory import oast_status
from secrecon.service.people import list_targets, read_credits
from secrecon.service.scans import cancel_scan, list_scans, read_status, submit_scan
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
SHOWN = 10
MAX_TARGET = 2_048


@dataclass(frozen=True, slots=True)
class Entry:
    """What the form of a new scan holds, and what was wrong with it."""

    target: str = ""
    mode: ScanMode = ScanMode.QUICK
    error: str = ""
    field: str = ""
    status: int = 200


@dataclass(frozen=True, slots=True)
class GradedScan:
    """A scan with its letter, "" while there is none."""

    scan: ScanSummary
    grade: str


@router.get("/")
async def overview(
    request: Request, desk: Here, visitor: SignedIn, cursor: Annotated[str | None, Query(max_length=100)] = None
) -> Response:
    """Credits, the listener, and the latest scans with their grades."""
    ctx = desk.ctx
    listing = await list_scans(ctx, visitor.caller, cursor, SHOWN)
    graded = [GradedScan(scan, await desk.grades.of(ctx, visitor.caller, scan)) for scan in listing.items]
    return show(
        "overview.html.j2",
        request,
        visitor,
        scans=graded,
        next_cursor=listing.next_cursor,
        first=cursor is None,
        credits=await read_credits(ctx, visitor.caller),
        oast=await oast_status(ctx, visitor.caller),
        feeds=kept_feeds(ctx.policy.data_dir, ctx.clock.now()),
    )


@router.get("/scans/new")
async def new_scan(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """The form of a new scan."""
    entry = Entry(target=request.query_params.get("target", "")[:MAX_TARGET])
    return await _form(request, desk, visitor, entry)


@router.post("/scans/new")
async def start_scan(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """Start it and go on to watch it; or the form again, saying what is wrong."""
    target = form.get("target", "")[: MAX_TARGET + 1]
    mode = ScanMode.FULL if form.get("mode") == ScanMode.FULL else ScanMode.QUICK
    try:
        wish = ScanRequest(target=target, mode=mode)
        accepted = await submit_scan(desk.ctx, visitor.caller, wish, f"form {form.get('once', '')[:64]}")
    except UserError as error:
        field = "mode" if error.status == 403 and mode is ScanMode.FULL else "target"
        field = error.field or field if isinstance(error, BadInput) else field
        field = "" if isinstance(error, Exhausted) else field
        return await _form(request, desk, visitor, Entry(target, mode, str(error), field, error.status))
    return go(f"/scans/{accepted.scan_id}")


async def _form(request: Request, desk: Desk, visitor: Visitor, entry: Entry) -> Response:
    return show(
        "new_scan.html.j2",
        request,
        visitor,
        entry.status,
        entry=entry,
        once=secrets.token_urlsafe(24),
        credits=await read_credits(desk.ctx, visitor.caller),
        targets=(await list_targets(desk.ctx, visitor.caller)).items,
    )


@router.get("/scans/{scan_id}")
async def live(request: Request, desk: Here, visitor: SignedIn, scan_id: str) -> Response:
    """A running scan as it happens; afterwards the way to its report."""
    status = await read_status(desk.ctx, scan_id)
    return show("live.html.j2", request, visitor, status=status, phases=_phases(desk, status))


def _phases(desk: Desk, status: StatusView) -> list[PhaseName]:
    """The phases that a scan of this mode has, in order; the others are not shown, so that none looks done."""
    target = parse_target(status.target)
    budget = desk.ctx.policy.budgets[status.mode]
    spec = ScanSpec(status.scan_id, target, status.mode, Touch.ACTIVE, budget)
    known = {phase for _, phase in desk.ctx.engine.steps(spec)}
    return [phase for phase in PhaseName if phase in known]


@router.post("/scans/{scan_id}/cancel")
async def cancel(desk: Here, visitor: SignedIn, scan_id: str, form: CheckedForm) -> Response:
    """Ask the scan to stop; what it has found stays."""
    await cancel_scan(desk.ctx, visitor.caller, scan_id)
    return go(f"/scans/{scan_id}")
