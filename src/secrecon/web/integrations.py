"""Integrations: webhooks with what they listen to, the log of what was sent to each, and everything one can do to them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.errors import BadInput, Conflict, Forbidden
from secrecon.model.webhook import CHOICES, HookEvent
from secrecon.service import webhooks
from secrecon.service.listing import read_id
from secrecon.service.webhooks import HookChange, NewSecret
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
MAX_FIELD = 2_100
WORDS: Mapping[HookEvent, str] = {
    HookEvent.SCAN_FINISHED: "A scan finished, failed or was cancelled",
    HookEvent.FINDING_NEW: "A scan found something new, or something that had been fixed",
    HookEvent.FINDING_EXPLOITED: "A CVE that was seen is now known to be exploited (CISA KEV)",
    HookEvent.ASSET_APPEARED: "A scan saw a host, service or path that was not there before",
    HookEvent.SCHEDULE_MISSED: "A scheduled scan did not begin",
    HookEvent.FEED_UNHEALTHY: "A vulnerability feed has an alarm (operators only)",
    HookEvent.CREDITS_LOW: "Few scan credits are left this month",
}


@router.get("/integrations")
async def integrations_page(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """The account's webhooks."""
    return await _page(request, desk, visitor)


@router.post("/integrations")
async def create(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """Make a webhook and show its secret, this once. What was typed stays where it is refused."""
    name, url = form.get("name", "")[:MAX_FIELD], form.get("url", "")[:MAX_FIELD]
    events = [kind.value for kind in CHOICES if form.get(kind.value) == "yes"]
    try:
        new = await webhooks.create_webhook(desk.ctx, visitor.caller, name, url, events)
    except (BadInput, Conflict, Forbidden) as error:
        return await _page(
            request, desk, visitor, status=error.status, error=str(error), name=name, url=url, events=events
        )
    return await _page(request, desk, visitor, status=201, new=new)


@router.get("/integrations/{hook_id}")
async def log_page(
    request: Request, desk: Here, visitor: SignedIn, hook_id: str, cursor: str | None = None
) -> Response:
    """What was sent to one webhook, and how it went."""
    number = _id(hook_id)
    listing = await webhooks.list_deliveries(desk.ctx, visitor.caller, number, cursor)
    hook = next(hook for hook in await webhooks.list_webhooks(desk.ctx, visitor.caller) if hook.id == number)
    return show("deliveries.html.j2", request, visitor, 200, hook=hook, listing=listing, first=cursor is None)


@router.post("/integrations/{hook_id}/rotate")
async def rotate(request: Request, desk: Here, visitor: SignedIn, hook_id: str, form: CheckedForm) -> Response:
    """A new secret, shown this once."""
    new = await webhooks.rotate_webhook(desk.ctx, visitor.caller, _id(hook_id))
    return await _page(request, desk, visitor, new=new)


@router.post("/integrations/{hook_id}/test")
async def test(desk: Here, visitor: SignedIn, hook_id: str, form: CheckedForm) -> Response:
    """Send a test message, and show the log where it appears."""
    await webhooks.try_webhook(desk.ctx, visitor.caller, _id(hook_id))
    return go(f"/integrations/{_id(hook_id)}")


@router.post("/integrations/{hook_id}/switch")
async def switch(desk: Here, visitor: SignedIn, hook_id: str, form: CheckedForm) -> Response:
    """Switch a webhook on or off."""
    wish = HookChange(enabled=form.get("on") == "yes")
    await webhooks.change_webhook(desk.ctx, visitor.caller, _id(hook_id), wish)
    return go("/integrations")


@router.post("/integrations/{hook_id}/remove")
async def remove(desk: Here, visitor: SignedIn, hook_id: str, form: CheckedForm) -> Response:
    """Remove a webhook with its log."""
    await webhooks.remove_webhook(desk.ctx, visitor.caller, _id(hook_id))
    return go("/integrations")


@router.post("/integrations/{hook_id}/deliveries/{delivery_id}/replay")
async def replay(desk: Here, visitor: SignedIn, hook_id: str, delivery_id: str, form: CheckedForm) -> Response:
    """Send a message again."""
    await webhooks.replay_delivery(desk.ctx, visitor.caller, _id(hook_id), _id(delivery_id))
    return go(f"/integrations/{_id(hook_id)}")


async def _page(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    *,
    status: int = 200,
    new: NewSecret | None = None,
    error: str = "",
    name: str = "",
    url: str = "",
    events: list[str] | None = None,
) -> Response:
    return show(
        "integrations.html.j2",
        request,
        visitor,
        status,
        hooks=await webhooks.list_webhooks(desk.ctx, visitor.caller),
        most=webhooks.MOST,
        words=WORDS,
        new=new,
        error=error,
        name=name,
        url=url,
        events=[HookEvent.SCAN_FINISHED.value, HookEvent.FINDING_NEW.value] if events is None else events,
    )


def _id(text: str) -> int:
    return read_id(text, "There is no such webhook.")
