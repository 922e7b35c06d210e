"""Settings: the account, who may read its reports, and API Access, where keys are made, seen once and revoked."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.accounts.plans import plan_of
from secrecon.model.errors import BadInput, NotFound
from secrecon.service import people
from secrecon.service.answers import NewKey
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
LIFETIMES = {"": None, "30": 30, "90": 90, "365": 365}
MAX_KEY_ID = 10


@router.get("/settings")
async def settings_page(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """The settings as they stand."""
    return await _page(request, desk, visitor)


@router.post("/settings/keys")
async def create_key(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """Make a key and show it, this once."""
    name = form.get("name", "")[:200]
    try:
        if form.get("lifetime", "") not in LIFETIMES:
            raise BadInput("choose one of the offered lifetimes", "lifetime")
        days = LIFETIMES[form.get("lifetime", "")]
        expires = None if days is None else desk.ctx.clock.now() + days * 86_400
        new = await people.create_key(desk.ctx, visitor.caller, name, expires)
    except BadInput as error:
        return await _page(request, desk, visitor, status=400, error=str(error), name=name)
    return await _page(request, desk, visitor, status=201, new=new)


@router.post("/settings/keys/{key_id}/revoke")
async def revoke_key(desk: Here, visitor: SignedIn, key_id: str, form: CheckedForm) -> Response:
    """Revoke a key of the account, for good."""
    if not key_id.isascii() or not key_id.isdigit() or len(key_id) > MAX_KEY_ID:
        raise NotFound("No such key.")
    await people.revoke_key(desk.ctx, visitor.caller, int(key_id))
    return go("/settings#api-access")


@router.post("/settings/reports")
async def reports(desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """Whether reports of API scans can be read by link alone."""
    await people.set_reports_need_key(desk.ctx, visitor.caller, form.get("need_key") == "yes")
    return go("/settings#reports")


async def _page(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    *,
    status: int = 200,
    new: NewKey | None = None,
    error: str = "",
    name: str = "",
) -> Response:
    ctx = desk.ctx
    return show(
        "settings.html.j2",
        request,
        visitor,
        status,
        credits=await people.read_credits(ctx, visitor.caller),
        plan=plan_of(ctx.policy.plans, visitor.caller.plan),
        api_plans=[plan.title for plan in ctx.policy.plans.values() if plan.api],
        keys=await people.list_keys(ctx, visitor.caller),
        need_key=await people.reports_need_key(ctx, visitor.caller),
        always_need_key=ctx.policy.reports_need_key,
        new=new,
        error=error,
        name=name,
        now=ctx.clock.now(),
    )
