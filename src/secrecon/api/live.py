"""Live events of a scan: the same log as server-sent events and over a WebSocket, both resumable.

Knowing the scan_id is the right to watch. Both end after the last event (`done` or `error`). What a watcher sends is
read only to notice that it left.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TypeVar

from fastapi import APIRouter, Request, Response, WebSocket
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from secrecon.api import answer
from secrecon.api.access import Client, Ctx
from secrecon.api.openapi import ANYONE, problems
from secrecon.api.problem import problem_of
from secrecon.api.scans import ScanId
from secrecon.model.errors import BadInput, NotFound, UserError
from secrecon.model.record import ScanEvent
from secrecon.service.context import Context
from secrecon.service.scans import read_watchable, watch

router = APIRouter(tags=["live"])

T = TypeVar("T")
HEARTBEAT = 15.0
RETRY_MS = 2000
MAX_SEQ = 2**53 - 1
RESUME: dict[str, object] = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The last event that was seen: the stream goes on after it.",
            "schema": {"type": "integer", "minimum": 0, "maximum": MAX_SEQ},
        }
    ]
}


def read_seq(text: str | None, field: str) -> int:
    """The sequence number to go on after; 0 for the beginning."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > MAX_SEQ:
        raise BadInput(f"{field} must be the id of an event", field)
    return int(text)


@router.get(
    "/api/scan/{scan_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `id` is the sequence number, `event` the kind, `data` JSON",
            "content": {
                "text/event-stream": {"schema": {"description": "Server-sent events; the `data` of each is JSON."}}
            },
        },
        204: {"description": "The scan has ended and nothing is left to tell: do not reconnect"},
        **problems(400, 404, 429),
    },
    openapi_extra={**ANYONE, **RESUME},
    operation_id="scanEvents",
    summary="Live events of a scan",
)
async def events(request: Request, ctx: Ctx, client: Client, scan_id: ScanId) -> Response:
    """Every event of the scan, from the beginning or after `Last-Event-ID`, then live; ends after the last one."""
    after = read_seq(request.headers.get("Last-Event-ID"), "Last-Event-ID")
    view = await read_watchable(ctx, scan_id, client)
    if view.status.is_final and after >= view.last_seq:
        return Response(status_code=204)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(ctx, scan_id, after, client), media_type="text/event-stream", headers=headers)


async def _stream(ctx: Context, scan_id: str, after: int, client: str) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    async for event in with_heartbeat(watch(ctx, scan_id, after, client)):
        yield b": still here\n\n" if event is None else frame(event)


def frame(event: ScanEvent) -> bytes:
    """One event as server-sent event. JSON holds no line ends, so one data line is enough."""
    data = json.dumps(answer.event(event), ensure_ascii=False)
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()


async def with_heartbeat(source: AsyncIterator[T], every: float = HEARTBEAT) -> AsyncIterator[T | None]:
    """The events of `source`, with None whenever nothing came for `every` seconds."""
    step = asyncio.ensure_future(anext(source, None))
    try:
        while True:
            done, _ = await asyncio.wait({step}, timeout=every)
            if not done:
                yield None
                continue
            event = step.result()
            if event is None:
                return
            yield event
            step = asyncio.ensure_future(anext(source, None))
    finally:
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step


@router.websocket("/ws/scan/{scan_id}")
async def socket(websocket: WebSocket, ctx: Ctx, client: Client, scan_id: str) -> None:
    """The events as one JSON text message each; closes with 1000 after the last. `?after=SEQ` resumes."""
    try:
        after = read_seq(websocket.query_params.get("after"), "after")
        await read_watchable(ctx, scan_id, client)
    except UserError as error:
        await websocket.send_denial_response(problem_of(error).response())
        return
    await websocket.accept()
    left = asyncio.create_task(_until_left(websocket))
    sender = asyncio.create_task(_send_all(websocket, watch(ctx, scan_id, after, client)))
    try:
        await asyncio.wait({left, sender}, return_when=asyncio.FIRST_COMPLETED)
        if sender.done():
            sender.result()
            await websocket.close(1000)
    except WebSocketDisconnect:
        return
    finally:
        for task in (left, sender):
            task.cancel()
        await asyncio.gather(left, sender, return_exceptions=True)


@router.websocket("/{rest:path}")
async def no_socket(websocket: WebSocket, rest: str) -> None:
    """Any other path: refused like an unknown path of the API, in words."""
    problem = problem_of(NotFound("No such socket. Scans are watched at /ws/scan/{scan_id}."))
    await websocket.send_denial_response(problem.response())


async def _send_all(websocket: WebSocket, source: AsyncIterator[ScanEvent]) -> None:
    async for event in source:
        await websocket.send_text(json.dumps(answer.event(event), ensure_ascii=False))


async def _until_left(websocket: WebSocket) -> None:
    """Returns when the watcher closes; whatever it says is thrown away."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
