"""One finding and its decision, and what changed between scans: parse, call the service, shape the answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from pydantic import WithJsonSchema

from secrecon.api import finding_answer as answer
from secrecon.api import finding_shapes as shapes
from secrecon.api.access import Client, Ctx, KeyCaller
from secrecon.api.lists import read_limit
from secrecon.api.openapi import KEY, problems
from secrecon.api.scans import read_report_id
from secrecon.api.shapes import DB_ID_EXAMPLE, MAX_ID, Page
from secrecon.api.strict_json import read_model
from secrecon.service.comparing import MOST_POINTS, compare_scans, trend
from secrecon.service.listing import read_id
from secrecon.service.retests import list_retests, retest_finding
from secrecon.service.triage import NO_FINDING, read_finding, triage, triage_many

router = APIRouter(tags=["findings"])

FindingId = Annotated[
    str,
    PathParameter(description="The id of the finding in the list of findings and in reports"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_ID, "example": 17}),
]
_REPORT = {"type": "integer", "minimum": 1, "maximum": MAX_ID, "example": DB_ID_EXAMPLE}
To = Annotated[str, Query(description="db_scan_id of the later scan"), WithJsonSchema(_REPORT)]
From = Annotated[
    str | None,
    Query(alias="from", description="db_scan_id of the earlier scan; left out: the finished one before"),
    WithJsonSchema(_REPORT),
]
Target = Annotated[
    str,
    Query(max_length=2048, description="The target, as it was given or as answers name it"),
    WithJsonSchema(
        {"type": "string", "format": "scan-target", "maxLength": 2048, "example": "https://example.com"}
    ),
]
Points = Annotated[
    str,
    Query(description="How many scans, the latest ones"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_POINTS, "default": MOST_POINTS}),
]
EXAMPLE: dict[str, object] = {
    "state": "accepted",
    "revision": 0,
    "reason": "Behind the VPN.",
    "expires_at": "2027-03-31T00:00:00Z",
}
MANY: dict[str, object] = {
    "findings": [{"id": 17, "revision": 0}],
    "state": "false_positive",
    "reason": "A test file of ours.",
}


def _body(shape: type[shapes.TriageBody | shapes.TriageManyBody], example: dict[str, object]) -> dict[str, object]:
    schema = shape.model_json_schema()
    named = schema.pop("$defs", {})
    if "findings" in schema["properties"]:
        schema["properties"]["findings"]["items"] = named["NamedFinding"]
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
    }


def read_finding_id(text: str) -> int:
    """The id as a number. Anything that cannot be one is as unknown as a number that nobody has."""
    return read_id(text, NO_FINDING)


@router.get(
    "/api/v1/findings/{finding_id}",
    response_model=shapes.FindingAnswer,
    responses=problems(401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="readFinding",
    summary="One finding with its evidence and its decision",
)
async def read(ctx: Ctx, caller: KeyCaller, finding_id: FindingId) -> shapes.FindingAnswer:
    """The finding as its latest scan saw it."""
    return answer.finding(await read_finding(ctx, caller, read_finding_id(finding_id)))


@router.post(
    "/api/v1/findings/{finding_id}/triage",
    response_model=shapes.FindingAnswer,
    responses=problems(400, 401, 403, 404, 409, 413, 429),
    openapi_extra={**KEY, **_body(shapes.TriageBody, EXAMPLE)},
    operation_id="triageFinding",
    summary="Decide about a finding",
)
async def decide(request: Request, ctx: Ctx, caller: KeyCaller, finding_id: FindingId) -> shapes.FindingAnswer:
    """False positive, accepted until a date, in progress, or open again. `revision` is the finding's when you looked at it: where
    somebody decided meanwhile the answer is 409, nothing is changed, and `detail` says who decided what."""
    number = read_finding_id(finding_id)
    body = read_model(shapes.TriageBody, await request.body())
    return answer.finding(await triage(ctx, caller, number, body.revision, answer.verdict(body)))


@router.post(
    "/api/v1/triage",
    response_model=shapes.TriageManyAnswer,
    responses=problems(400, 401, 403, 413, 429),
    openapi_extra={**KEY, **_body(shapes.TriageManyBody, MANY)},
    operation_id="triageFindings",
    summary="Decide about several findings at once",
)
async def decide_many(request: Request, ctx: Ctx, caller: KeyCaller) -> shapes.TriageManyAnswer:
    """The same decision about at most 200 findings. Those that somebody else decided about meanwhile stay as they are and are
    told."""
    body = read_model(shapes.TriageManyBody, await request.body())
    wanted = [(named.id, named.revision) for named in body.findings]
    results = await triage_many(ctx, caller, wanted, answer.verdict(body))
    return shapes.TriageManyAnswer(results=[answer.decided(found) for found in results])


@router.get(
    "/api/v1/diff",
    response_model=shapes.DiffAnswer,
    responses=problems(400, 401, 403, 404, 409, 429),
    openapi_extra=KEY,
    operation_id="compareScans",
    summary="What changed between two scans of a target",
)
async def difference(ctx: Ctx, caller: KeyCaller, client: Client, to: To, from_: From = None) -> shapes.DiffAnswer:
    """New, fixed, regressed, unchanged and not re-tested findings, each change with what explains it: the target, our rules,
    a feed or the coverage. "Fixed" means that the same check ran again on the same asset, to its end."""
    earlier = None if from_ is None else read_report_id(from_)
    return answer.diff(await compare_scans(ctx, read_report_id(to), earlier, caller, client))


@router.get(
    "/api/v1/trend",
    response_model=shapes.TrendAnswer,
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="readTrend",
    summary="A target over time",
)
async def over_time(
    ctx: Ctx, caller: KeyCaller, target: Target, limit: Points = str(MOST_POINTS)
) -> shapes.TrendAnswer:
    """Grade, counts and changes of the latest finished scans of one target, oldest first; empty where there is none."""
    return answer.trend(target, await trend(ctx, caller, target, read_limit(limit)))


@router.post(
    "/api/v1/findings/{finding_id}/retest",
    status_code=202,
    response_model=shapes.RetestLine,
    responses=problems(401, 403, 404, 409, 413, 429),
    openapi_extra=KEY,
    operation_id="retestFinding",
    summary="Look for one finding again",
)
async def retest(ctx: Ctx, caller: KeyCaller, finding_id: FindingId) -> shapes.RetestLine:
    """Runs the checks concerned on its asset, through the same queue and scope rules, in seconds and for no credit. Poll the
    list of retests: still there, not found any more, or could not test. Asking while one is under way gives that one."""
    return answer.retest(await retest_finding(ctx, caller, read_finding_id(finding_id)))


@router.get(
    "/api/v1/findings/{finding_id}/retests",
    response_model=Page[shapes.RetestLine],
    responses=problems(401, 403, 404, 429),
    openapi_extra=KEY,
    operation_id="listRetests",
    summary="The latest retests of a finding",
)
async def retests(ctx: Ctx, caller: KeyCaller, finding_id: FindingId) -> Page[shapes.RetestLine]:
    """The latest twenty, newest first."""
    found = await list_retests(ctx, caller, read_finding_id(finding_id))
    return Page(items=[answer.retest(item) for item in found], next_cursor=None)
