"""Schedules: what is scanned again and when, how each moment went, and everything one can do about it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.errors import BadInput, UserError
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan, Window
from secrecon.service import schedules
from secrecon.service.listing import read_id
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show

router = APIRouter()
MAX_FIELD = 2_100
FIELDS = ("name", "target", "scan_mode", "cron", "zone", "begin", "until", "catch_up")
DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(FIELDS, ""),
    "scan_mode": "quick",
    "cron": "0 2 * * *",
    "zone": "UTC",
}
MODES = tuple(mode.value for mode in ScanMode)


@router.get("/schedules")
async def schedules_page(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """The account's schedules."""
    return await _page(request, desk, visitor)


@router.post("/schedules")
async def create(request: Request, desk: Here, visitor: SignedIn, form: CheckedForm) -> Response:
    """Make a schedule. What was typed stays where it is refused."""
    typed = {name: form.get(name, "")[:MAX_FIELD] for name in FIELDS}
    try:
        await schedules.create_schedule(desk.ctx, visitor.caller, _plan(typed))
    except UserError as error:
        return await _page(request, desk, visitor, status=error.status, error=str(error), typed=typed)
    return go("/schedules")


@router.get("/schedules/{schedule_id}")
async def log_page(
    request: Request, desk: Here, visitor: SignedIn, schedule_id: str, cursor: str | None = None
) -> Response:
    """How one schedule's moments went."""
    number = _id(schedule_id)
    listing = await schedules.list_runs(desk.ctx, visitor.caller, number, cursor)
    found = next(s for s in await schedules.list_schedules(desk.ctx, visitor.caller) if s.id == number)
    return show("schedule.html.j2", request, visitor, 200, schedule=found, listing=listing, first=cursor is None)


@router.post("/schedules/{schedule_id}/run")
async def run(desk: Here, visitor: SignedIn, schedule_id: str, form: CheckedForm) -> Response:
    """Begin the scan now, and watch it."""
    accepted = await schedules.run_now(desk.ctx, visitor.caller, _id(schedule_id))
    return go(f"/scans/{accepted.scan_id}")


@router.post("/schedules/{schedule_id}/switch")
async def switch(desk: Here, visitor: SignedIn, schedule_id: str, form: CheckedForm) -> Response:
    """Switch a schedule on or off."""
    await schedules.change_schedule(desk.ctx, visitor.caller, _id(schedule_id), enabled=form.get("on") == "yes")
    return go("/schedules")


@router.post("/schedules/{schedule_id}/remove")
async def remove(desk: Here, visitor: SignedIn, schedule_id: str, form: CheckedForm) -> Response:
    """Remove a schedule; its scans stay."""
    await schedules.remove_schedule(desk.ctx, visitor.caller, _id(schedule_id))
    return go("/schedules")


async def _page(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    *,
    status: int = 200,
    error: str = "",
    typed: Mapping[str, str] = DEFAULTS,
) -> Response:
    found = await schedules.list_schedules(desk.ctx, visitor.caller)
    return show(
        "schedules.html.j2",
        request,
        visitor,
        status,
        schedules=found,
        most=schedules.MOST,
        modes=MODES,
        error=error,
        typed=typed,
    )


def _plan(typed: Mapping[str, str]) -> Plan:
    if typed["scan_mode"] not in MODES:
        raise BadInput("choose one of the two modes", "scan_mode")
    return Plan(
        name=typed["name"],
        target=typed["target"],
        mode=ScanMode(typed["scan_mode"]),
        cron=typed["cron"],
        zone=typed["zone"],
        window=_window(typed["begin"], typed["until"]),
        catch_up=typed["catch_up"] == "yes",
    )


def _window(begin: str, until: str) -> Window:
    if not begin and not until:
        return Window()
    minutes = [_minute(text) for text in (begin, until)]
    return Window(minutes[0], minutes[1])


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    if not (len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        raise BadInput("give both ends of the hours, such as 22:00 and 06:00, or neither", "window")
    minute = int(hours) * 60 + int(minutes)
    if minute >= 1_440 or int(minutes) > 59:
        raise BadInput("the hours of a day go from 00:00 to 23:59", "window")
    return minute


def _id(text: str) -> int:
    return read_id(text, "There is no such schedule.")
