"""Lists over all scans of the account: findings, authorized targets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from secrecon.model.errors import BadInput, Forbidden, NotFound
from secrecon.service.inventory import list_findings
from secrecon.service.people import authorize_target, list_targets
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
SHOWN = 50
Cursor = Annotated[str | None, Query(max_length=100)]


@router.get("/findings")
async def findings_page(request: Request, desk: Here, visitor: SignedIn, cursor: Cursor = None) -> Response:
    """Every problem once, newest first."""
    listing = await list_findings(desk.ctx, visitor.caller, cursor, SHOWN)
    return show("findings.html.j2", request, visitor, listing=listing, first=cursor is None)


@router.get("/targets")
async def targets_page(request: Request, desk: Here, visitor: SignedIn, cursor: Cursor = None) -> Response:
    """What may be checked actively, and how to have more authorized."""
    return await _targets(request, desk, visitor, cursor=cursor)


@router.post("/targets")
async def authorize(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """An administrator authorizes a target for an account."""
    if not visitor.caller.is_admin:
        raise Forbidden("Only an administrator can authorize a target here.")
    email, target = form.get("email", "").strip()[:254], form.get("target", "").strip()[:2_048]
    try:
        until = read_date(form.get("until", ""))
        await authorize_target(desk.ctx, visitor.caller, email, target, until)
    except (BadInput, NotFound) as error:
        return await _targets(request, desk, visitor, status=400, error=str(error), email=email, target=target)
    return go("/targets")


def read_date(text: str) -> float | None:
    """The end of a day given as YYYY-MM-DD, in epoch seconds; None for nothing. Raises BadInput."""
    if not text.strip():
        return None
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInput(f"{text[:20]!r} is not a date: write it as 2027-01-31", "until") from error
    return day.timestamp() + 86_400


async def _targets(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    *,
    cursor: str | None = None,
    status: int = 200,
    error: str = "",
    email: str = "",
    target: str = "",
) -> Response:
    listing = await list_targets(desk.ctx, visitor.caller, cursor, SHOWN)
    return show(
        "targets.html.j2",
        request,
        visitor,
        status,
        listing=listing,
        first=cursor is None,
        error=error,
        email=email or visitor.caller.email,
        target=target,
        now=desk.ctx.clock.now(),
    )
