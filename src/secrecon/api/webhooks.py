"""Webhooks over the API: parse, call the service, shape the answer. The signing secret is in two answers only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, WithJsonSchema

from secrecon.api import shapes
from secrecon.api.access import Ctx, KeyCaller
from secrecon.api.answer import iso, maybe_iso, page
from secrecon.api.hook_shapes import DeliveryLine, NewWebhook, WebhookBody, WebhookLine, WebhookPatch
from secrecon.api.lists import Cursor, Limit, read_limit
from secrecon.api.openapi import KEY, problems
from secrecon.api.strict_json import read_model
from secrecon.model.webhook import Delivery, Webhook
from secrecon.service import webhooks
from secrecon.service.listing import DEFAULT_LIMIT, read_id

router = APIRouter(tags=["webhooks"])

Id = Annotated[
    str,
    PathParameter(description="The id, as the list gives it"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": shapes.MAX_ID, "example": 1}),
]


def body_of(shape: type[BaseModel], example: dict[str, object]) -> dict[str, object]:
    """What a route takes, for the OpenAPI document."""
    content = {"application/json": {"schema": shape.model_json_schema(), "example": example}}
    return {"required": True, "content": content}


_BODY = body_of(
    WebhookBody,
    {"name": "Alerts", "url": "https://hooks.example.com/secrecon", "events": ["scan.finished", "finding.new"]},
)
_PATCH = body_of(WebhookPatch, {"enabled": False})


@router.get(
    "/api/v1/webhooks",
    response_model=shapes.Page[WebhookLine],
    responses=problems(401, 403, 429),
    openapi_extra=KEY,
    operation_id="listWebhooks",
    summary="Webhooks of the account",
)
async def list_(ctx: Ctx, caller: KeyCaller) -> shapes.Page[WebhookLine]:
    """All of them, oldest first; an account has at most twenty."""
    return shapes.Page(items=[_line(hook) for hook in await webhooks.list_webhooks(ctx, caller)], next_cursor=None)


@router.post(
    "/api/v1/webhooks",
    status_code=201,
    response_model=NewWebhook,
    responses=problems(400, 401, 403, 409, 413, 429),
    openapi_extra={**KEY, "requestBody": _BODY},
    operation_id="createWebhook",
    summary="Make a webhook",
)
async def create(request: Request, ctx: Ctx, caller: KeyCaller) -> NewWebhook:
    """Messages are signed as Standard Webhooks says; keep the secret, it is not shown again."""
    body = read_model(WebhookBody, await request.body())
    return _new(await webhooks.create_webhook(ctx, caller, body.name, body.url, body.events))


@router.patch(
    "/api/v1/webhooks/{webhook_id}",
    response_model=WebhookLine,
    responses=problems(400, 401, 403, 404, 413, 429),
    openapi_extra={**KEY, "requestBody": _PATCH},
    operation_id="changeWebhook",
    summary="Change a webhook, or switch it on or off",
)
async def change(request: Request, ctx: Ctx, caller: KeyCaller, webhook_id: Id) -> WebhookLine:
    """While it is off nothing new is kept for it; what waited already is sent when it is on again."""
    body = read_model(WebhookPatch, await request.body())
    events = None if body.events is None else tuple(body.events)
    wish = webhooks.HookChange(name=body.name, url=body.url, events=events, enabled=body.enabled)
    return _line(await webhooks.change_webhook(ctx, caller, _id(webhook_id), wish))


@router.delete(
    "/api/v1/webhooks/{webhook_id}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="removeWebhook",
    summary="Remove a webhook with its log",
)
async def remove(ctx: Ctx, caller: KeyCaller, webhook_id: Id) -> Response:
    """What waits for it is not sent any more."""
    await webhooks.remove_webhook(ctx, caller, _id(webhook_id))
    return Response(status_code=204)


@router.post(
    "/api/v1/webhooks/{webhook_id}/rotate",
    response_model=NewWebhook,
    responses=problems(401, 403, 404, 413, 429),
    openapi_extra=KEY,
    operation_id="rotateWebhook",
    summary="Replace the signing secret",
)
async def rotate(ctx: Ctx, caller: KeyCaller, webhook_id: Id) -> NewWebhook:
    """For 24 hours messages carry a signature by the old secret too."""
    return _new(await webhooks.rotate_webhook(ctx, caller, _id(webhook_id)))


@router.post(
    "/api/v1/webhooks/{webhook_id}/test",
    status_code=202,
    response_model=DeliveryLine,
    responses=problems(401, 403, 404, 409, 413, 429),
    openapi_extra=KEY,
    operation_id="testWebhook",
    summary="Send a test message",
)
async def test(ctx: Ctx, caller: KeyCaller, webhook_id: Id) -> DeliveryLine:
    """Queued at once; the log of deliveries shows how it went."""
    return _delivery(await webhooks.try_webhook(ctx, caller, _id(webhook_id)))


@router.get(
    "/api/v1/webhooks/{webhook_id}/deliveries",
    response_model=shapes.Page[DeliveryLine],
    responses=problems(400, 401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="listDeliveries",
    summary="What was sent to a webhook, and how it went",
)
async def deliveries(
    ctx: Ctx, caller: KeyCaller, webhook_id: Id, cursor: Cursor = None, limit: Limit = str(DEFAULT_LIMIT)
) -> shapes.Page[DeliveryLine]:
    """Newest first, for 30 days."""
    found = await webhooks.list_deliveries(ctx, caller, _id(webhook_id), cursor, read_limit(limit))
    return page(found, _delivery)


@router.post(
    "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=DeliveryLine,
    responses=problems(401, 403, 404, 409, 413, 429),
    openapi_extra=KEY,
    operation_id="replayDelivery",
    summary="Send a message again",
)
async def replay(ctx: Ctx, caller: KeyCaller, webhook_id: Id, delivery_id: Id) -> DeliveryLine:
    """Under the message id it had, so that a receiver that took it already can tell."""
    return _delivery(await webhooks.replay_delivery(ctx, caller, _id(webhook_id), _id(delivery_id)))


def _id(text: str) -> int:
    return read_id(text, "There is no such webhook or delivery.")


def _line(hook: Webhook) -> WebhookLine:
    return WebhookLine(
        id=hook.id,
        name=hook.name,
        url=hook.url,
        events=[kind.value for kind in hook.events],
        enabled=hook.disabled is None,
        disabled_why=hook.disabled_why,
        created_at=iso(hook.created),
    )


def _new(made: webhooks.NewSecret) -> NewWebhook:
    return NewWebhook(**_line(made.webhook).model_dump(), secret=made.secret)


def _delivery(delivery: Delivery) -> DeliveryLine:
    return DeliveryLine(
        id=delivery.id,
        message_id=delivery.message_id,
        event=delivery.event.value,
        state=delivery.state.value,
        tries=delivery.tries,
        created_at=iso(delivery.created),
        next_try_at=maybe_iso(delivery.next_try),
        delivered_at=maybe_iso(delivery.delivered),
        status_code=delivery.last_status,
        error=delivery.last_error,
        body=delivery.body,
    )
