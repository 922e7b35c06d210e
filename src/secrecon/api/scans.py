"""Starting, watching and cancelling scans, and reading their reports: parse, call the service, shape the answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import WithJsonSchema
from starlette.concurrency import run_in_threadpool

from secrecon.api import answer, shapes
from secrecon.api.access import AnyCaller, Client, Ctx, KeyCaller
from secrecon.api.openapi import ANYONE, KEY, KEY_OR_SESSION_OR_NONE, problems
from secrecon.api.strict_json import read_model
from secrecon.model.errors import BadInput
from secrecon.model.scan import ScanMode
from secrecon.report import FORMATS, THRESHOLDS, parse_fail_on, render, to_json
from secrecon.report.bundle import MEDIA_TYPE as BUNDLE_TYPE
from secrecon.service.answers import ScanRequest
from secrecon.service.comparing import read_whole_report
from secrecon.service.listing import read_id
from secrecon.service.proof import read_bundle
from secrecon.service.reports import NO_REPORT, read_verdict
from secrecon.service.scans import cancel_scan, read_status, submit_scan

router = APIRouter(tags=["scans"])
_RENDERERS = ThreadPoolExecutor(2, "export")
"""Large exports take hundreds of megabytes for a second: two at a time, the others wait their turn."""

MAX_IDEMPOTENCY_KEY = 255
BUNDLE = "bundle"
ScanId = Annotated[
    str,
    PathParameter(description="The scan_id of the accepted scan"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{32}$", "example": shapes.SCAN_ID_EXAMPLE}),
]
DbScanId = Annotated[
    str,
    PathParameter(description="The db_scan_id of the accepted scan"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": shapes.MAX_ID, "example": shapes.DB_ID_EXAMPLE}),
]
FailOnText = Annotated[
    str,
    Query(description="The threshold: critical, high, medium, low, kev, or a letter as in grade:C"),
    WithJsonSchema({"type": "string", "enum": list(THRESHOLDS), "default": "kev"}),
]
BaselineId = Annotated[
    str,
    Query(description="The db_scan_id of an earlier report: only what is new since then counts"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": shapes.MAX_ID}),
]
Format = Annotated[str, Query(description="The document's format"), WithJsonSchema({"enum": [*FORMATS, BUNDLE]})]

BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": shapes.scan_body_schema(),
                "example": {"target": "https://example.com", "scan_mode": "quick"},
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key and body within 24 hours give the first answer again, for one credit.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ],
}


@router.post(
    "/api/v1/scan",
    status_code=202,
    response_model=shapes.Accepted,
    responses=problems(400, 401, 403, 409, 413, 429),
    openapi_extra={**KEY, **BODY},
    operation_id="startScan",
    summary="Start a scan",
)
async def start(request: Request, ctx: Ctx, caller: KeyCaller) -> shapes.Accepted:
    """Queues a security scan of the target and takes one scan credit. Returns at once: poll `status_url`."""
    idempotency = _idempotency_key(request)
    body = read_model(shapes.ScanBody, await request.body())
    login = body.authentication.login() if body.authentication is not None else None
    wish = ScanRequest(target=body.target, mode=ScanMode(body.scan_mode), via_api=True, login=login)
    return answer.accepted(await submit_scan(ctx, caller, wish, idempotency))


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY or not all("!" <= char <= "~" for char in key):
        raise BadInput(
            f"Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters", "Idempotency-Key"
        )
    return key


@router.get(
    "/api/scan/{scan_id}/status",
    response_model=shapes.StatusAnswer,
    responses=problems(404),
    openapi_extra=ANYONE,
    operation_id="scanStatus",
    summary="Live status of a scan",
)
async def status(ctx: Ctx, scan_id: ScanId) -> shapes.StatusAnswer:
    """Where the scan is. Knowing the scan_id is the right to see this; no key is needed."""
    return answer.status(await read_status(ctx, scan_id))


@router.post(
    "/api/v1/scan/{scan_id}/cancel",
    status_code=202,
    response_model=shapes.Cancelled,
    responses=problems(401, 403, 404, 413, 429),
    openapi_extra=KEY,
    operation_id="cancelScan",
    summary="Cancel a scan",
)
async def cancel(ctx: Ctx, caller: KeyCaller, scan_id: ScanId) -> shapes.Cancelled:
    """Asks the scan to stop soon. What was found stays; the report says what was not run. Asking twice is no error."""
    view = await cancel_scan(ctx, caller, scan_id)
    message = "The scan has ended." if view.status.is_final else "The scan stops soon. Poll the status."
    return shapes.Cancelled(
        scan_id=view.scan_id,
        status=view.status.value,
        cancelled=view.cancelled or view.stopping,
        message=message,
    )


@router.get(
    "/api/scan/{db_scan_id}",
    response_model=shapes.ReportAnswer,
    responses=problems(403, 404, 429),
    openapi_extra=KEY_OR_SESSION_OR_NONE,
    operation_id="scanReport",
    summary="The report of a scan",
)
async def report(ctx: Ctx, caller: AnyCaller, client: Client, db_scan_id: DbScanId) -> Response:
    """The complete report. Whoever holds the link of a scan started through the API may read it, unless the account or
    the deployment says that reports need a key; a dashboard scan's report is its account's alone. Unknown and forbidden
    are both 404. A scan that still runs gives what is known so far."""
    found = await read_whole_report(ctx, read_report_id(db_scan_id), caller, client)
    return Response(await run_in_threadpool(to_json, found), media_type="application/json")


@router.get(
    "/api/scan/{db_scan_id}/report",
    response_class=Response,
    responses={
        200: {
            "description": "The report in the format asked for",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ReportAnswer"}},
                "application/sarif+json": {"schema": {"type": "object"}},
                "text/html": {"schema": {"type": "string"}},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}},
                "text/markdown": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.cyclonedx+json": {"schema": {"type": "object"}},
                "application/vnd.openvex+json": {"schema": {"type": "object"}},
                BUNDLE_TYPE: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **problems(400, 403, 404, 409, 429),
    },
    openapi_extra=KEY_OR_SESSION_OR_NONE,
    operation_id="exportReport",
    summary="The report as a document",
)
async def export(
    ctx: Ctx,
    caller: AnyCaller,
    client: Client,
    db_scan_id: DbScanId,
    format: Format = "json",  # noqa: A002
) -> Response:
    """The report as a file, in one of the formats of docs/reports.md. `bundle`: a signed archive of report, evidence,
    manifest and event log (docs/proof.md), for the account alone."""
    if format not in (*FORMATS, BUNDLE):
        raise BadInput(f"format must be one of {', '.join((*FORMATS, BUNDLE))}", "format")
    if format == BUNDLE:
        content, name = await read_bundle(ctx, read_report_id(db_scan_id), caller, client)
        media_type = BUNDLE_TYPE
    else:
        found = await read_whole_report(ctx, read_report_id(db_scan_id), caller, client)
        loop = asyncio.get_running_loop()
        content, media_type, name = await loop.run_in_executor(_RENDERERS, render, found, format)
    return Response(
        content,
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        },
    )


@router.get(
    "/api/scan/{db_scan_id}/verdict",
    response_model=shapes.VerdictAnswer,
    responses=problems(400, 403, 404, 409, 429),
    openapi_extra=KEY_OR_SESSION_OR_NONE,
    operation_id="readVerdict",
    summary="What a pipeline is told",
)
async def verdict(
    ctx: Ctx,
    caller: AnyCaller,
    client: Client,
    db_scan_id: DbScanId,
    fail_on: FailOnText = "kev",
    baseline: BaselineId = "",
) -> shapes.VerdictAnswer:
    """The exit code that `secrecon scan --fail-on` would end with: 0 nothing at the threshold and enough tested to say so, 1
    findings at the threshold, 2 could not test enough. With `baseline`, the db_scan_id of an earlier report, only findings
    that are new since then count. Readable by whoever may read the reports."""
    threshold = parse_fail_on(fail_on)
    earlier = read_report_id(baseline) if baseline else None
    told = await read_verdict(ctx, read_report_id(db_scan_id), earlier, threshold, caller, client)
    return answer.verdict(told)


def read_report_id(text: str) -> int:
    """The id as a number. Anything that cannot be one is as unknown as a number that nobody has."""
    return read_id(text, NO_REPORT)
