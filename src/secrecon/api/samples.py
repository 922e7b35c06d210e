"""One example for every answer of the API, for the OpenAPI document. Made of the shapes, so a wrong one cannot be built.

The names are example.com's (RFC 2606) and the addresses TEST-NET's (RFC 5737). A test holds each against its schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from secrecon.api import answer, shapes
from secrecon.api import finding_shapes as told
from secrecon.api.hook_shapes import DeliveryLine, NewWebhook, WebhookLine
from secrecon.api.schedule_shapes import ScheduleLine, ScheduleRunLine
from secrecon.model.record import JsonValue

SCAN_ID, DB_ID = shapes.SCAN_ID_EXAMPLE, shapes.DB_ID_EXAMPLE
BEGAN, ENDED, RESETS = "2026-11-23T19:30:00Z", "2026-11-23T19:34:10Z", "2026-12-01T00:00:00Z"
TARGET = "https://example.com"
PHASE_DONE = f'{{"seq": 7, "at": "{BEGAN}", "kind": "phase_done", "data": {{"phase": "resolve"}}}}'
EVENTS = f"id: 7\nevent: phase_done\ndata: {PHASE_DONE}\n\n"
ANSWERED = (
    'event: tool\ndata: {"name": "list_findings", "ok": true}\n\n'
    'event: text\ndata: {"text": "Close the open repository first. [finding 17]"}\n\n'
    'event: done\ndata: {"finding_ids": [17], "left_out": 0, "model": "NAME", "tokens_in": 812, "tokens_out": 34}\n\n'
)

_ACCEPTED = shapes.Accepted(
    scan_id=SCAN_ID,
    db_scan_id=DB_ID,
    target=TARGET,
    status="running",
    plan="business",
    status_url=answer.status_url(SCAN_ID),
    results_url=answer.results_url(DB_ID),
    message=answer.STARTED,
)
_STATUS = shapes.StatusAnswer(
    status="running",
    phase="verify",
    current_message="Looking for exposed files",
    current_progress=64,
    vulnerabilities_found=3,
    services_found=8,
    db_scan_id=DB_ID,
    scan_id=SCAN_ID,
    target=TARGET,
    scan_mode="quick",
    cancelled=False,
    error="",
    not_run=[],
    oast_self_test=None,
    findings_found=5,
    assets_found=12,
    interactions=0,
    requests=412,
    bytes_received=1_204_113,
    created_at=BEGAN,
    started_at=BEGAN,
    finished_at=None,
)
_SCAN = shapes.ScanLine(
    scan_id=SCAN_ID,
    db_scan_id=DB_ID,
    target=TARGET,
    scan_mode="quick",
    status="complete",
    cancelled=False,
    current_progress=100,
    via_api=True,
    archived=False,
    report_version=1,
    created_at=BEGAN,
    finished_at=ENDED,
    status_url=answer.status_url(SCAN_ID),
    results_url=answer.results_url(DB_ID),
)
_FINDING = shapes.FindingLine(
    id=17,
    fingerprint="48bda7a41fbb8afe757455a3c0fc6ef3",
    check="exposure.git",
    title="A Git repository can be read",
    severity="high",
    asset=TARGET,
    location="/.git/HEAD",
    cve_id=None,
    KEV_Status=None,
    evidence_level="behaviour",
    confidence_score=0.95,
    oast_verified=False,
    status="new",
    first_seen=ENDED,
    last_seen=ENDED,
    revision=0,
    reopened="",
)
_ASSET = shapes.AssetLine(
    id=4,
    type="subdomain",
    value="shop.example.com",
    source="wordlist",
    sources=["wordlist"],
    parents=["example.com"],
    detail={"addresses": "192.0.2.7"},
    first_seen=BEGAN,
    last_seen=ENDED,
    gone_since=None,
    scan_id=SCAN_ID,
    last_scan_id=SCAN_ID,
    tags=["shop"],
    owner="web team",
    criticality="high",
)
_CHANGE = shapes.AssetChangeLine(
    id=9,
    asset_id=4,
    type="subdomain",
    value="shop.example.com",
    target=TARGET,
    scan_id=SCAN_ID,
    kind="changed",
    detail={"addresses": ["192.0.2.7", "192.0.2.8"]},
    at=ENDED,
)
_SURFACE = shapes.SurfaceAnswer.model_validate(
    {
        "nodes": [
            {
                "id": "domain|example.com",
                "kind": "domain",
                "label": "example.com",
                "asset_id": 1,
                "finding_id": None,
                "severity": "high",
                "findings": 2,
                "gone": False,
            }
        ],
        "edges": [],
        "hidden": [{"parent": "domain|example.com", "kind": "subdomain", "count": 12}],
        "totals": {"domain": 1, "subdomain": 12, "finding": 2},
    }
)
_WEBHOOK = WebhookLine(
    id=3,
    name="Alerts",
    url="https://hooks.example.com/secrecon",
    events=["scan.finished", "finding.new"],
    enabled=True,
    disabled_why="",
    created_at=BEGAN,
)
_NEW_WEBHOOK = NewWebhook(**_WEBHOOK.model_dump(), secret="whsec_" + "c2VjcmV0" * 5 + "c2U=")
_DELIVERY = DeliveryLine(
    id=12,
    message_id="msg_" + "4f" * 16,
    event="webhook.test",
    state="waiting",
    tries=0,
    created_at=ENDED,
    next_try_at=ENDED,
    delivered_at=None,
    status_code=None,
    error="",
    body='{"type": "webhook.test", "timestamp": "2026-11-23T19:34:10Z", "data": {"webhook": "Alerts"}}',
)
_SCHEDULE = ScheduleLine(
    id=5,
    name="Every night",
    target=TARGET,
    scan_mode="quick",
    cron="0 2 * * *",
    zone="Europe/Berlin",
    window="22:00-06:00",
    spread=0,
    catch_up=False,
    enabled=True,
    disabled_why="",
    next_run_at="2026-11-24T01:00:00Z",
    last_scan_id=SCAN_ID,
    created_at=BEGAN,
)
_SCHEDULE_RUN = ScheduleRunLine(
    id=31,
    due_at=BEGAN,
    at=BEGAN,
    outcome="skipped",
    scan_id=None,
    detail="the scan before is still running",
    times=3,
)
_RETEST = told.RetestLine(
    scan_id=SCAN_ID,
    finding_id=17,
    state="not_found",
    detail="everything that found it ran again and did not find it",
    created_at=BEGAN,
    finished_at=ENDED,
    seconds=2.4,
    requests=9,
)
_LINES: Mapping[str, BaseModel] = {
    "listScans": _SCAN,
    "listRetests": _RETEST,
    "listFindings": _FINDING,
    "listAssets": _ASSET,
    "listAssetsBySession": _ASSET,
    "listAssetChanges": _CHANGE,
    "listWebhooks": _WEBHOOK,
    "listDeliveries": _DELIVERY,
    "listSchedules": _SCHEDULE,
    "listScheduleRuns": _SCHEDULE_RUN,
    "listTargets": shapes.TargetLine(
        id=2,
        target="example.com",
        method="operator",
        authorized_by="ops@example.com",
        created_at=BEGAN,
        not_after=None,
    ),
    "listFeeds": shapes.FeedLine(
        name="kev",
        kind="kev",
        state="good",
        date="2026-11-19",
        rows=1748,
        fetched_at=BEGAN,
        problem="",
        attribution="CISA KEV catalog",
        digest="9f" * 32,
    ),
    "listTools": shapes.ToolLine(
        name="read_finding",
        description="One finding with description, impact, remediation and how it is known.",
        arguments={"type": "object", "properties": {"finding_id": {"type": "integer"}}, "required": ["finding_id"]},
    ),
    "listCredits": shapes.CreditLine(plan="business", limit=5, used=2, remaining=3, resets_at=RESETS),
}
_READ = told.FindingAnswer(
    finding=_FINDING,
    target=TARGET,
    triage=told.Triaged(
        revision=0, state="open", decided=None, reason="", by="", at=None, expires_at=None, reopened=""
    ),
    detail={"id": 17, "title": _FINDING.title, "remediation": "Deny access to /.git on the web server."},
)
_DIFF = told.DiffAnswer(
    target=TARGET,
    from_scan=told.DiffSide(db_scan_id=DB_ID - 1, scan_mode="full", finished_at=BEGAN),
    to_scan=told.DiffSide(db_scan_id=DB_ID, scan_mode="full", finished_at=ENDED),
    counts={"regressed": 0, "new": 1, "not_retested": 0, "fixed": 2, "unchanged": 14},
    made_with=[told.ReasonLine(because="feed", detail="kev: 2026-11-19, 1,748 records, 9f9f; then 2026-11-23")],
    findings=[
        told.DiffFinding(
            change="new",
            id=17,
            fingerprint=_FINDING.fingerprint,
            check=_FINDING.check,
            title=_FINDING.title,
            severity="high",
            evidence_level="behaviour",
            asset=TARGET,
            location="/.git/HEAD",
            status="new",
            differs=[],
            reasons=[
                told.ReasonLine(
                    because="target", detail="the same check ran both times: the target answers otherwise"
                )
            ],
        )
    ],
)
_TREND = told.TrendAnswer(
    target=TARGET,
    points=[
        told.TrendPoint(
            db_scan_id=DB_ID,
            scan_mode="full",
            finished_at=ENDED,
            risk_score="D",
            points=50.0,
            share_tested=0.98,
            cancelled=False,
            severity_counts={"critical": 0, "high": 1, "medium": 0, "low": 2, "info": 3},
            changes=None,
        )
    ],
)
_CALLBACKS = shapes.OastAnswer(active=True, oast_url="http://callback.example.net", dns=2, http=1, total=3)
_WHOLE: Mapping[str, BaseModel] = {
    "readFinding": _READ,
    "triageFinding": _READ,
    "triageFindings": told.TriageManyAnswer(
        results=[told.TriageResult(id=17, result="changed", detail="", revision=1)]
    ),
    "retestFinding": _RETEST,
    "compareScans": _DIFF,
    "readTrend": _TREND,
    "startScan": _ACCEPTED,
    "scanStatus": _STATUS,
    "cancelScan": shapes.Cancelled(
        scan_id=SCAN_ID, status="running", cancelled=True, message="The scan stops soon. Poll the status."
    ),
    "noteAsset": _ASSET,
    "assetGraph": _SURFACE,
    "readVerdict": shapes.VerdictAnswer(
        exit_code=1,
        words="1 new finding at the threshold (2 more known from the baseline).",
        findings=[_FINDING.fingerprint],
        known=2,
    ),
    "createSchedule": _SCHEDULE,
    "changeSchedule": _SCHEDULE,
    "runSchedule": _ACCEPTED,
    "createWebhook": _NEW_WEBHOOK,
    "changeWebhook": _WEBHOOK,
    "rotateWebhook": _NEW_WEBHOOK,
    "testWebhook": _DELIVERY,
    "replayDelivery": _DELIVERY,
    "oastStatus": _CALLBACKS,
    "oastStatusBySession": _CALLBACKS,
    "signingKey": shapes.SigningKey(algorithm="Ed25519", public_key="d7" * 32),
    "health": shapes.Health(status="ok"),
    "ready": shapes.Ready(status="ready", checks=[shapes.ReadyCheck(name="database", ok=True, detail="answers")]),
}
_REPORT: dict[str, JsonValue] = {
    "findings": [
        {
            **{name: getattr(_FINDING, name) for name in shapes.ReportFinding.model_fields},
            "evidence": [{"kind": "http", "matcher": "the file starts with ref:"}],
        }
    ],
    "kev_count": 0,
    "cve_count": 0,
    "risk_score": "D",
    "report_text": "One file of the repository was read. What could not be tested is listed under coverage.",
    "oast_interactions": [],
}


def sample_of(operation: str, media_type: str) -> JsonValue:
    """What `operation` answers where all goes well; None for documents that are no JSON and no events."""
    if media_type == "text/event-stream":
        return ANSWERED if operation.startswith("ask") else EVENTS
    if media_type == "application/json" and operation in ("scanReport", "exportReport"):
        return _REPORT
    if media_type == "application/json" and operation == "exportAssets":
        return [_json(_ASSET)]
    if media_type == "application/json" and operation in _WHOLE:
        return _json(_WHOLE[operation])
    if media_type == "application/json" and operation.startswith("use_"):
        return {"listening": True, "dns": 2, "http": 1, "total": 3}
    if media_type == "application/json" and operation in _LINES:
        return {"items": [_json(_LINES[operation])], "next_cursor": None}
    return None


def _json(shape: BaseModel) -> JsonValue:
    value: dict[str, JsonValue] = shape.model_dump(mode="json", by_alias=True)
    return value
