"""Turns what the service says of findings over time into the documented JSON shapes. Pure."""

from __future__ import annotations

from datetime import datetime

from secrecon.api import finding_shapes as shapes
from secrecon.api.answer import finding_line, iso, maybe_iso
from secrecon.model.errors import BadInput
from secrecon.model.record import FindingRecord
from secrecon.model.triage import TriageState
from secrecon.report import finding_document, show_finding
from secrecon.report.diff import Diff, diff_document
from secrecon.report.text import line
from secrecon.service.comparing import TrendPoint
from secrecon.service.inventory import summarised
from secrecon.service.retests import RetestView
from secrecon.service.triage import Decided, Verdict
from secrecon.store.findings import KnownFinding


def verdict(body: shapes.TriageBody | shapes.TriageManyBody) -> Verdict:
    """The decision that a body asks for. Raises BadInput for a time that is none."""
    return Verdict(TriageState(body.state), body.reason, read_time(body.expires_at))


def read_time(text: str | None) -> float | None:
    """ISO 8601 with an offset as epoch seconds."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput("expires_at must be a time such as 2027-03-31T00:00:00Z", "expires_at") from error
    if moment.tzinfo is None:
        raise BadInput("expires_at must say its time zone, such as 2027-03-31T00:00:00Z", "expires_at")
    return moment.timestamp()


def finding(known: KnownFinding) -> shapes.FindingAnswer:
    record = FindingRecord(
        id=known.id,
        finding=known.finding,
        first_seen=known.first_seen,
        last_seen=known.last_seen,
        status=known.status,
        seen=known.seen,
        decision=known.decision,
        reopened=known.reopened,
        revision=known.revision,
    )
    return shapes.FindingAnswer(
        finding=finding_line(summarised(known)),
        target=known.target,
        triage=triaged(known),
        detail={**finding_document(show_finding(record))},
    )


def triaged(known: KnownFinding) -> shapes.Triaged:
    made = known.decision
    return shapes.Triaged(
        revision=known.revision,
        state="open" if made is None or known.reopened else made.state.value,
        decided=None if made is None else made.state.value,
        reason="" if made is None else line(made.reason),
        by="" if made is None else made.by,
        at=None if made is None else iso(made.at),
        expires_at=None if made is None else maybe_iso(made.expires),
        reopened=line(known.reopened),
    )


def decided(found: Decided) -> shapes.TriageResult:
    return shapes.TriageResult.model_validate(
        {"id": found.finding_id, "result": found.result, "detail": found.why, "revision": found.revision}
    )


def diff(found: Diff) -> shapes.DiffAnswer:
    return shapes.DiffAnswer.model_validate(diff_document(found))


def trend(target: str, points: tuple[TrendPoint, ...]) -> shapes.TrendAnswer:
    return shapes.TrendAnswer(target=target, points=[_point(point) for point in points])


def _point(point: TrendPoint) -> shapes.TrendPoint:
    return shapes.TrendPoint.model_validate(
        {
            "db_scan_id": point.db_scan_id,
            "scan_mode": point.mode.value,
            "finished_at": iso(point.finished),
            "risk_score": point.letter,
            "points": point.points,
            "share_tested": round(point.share, 4),
            "cancelled": point.cancelled,
            "severity_counts": {level.value: number for level, number in point.severities.items()},
            "changes": None
            if point.changes is None
            else {change.value: number for change, number in point.changes.items()},
        }
    )


def retest(found: RetestView) -> shapes.RetestLine:
    return shapes.RetestLine.model_validate(
        {
            "scan_id": found.scan_id,
            "finding_id": found.finding_id,
            "state": found.state,
            "detail": line(found.why),
            "created_at": iso(found.created),
            "finished_at": maybe_iso(found.finished),
            "seconds": found.seconds,
            "requests": found.requests,
        }
    )
