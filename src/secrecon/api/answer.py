"""Turns what the service answers into the documented JSON shapes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from secrecon.api import shapes
from secrecon.model.interaction import OastSelfTest
from secrecon.model.record import JsonValue, ScanEvent
from secrecon.report import Verdict
from secrecon.service.answers import (
    AcceptedScan,
    AssetChange,
    AssetRecord,
    Credits,
    FindingSummary,
    OastStatus,
    ScanSummary,
    StatusView,
    TargetView,
)
from secrecon.service.feeds import FeedHealth
from secrecon.service.listing import Listing
from secrecon.service.surface import Surface

T = TypeVar("T")
S = TypeVar("S")

STARTED = "Scan started. Poll status_url for progress."


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 with a Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_iso(at: float | None) -> str | None:
    """The same for a time that may not have come."""
    return None if at is None else iso(at)


def status_url(scan_id: str) -> str:
    """Where the status of a scan is."""
    return f"/api/scan/{scan_id}/status"


def results_url(db_scan_id: int) -> str:
    """Where the report of a scan is."""
    return f"/api/scan/{db_scan_id}"


def verdict(told: Verdict) -> shapes.VerdictAnswer:
    return shapes.VerdictAnswer.model_validate(
        {
            "exit_code": told.exit_code,
            "words": told.words,
            "findings": [finding.fingerprint for finding in told.at_threshold],
            "known": told.known,
        }
    )


def accepted(scan: AcceptedScan) -> shapes.Accepted:
    return shapes.Accepted(
        scan_id=scan.scan_id,
        db_scan_id=scan.db_scan_id,
        target=scan.target,
        status=scan.status.value,
        plan=scan.plan,
        status_url=status_url(scan.scan_id),
        results_url=results_url(scan.db_scan_id),
        message=STARTED,
    )


def self_test(found: OastSelfTest | None) -> shapes.SelfTest | None:
    if found is None:
        return None
    return shapes.SelfTest(http=found.http.value, dns=found.dns.value, detail=found.detail)


def status(view: StatusView) -> shapes.StatusAnswer:
    return shapes.StatusAnswer(
        status=view.status.value,
        phase=view.phase.value if view.phase else None,
        current_message=view.current_message,
        current_progress=view.current_progress,
        vulnerabilities_found=view.vulnerabilities_found,
        services_found=view.services_found,
        db_scan_id=view.db_scan_id,
        scan_id=view.scan_id,
        target=view.target,
        scan_mode=view.mode.value,
        cancelled=view.cancelled,
        error=view.error,
        not_run=[phase.value for phase in view.not_run],
        oast_self_test=self_test(view.oast_self_test),
        findings_found=view.findings_total,
        assets_found=view.assets_found,
        interactions=view.interactions,
        requests=view.requests,
        bytes_received=view.received,
        created_at=iso(view.created),
        started_at=maybe_iso(view.started),
        finished_at=maybe_iso(view.finished),
    )


def scan_line(scan: ScanSummary) -> shapes.ScanLine:
    return shapes.ScanLine(
        scan_id=scan.scan_id,
        db_scan_id=scan.db_scan_id,
        target=scan.target,
        scan_mode=scan.mode.value,
        status=scan.status.value,
        cancelled=scan.cancelled,
        current_progress=scan.progress,
        via_api=scan.via_api,
        archived=scan.archived,
        report_version=scan.version,
        created_at=iso(scan.created),
        finished_at=maybe_iso(scan.finished),
        status_url=status_url(scan.scan_id),
        results_url=results_url(scan.db_scan_id),
    )


def finding_line(finding: FindingSummary) -> shapes.FindingLine:
    kev = finding.kev_status
    return shapes.FindingLine(
        id=finding.id,
        fingerprint=finding.fingerprint,
        check=finding.check,
        title=finding.title,
        severity=finding.severity.value,
        asset=finding.asset,
        location=finding.location,
        cve_id=finding.cve_id,
        KEV_Status=None if kev is None else "Active_Exploit" if kev == "Active_Exploit" else "Not_Listed",
        evidence_level=finding.evidence_level.value,
        confidence_score=finding.confidence,
        oast_verified=finding.oast_verified,
        status=finding.status.value,
        first_seen=iso(finding.first_seen),
        last_seen=iso(finding.last_seen),
        revision=finding.revision,
        reopened=finding.reopened,
    )


def asset_line(asset: AssetRecord) -> shapes.AssetLine:
    return shapes.AssetLine(
        id=asset.id,
        type=asset.type.value,
        value=asset.value,
        source=asset.source,
        sources=list(asset.sources),
        parents=list(asset.parents),
        detail=dict(asset.detail),
        first_seen=iso(asset.first_seen),
        last_seen=iso(asset.last_seen),
        gone_since=maybe_iso(asset.gone),
        scan_id=asset.scan_id,
        last_scan_id=asset.last_scan_id,
        tags=list(asset.tags),
        owner=asset.owner,
        criticality=asset.criticality.value if asset.criticality else None,
    )


def asset_change_line(change: AssetChange) -> shapes.AssetChangeLine:
    return shapes.AssetChangeLine(
        id=change.id,
        asset_id=change.asset_id,
        type=change.type.value,
        value=change.value,
        target=change.target,
        scan_id=change.scan_id,
        kind=change.kind.value,
        detail=dict(change.detail),
        at=iso(change.at),
    )


def surface(found: Surface) -> shapes.SurfaceAnswer:
    return shapes.SurfaceAnswer.model_validate(
        {
            "nodes": [asdict(node) for node in found.nodes],
            "edges": [{"from": above, "to": below} for above, below in found.edges],
            "hidden": [asdict(hidden) for hidden in found.hidden],
            "totals": dict(found.totals),
        }
    )


def target_line(target: TargetView) -> shapes.TargetLine:
    return shapes.TargetLine(
        id=target.id,
        target=target.target,
        method=target.method,
        authorized_by=target.authorized_by,
        created_at=iso(target.created),
        not_after=maybe_iso(target.not_after),
    )


def feed_line(feed: FeedHealth) -> shapes.FeedLine:
    return shapes.FeedLine(
        name=feed.name,
        kind=str(feed.kind),
        state=feed.state,
        date=feed.date or None,
        rows=feed.rows,
        fetched_at=iso(feed.fetched) if feed.fetched else None,
        problem=feed.problem,
        attribution=feed.attribution,
        digest=feed.digest or None,
    )


def credit_line(credits_: Credits) -> shapes.CreditLine:
    return shapes.CreditLine(
        plan=credits_.plan,
        limit=credits_.limit,
        used=credits_.used,
        remaining=credits_.remaining,
        resets_at=iso(credits_.resets_at),
    )


def oast(found: OastStatus) -> shapes.OastAnswer:
    return shapes.OastAnswer(
        active=found.active, oast_url=found.oast_url, dns=found.dns, http=found.http, total=found.total
    )


def page(listing: Listing[T], line: Callable[[T], S]) -> shapes.Page[S]:
    """A list in its one shape."""
    return shapes.Page(items=[line(item) for item in listing.items], next_cursor=listing.next_cursor)


def event(found: ScanEvent) -> dict[str, JsonValue]:
    """An event as live watchers get it."""
    return {"seq": found.seq, "at": iso(found.at), "kind": found.kind, "data": dict(found.data)}
