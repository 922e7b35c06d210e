"""Asking about one's own reports, and the tools that do the looking up: parse, call the service, stream or shape.

The dashboard's path takes the session cookie and JSON alone, so that no other site's form can ask in a visitor's name. The
tools are the same that the assistant has; `secrecon mcp` gives them to outside agents.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from secrecon.accounts.caller import Caller
from secrecon.api import shapes
from secrecon.api.access import Ctx, KeyCaller, SessionCaller
from secrecon.api.live import with_heartbeat
from secrecon.api.openapi import KEY, SESSION, Responses, problems, whole
from secrecon.api.strict_json import read_model, read_object
from secrecon.model.errors import BadInput, Forbidden
from secrecon.model.language import Language, Turn
from secrecon.service.assistant import Heard, Question, answer, check_question
from secrecon.service.context import Context
from secrecon.service.tools import TOOLS, AgentTool, Arguments, use

router = APIRouter(tags=["assistant"])

SAMPLE = {"message": "What should I fix first?", "history": [], "db_scan_id": shapes.DB_ID_EXAMPLE}
BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": whole(shapes.QuestionBody.model_json_schema()), "example": SAMPLE}
        },
    }
}
EXAMPLES: dict[str, dict[str, object]] = {
    "list_findings": {"severity": "critical", "limit": 5},
    "read_finding": {"finding_id": 17},
    "read_report": {"db_scan_id": shapes.DB_ID_EXAMPLE},
    "read_coverage": {"db_scan_id": shapes.DB_ID_EXAMPLE},
}
STREAM: Responses = {
    200: {
        "description": "Server-sent events: `tool` (what is looked up), `text` (checked sentences), then `done` or `error`",
        "content": {
            "text/event-stream": {"schema": {"description": "Server-sent events; the `data` of each is JSON."}}
        },
    }
}


@router.post(
    "/api/agent/chat",
    response_class=StreamingResponse,
    responses={**STREAM, **problems(400, 401, 403, 413, 429, 503)},
    openapi_extra={**SESSION, **BODY},
    operation_id="askBySession",
    summary="Ask about your reports (dashboard)",
)
async def ask_by_session(request: Request, ctx: Ctx, caller: SessionCaller) -> Response:
    """Answers from the account's stored reports, findings and assets, sentence by sentence, citing finding ids. 503 where no
    language model is configured."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("Questions are asked from the dashboard itself, not from another site.")
    return await _answered(request, ctx, caller)


@router.post(
    "/api/v1/agent/chat",
    response_class=StreamingResponse,
    responses={**STREAM, **problems(400, 401, 403, 413, 429, 503)},
    openapi_extra={**KEY, **BODY},
    operation_id="ask",
    summary="Ask about your reports",
)
async def ask_by_key(request: Request, ctx: Ctx, caller: KeyCaller) -> Response:
    """Answers from the account's stored reports, findings and assets, sentence by sentence, citing finding ids. 503 where no
    language model is configured."""
    return await _answered(request, ctx, caller)


async def _answered(request: Request, ctx: Context, caller: Caller) -> Response:
    if request.headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/json":
        raise BadInput("Send JSON, with Content-Type: application/json.")
    body = read_model(shapes.QuestionBody, await request.body())
    history = tuple(Turn(turn.role, turn.text) for turn in body.history)
    question = Question(body.message, history, body.db_scan_id)
    language = await check_question(ctx, caller, question)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(ctx, caller, question, language), media_type="text/event-stream", headers=headers
    )


async def _stream(ctx: Context, caller: Caller, question: Question, language: Language) -> AsyncIterator[bytes]:
    async for event in with_heartbeat(answer(ctx, caller, question, language)):
        yield b": still here\n\n" if event is None else frame(event)


def frame(event: Heard) -> bytes:
    """One event as server-sent event; JSON holds no line ends."""
    return f"event: {event.kind}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n".encode()


@router.get(
    "/api/v1/agent/tools",
    response_model=shapes.Page[shapes.ToolLine],
    responses=problems(401, 403, 429),
    openapi_extra=KEY,
    operation_id="listTools",
    summary="Tools for agents",
)
async def tools(caller: KeyCaller) -> shapes.Page[shapes.ToolLine]:
    """The read-only tools, each with the JSON Schema of its arguments."""
    items = [
        shapes.ToolLine(name=tool.name, description=tool.description, arguments=dict(tool.schema))
        for tool in TOOLS.values()
    ]
    return shapes.Page(items=items, next_cursor=None)


def _add_tool(tool: AgentTool[Arguments]) -> None:
    """One route for each tool, so that the document knows what each takes."""

    async def use_tool(request: Request, ctx: Ctx, caller: KeyCaller) -> dict[str, object]:
        return dict(await use(ctx, caller, tool.name, read_object(await request.body())))

    content = {"application/json": {"schema": whole(tool.schema), "example": EXAMPLES.get(tool.name, {})}}
    router.add_api_route(
        f"/api/v1/agent/tools/{tool.name}",
        use_tool,
        methods=["POST"],
        response_model=dict[str, object],
        responses=problems(400, 401, 403, 404, 413, 429),
        openapi_extra={**KEY, "requestBody": {"required": True, "content": content}},
        operation_id="use_" + tool.name,
        summary=tool.description,
        description="For the key's account alone: what another account has is as unknown as what does not exist.",
    )


for _tool in TOOLS.values():
    _add_tool(_tool)
