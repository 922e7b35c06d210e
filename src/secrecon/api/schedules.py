"""Schedules over the API: parse, call the service, shape the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pydantic import WithJsonSchema

from secrecon.api import answer, shapes
from secrecon.api.access import Ctx, KeyCaller
from secrecon.api.answer import iso, maybe_iso, page
from secrecon.api.lists import Cursor, Limit, read_limit
from secrecon.api.openapi import KEY, problems
from secrecon.api.schedule_shapes import (
    ScheduleBody,
    ScheduleLine,
    SchedulePatch,
    ScheduleRunLine,
    read_window,
    write_window,
)
from secrecon.api.strict_json import read_model
from secrecon.api.webhooks import body_of
from secrecon.model.errors import NotFound
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan, Schedule, ScheduleRun
from secrecon.service import schedules
from secrecon.service.listing import DEFAULT_LIMIT, read_id

router = APIRouter(tags=["schedules"])
Id = Annotated[
    str,
    PathParameter(description="The id, as the list gives it"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": shapes.MAX_ID, "example": 1}),
]
_BODY = body_of(
    ScheduleBody,
    {"name": "Every night", "target": "https://example.com", "cron": "0 2 * * *", "zone": "Europe/Berlin"},
)
_PATCH = body_of(SchedulePatch, {"enabled": False})


@router.get(
    "/api/v1/schedules",
    response_model=shapes.Page[ScheduleLine],
    responses=problems(401, 403, 429),
    openapi_extra=KEY,
    operation_id="listSchedules",
    summary="Schedules of the account",
)
async def list_(ctx: Ctx, caller: KeyCaller) -> shapes.Page[ScheduleLine]:
    """All of them, oldest first; an account has at most a hundred."""
    found = await schedules.list_schedules(ctx, caller)
    return shapes.Page(items=[_line(schedule) for schedule in found], next_cursor=None)


@router.post(
    "/api/v1/schedules",
    status_code=201,
    response_model=ScheduleLine,
    responses=problems(400, 401, 403, 409, 413, 429),
    openapi_extra={**KEY, "requestBody": _BODY},
    operation_id="createSchedule",
    summary="Make a schedule",
)
async def create(request: Request, ctx: Ctx, caller: KeyCaller) -> ScheduleLine:
    """Each run takes a credit, and is refused and told where a scan asked for by hand would be."""
    body = read_model(ScheduleBody, await request.body())
    plan = Plan(
        name=body.name,
        target=body.target,
        mode=ScanMode(body.scan_mode),
        cron=body.cron,
        zone=body.zone,
        window=read_window(body.window),
        spread=body.spread,
        catch_up=body.catch_up,
    )
    return _line(await schedules.create_schedule(ctx, caller, plan))


@router.patch(
    "/api/v1/schedules/{schedule_id}",
    response_model=ScheduleLine,
    responses=problems(400, 401, 403, 404, 413, 429),
    openapi_extra={**KEY, "requestBody": _PATCH},
    operation_id="changeSchedule",
    summary="Change a schedule, or switch it on or off",
)
async def change(request: Request, ctx: Ctx, caller: KeyCaller, schedule_id: Id) -> ScheduleLine:
    """The next moment is worked out anew. A window is taken away with an empty text."""
    body = read_model(SchedulePatch, await request.body())
    number = _id(schedule_id)
    found = next((s for s in await schedules.list_schedules(ctx, caller) if s.id == number), None)
    if found is None:
        raise NotFound("There is no such schedule.")
    old = found.plan
    plan = Plan(
        name=old.name if body.name is None else body.name,
        target=old.target if body.target is None else body.target,
        mode=old.mode if body.scan_mode is None else ScanMode(body.scan_mode),
        cron=old.cron if body.cron is None else body.cron,
        zone=old.zone if body.zone is None else body.zone,
        window=old.window if body.window is None else read_window(body.window),
        spread=old.spread if body.spread is None else body.spread,
        catch_up=old.catch_up if body.catch_up is None else body.catch_up,
    )
    return _line(await schedules.change_schedule(ctx, caller, number, plan, body.enabled))


@router.delete(
    "/api/v1/schedules/{schedule_id}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="removeSchedule",
    summary="Remove a schedule",
)
async def remove(ctx: Ctx, caller: KeyCaller, schedule_id: Id) -> Response:
    """Its scans and their reports stay."""
    await schedules.remove_schedule(ctx, caller, _id(schedule_id))
    return Response(status_code=204)


@router.post(
    "/api/v1/schedules/{schedule_id}/run",
    status_code=202,
    response_model=shapes.Accepted,
    responses=problems(400, 401, 403, 404, 413, 429),
    openapi_extra=KEY,
    operation_id="runSchedule",
    summary="Run a schedule now",
)
async def run(ctx: Ctx, caller: KeyCaller, schedule_id: Id) -> shapes.Accepted:
    """Beside its moments, whatever its window; takes a credit."""
    return answer.accepted(await schedules.run_now(ctx, caller, _id(schedule_id)))


@router.get(
    "/api/v1/schedules/{schedule_id}/runs",
    response_model=shapes.Page[ScheduleRunLine],
    responses=problems(400, 401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="listScheduleRuns",
    summary="How a schedule's moments went",
)
async def runs(
    ctx: Ctx, caller: KeyCaller, schedule_id: Id, cursor: Cursor = None, limit: Limit = str(DEFAULT_LIMIT)
) -> shapes.Page[ScheduleRunLine]:
    """Newest first, those that did not begin a scan with the reason."""
    return page(await schedules.list_runs(ctx, caller, _id(schedule_id), cursor, read_limit(limit)), _run)


def _id(text: str) -> int:
    return read_id(text, "There is no such schedule.")


def _line(schedule: Schedule) -> ScheduleLine:
    plan = schedule.plan
    return ScheduleLine(
        id=schedule.id,
        name=plan.name,
        target=plan.target,
        scan_mode=plan.mode.value,
        cron=plan.cron,
        zone=plan.zone,
        window=write_window(plan.window),
        spread=plan.spread,
        catch_up=plan.catch_up,
        enabled=not schedule.disabled_why,
        disabled_why=schedule.disabled_why,
        next_run_at=maybe_iso(schedule.next_run),
        last_scan_id=schedule.last_scan_id,
        created_at=iso(schedule.created),
    )


def _run(run: ScheduleRun) -> ScheduleRunLine:
    return ScheduleRunLine(
        id=run.id,
        due_at=iso(run.due),
        at=iso(run.at),
        outcome=run.outcome.value,
        scan_id=run.scan_id,
        detail=run.detail,
        times=run.times,
    )
