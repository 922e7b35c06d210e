"""What an account has: scans, findings, targets, credits, callback counts. One page shape for every list."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import WithJsonSchema

from secrecon.api import answer, shapes
from secrecon.api.access import Ctx, KeyCaller, SessionCaller
from secrecon.api.openapi import KEY, SESSION, problems
from secrecon.model.errors import BadInput
from secrecon.service.feeds import kept_feeds
from secrecon.service.inventory import list_findings, oast_status
from secrecon.service.listing import DEFAULT_LIMIT, MAX_LIMIT
from secrecon.service.people import list_targets, read_credits
from secrecon.service.scans import list_scans

router = APIRouter(tags=["lists"])

Cursor = Annotated[
    str | None,
    Query(description="next_cursor of the page before"),
    WithJsonSchema({"type": "string", "format": "cursor", "minLength": 1, "maxLength": 40}),
]
Limit = Annotated[
    str,
    Query(description="How many items a page may hold"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
]


def read_limit(text: str) -> int:
    """The limit as a number; the service knows which numbers are allowed."""
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise BadInput(f"limit must be between 1 and {MAX_LIMIT}", "limit")
    return int(text)


@router.get(
    "/api/v1/scans",
    response_model=shapes.Page[shapes.ScanLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listScans",
    summary="Scans of the account",
)
async def scans(
    ctx: Ctx, caller: KeyCaller, cursor: Cursor = None, limit: Limit = str(DEFAULT_LIMIT)
) -> shapes.Page[shapes.ScanLine]:
    """Newest first."""
    return answer.page(await list_scans(ctx, caller, cursor, read_limit(limit)), answer.scan_line)


@router.get(
    "/api/v1/findings",
    response_model=shapes.Page[shapes.FindingLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listFindings",
    summary="Findings of the account",
)
async def findings(
    ctx: Ctx, caller: KeyCaller, cursor: Cursor = None, limit: Limit = str(DEFAULT_LIMIT)
) -> shapes.Page[shapes.FindingLine]:
    """Every problem once, over all scans, newest first."""
    return answer.page(await list_findings(ctx, caller, cursor, read_limit(limit)), answer.finding_line)


@router.get(
    "/api/v1/targets",
    response_model=shapes.Page[shapes.TargetLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listTargets",
    summary="Targets that the account may check actively",
)
async def targets(
    ctx: Ctx, caller: KeyCaller, cursor: Cursor = None, limit: Limit = str(DEFAULT_LIMIT)
) -> shapes.Page[shapes.TargetLine]:
    """A full scan, and callback checks of a quick one, need the target in this list."""
    return answer.page(await list_targets(ctx, caller, cursor, read_limit(limit)), answer.target_line)


@router.get(
    "/api/v1/credits",
    response_model=shapes.Page[shapes.CreditLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listCredits",
    summary="This month's scan credits",
)
async def credits_(ctx: Ctx, caller: KeyCaller) -> shapes.Page[shapes.CreditLine]:
    """One line: the current month. Months are calendar months, UTC."""
    return shapes.Page(items=[answer.credit_line(await read_credits(ctx, caller))], next_cursor=None)


@router.get(
    "/api/v1/feeds",
    response_model=shapes.Page[shapes.FeedLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listFeeds",
    summary="Vulnerability feeds: how old, how large, how healthy",
)
async def feeds_(ctx: Ctx, caller: KeyCaller) -> shapes.Page[shapes.FeedLine]:
    """Empty where no feed was ever taken in: scans then use the curated core alone."""
    found = kept_feeds(ctx.policy.data_dir, ctx.clock.now())
    return shapes.Page(items=[answer.feed_line(feed) for feed in found], next_cursor=None)


OneScan = Annotated[str | None, Query(max_length=64, description="Count the callbacks of this scan alone.")]


@router.get(
    "/api/oast/status",
    response_model=shapes.OastAnswer,
    responses=problems(400, 401, 404),
    openapi_extra=SESSION,
    operation_id="oastStatusBySession",
    summary="Callback counts (dashboard)",
)
async def oast_by_session(ctx: Ctx, caller: SessionCaller, scan_id: OneScan = None) -> shapes.OastAnswer:
    """DNS and HTTP callbacks that were heard for this account's scans, or for one of them."""
    return answer.oast(await oast_status(ctx, caller, scan_id))


@router.get(
    "/api/v1/oast/status",
    response_model=shapes.OastAnswer,
    responses=problems(400, 401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="oastStatus",
    summary="Callback counts",
)
async def oast_by_key(ctx: Ctx, caller: KeyCaller, scan_id: OneScan = None) -> shapes.OastAnswer:
    """DNS and HTTP callbacks that were heard for this account's scans, or for one of them."""
    return answer.oast(await oast_status(ctx, caller, scan_id))
