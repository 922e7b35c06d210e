"""Health, readiness, metrics, and the API's own description: the routes that machines and readers of the API ask."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from secrecon.api import browse, shapes
from secrecon.api.access import Ctx
from secrecon.api.metrics import CONTENT_TYPE, Metrics, MetricsAccess, MetricsPolicy
from secrecon.api.openapi import ANYONE, problems
from secrecon.api.problem import Problem
from secrecon.model.errors import InternalError, NotFound
from secrecon.model.record import JsonValue
from secrecon.report.schema import report_schema
from secrecon.service.health import check_ready, count_scans
from secrecon.service.proof import public_key

router = APIRouter(tags=["system"])
_REPORT_SCHEMA = report_schema()
DAY = "public, max-age=86400"


@router.get(
    "/healthz",
    response_model=shapes.Health,
    responses=problems(),
    openapi_extra=ANYONE,
    operation_id="health",
    summary="The process answers",
)
async def health() -> shapes.Health:
    """Says nothing about the parts behind it; that is /readyz."""
    return shapes.Health(status="ok")


@router.get(
    "/readyz",
    response_model=shapes.Ready,
    responses=problems(503),
    openapi_extra=ANYONE,
    operation_id="ready",
    summary="Everything needed to take scans works",
)
async def ready(ctx: Ctx) -> shapes.Ready | Response:
    """Asks the database, the disk and the callback listener; 503 names what does not work."""
    checks = await check_ready(ctx)
    broken = [check.name for check in checks if not check.ok]
    if broken:
        told: list[JsonValue] = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        return Problem(503, f"Not ready: {', '.join(broken)}", more={"checks": told}).response()
    lines = [shapes.ReadyCheck(name=check.name, ok=check.ok, detail=check.detail) for check in checks]
    return shapes.Ready(status="ready", checks=lines)


@router.get(
    "/api/signing-key",
    response_model=shapes.SigningKey,
    responses=problems(),
    openapi_extra=ANYONE,
    operation_id="signingKey",
    summary="The public key that signs bundles",
)
async def signing_key(ctx: Ctx) -> shapes.SigningKey:
    """What `secrecon verify --key` takes. Get it once over a way you trust and keep it: it stays the same."""
    return shapes.SigningKey(algorithm="Ed25519", public_key=public_key(ctx))


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems(403, 404),
    },
    openapi_extra=ANYONE,
    operation_id="metrics",
    summary="Counters of this process",
)
async def metrics(request: Request, ctx: Ctx) -> Response:
    """Off by default (404); the deployment opens it to everybody or to holders of a token."""
    policy, counters = request.app.state.metrics_policy, request.app.state.metrics
    if not isinstance(policy, MetricsPolicy) or not isinstance(counters, Metrics):
        raise InternalError("the application was started without its metrics")
    if policy.access is MetricsAccess.OFF:
        raise NotFound("Metrics are off. The operator can turn them on.")
    if not policy.allows(request.headers.get("Authorization", "")):
        return Problem(403, "Metrics need the token: Authorization: Bearer TOKEN").response()
    counters.scans(await count_scans(ctx))
    return Response(counters.text(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The API reference for people."""
    page = browse.render(request.app.openapi())
    headers = {"Content-Security-Policy": browse.CONTENT_SECURITY_POLICY}
    return Response(page, media_type="text/html", headers=headers)


@router.get("/docs/reference.css", include_in_schema=False)
async def stylesheet() -> Response:
    """The reference page's style."""
    return Response(browse.stylesheet(), media_type="text/css", headers={"Cache-Control": DAY})


@router.get("/schemas/report-1.json", include_in_schema=False)
async def schema_of_reports() -> Response:
    """The JSON Schema of the JSON report."""
    return Response(_REPORT_SCHEMA, media_type="application/schema+json", headers={"Cache-Control": DAY})


@router.get("/openapi.json", include_in_schema=False)
async def document(request: Request) -> Response:
    """The OpenAPI 3.1 document."""
    return Response(browse.as_json(request.app.openapi()), media_type="application/json")
