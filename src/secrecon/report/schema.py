"""The shape of the JSON report, as it is published: JSON Schema 2020-12, at `/schemas/report-1.json` of every server.

`jsonform` writes, this describes; a test holds real reports against it in both directions, so that no field is written that is
not described. Within version 1 fields are only added, so readers must ignore names they do not know.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.model.scan import Outcome, PhaseName, ScanMode, ScanStatus
from secrecon.report.diff import Because, Change

VERSION = 1
ID = f"urn:secrecon:schema:report:{VERSION}"
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="ISO 8601, UTC")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Letter = Literal["A", "B", "C", "D", "F"]


class Evidence(BaseModel):
    """How we know. Text of the target, made visible and bounded: show it, never run it."""

    kind: str
    summary: str
    request: str | None
    response: str | None
    matcher: Annotated[str | None, Field(description="What in the response proves it")]
    callback: str | None
    curl: Annotated[str | None, Field(description="A command that shows it again")]


class Cvss(BaseModel):
    score: Annotated[float | None, Field(ge=0, le=10)]
    vector: str | None


class Exploitation(BaseModel):
    """What feeds say of attacks on the CVE, with the dates of their data."""

    epss_percentile: Share | None
    epss_date: str | None
    kev_added: str | None
    kev_due: str | None
    kev_ransomware: bool
    kev_date: str | None
    ssvc_points: str | None
    ssvc_date: str | None
    cvss_provider: str | None


class Risk(BaseModel):
    points: Annotated[float, Field(ge=0)]
    arithmetic: str


class Triage(BaseModel):
    """The account's decision. All but `revision` and `state` are there only where one was made."""

    revision: Count
    state: Literal["open", "in_progress", "false_positive", "accepted"]
    decided: str = ""
    reason: str = ""
    by: str = ""
    at: str = ""
    expires_at: str | None = None
    reopened: str | None = None


class Finding(BaseModel):
    """One problem. `fingerprint` is the same in every scan; `place` is `asset` and `location`."""

    id: Count
    fingerprint: str
    check: str
    title: str
    severity: Severity
    cve_id: str | None
    KEV_Status: Literal["Active_Exploit", "Not_Listed"] | None
    confidence_score: Share
    oast_verified: bool
    evidence_level: EvidenceLevel
    cvss: Cvss | None
    epss: Share | None
    ssvc: str | None
    exploitation: Exploitation | None
    risk: Risk
    asset: str
    location: str
    description: str
    impact: str
    evidence: list[Evidence]
    remediation: str
    check_fix: str
    references: list[str]
    cwe: list[str]
    owasp: list[str]
    first_seen: Time
    last_seen: Time
    status: FindingStatus
    seen_as: FindingStatus
    gone: bool
    found_by: list[str]
    triage: Triage


class Callback(BaseModel):
    """One hit on the listener. `own`: our own traffic, which proves nothing."""

    id: str
    protocol: str
    at: Time
    remote_address: str
    query: str | None
    raw: str
    own: bool
    token: str
    check: str | None
    asset: str | None
    location: str | None
    technique: str | None
    probe_sent_at: Time | None


class SelfTest(BaseModel):
    http: str
    dns: str
    detail: str
    reachable: bool


class Counts(BaseModel):
    """Checks by outcome; what does not apply is in `total` only."""

    total: Count
    applicable: Count
    done: Count
    skipped: Count
    blocked: Count
    timed_out: Count
    failed: Count


class Summary(BaseModel):
    text: str
    tested: bool
    enough: bool
    share_tested: Share
    gaps: list[str]
    checks: Counts
    assessing_checks: Counts


class Area(BaseModel):
    area: str
    title: str
    state: Literal["done", "partial", "not_tested", "not_applicable", "not_run"]
    count: Counts
    reasons: list[str]
    next_steps: list[str]


class Check(BaseModel):
    """One check on one asset. Only `done` says anything about the target."""

    phase: PhaseName
    check: str
    area: str
    asset: str
    outcome: Outcome
    applicable: bool
    reason: str | None
    requests: Count


class ChecksTogether(BaseModel):
    """Each of `checks` on each of `assets`, with one outcome and reason; `requests` of all of them."""

    phase: PhaseName
    checks: list[str]
    area: str
    assets: list[str]
    outcome: Outcome
    applicable: bool
    reason: str | None
    requests: Count


class Coverage(BaseModel):
    """What ran and what did not, and why. Nothing is clean where the check did not run."""

    summary: Summary
    areas: list[Area]
    checks: list[Check]
    checks_together: list[ChecksTogether]
    phases_not_run: list[PhaseName]


class Term(BaseModel):
    fingerprint: str
    title: str
    place: str
    severity: Severity
    base: float
    evidence_factor: float
    confidence: Share
    exploitation_factor: float
    points: float
    step: str


class Step(BaseModel):
    step: str
    title: str
    added: float
    limit: float | None
    total: float


class Cap(BaseModel):
    letter: Letter
    reason: str


class Grade(BaseModel):
    """The letter with its whole arithmetic."""

    letter: Letter
    earned_by_points: Letter
    points: float
    explanation: str
    terms: list[Term]
    steps: list[Step]
    caps: list[Cap]
    set_aside: list[str]
    letter_without_decisions: str


class Sentence(BaseModel):
    """Text, and the ids of the findings that it speaks of."""

    text: str
    finding_ids: list[Count]


class Section(BaseModel):
    """A part of the narrative: paragraphs of sentences, then points. `report_text` is all of them as plain text."""

    title: str
    audience: Literal["director", "engineer", "both"]
    paragraphs: list[list[Sentence]]
    points: list[Sentence]


class Tls(BaseModel):
    version: str
    protocols: list[str]
    cipher: str
    subject: str
    issuer: str
    names: list[str]
    not_before: str
    not_after: str
    trusted: bool
    trust_error: str | None


class Service(BaseModel):
    asset: str
    host: str
    address: str
    port: Annotated[int, Field(ge=0, le=65535)]
    protocol: str
    product: str | None
    version: str | None
    banner: str | None
    tls: Tls | None


class Technology(BaseModel):
    asset: str
    name: str
    version: str | None
    cpe: str | None
    evidence: str
    confidence: Share
    distribution: str | None


class AssetCounts(BaseModel):
    domain: Count
    subdomain: Count
    ip: Count
    sensitive_path: Count
    total: Count


class Asset(BaseModel):
    type: str
    value: str
    source: str
    sources: list[str]
    parent: str | None


class Feed(BaseModel):
    name: str
    date: str
    rows: Count
    digest: str
    note: str


class Engine(BaseModel):
    version: str
    rules_digest: str


class Told(BaseModel):
    """What made the difference: the target, our rules, a feed, or what was covered."""

    because: Because
    detail: str


class Side(BaseModel):
    """One of the two scans."""

    db_scan_id: Count
    scan_mode: ScanMode
    finished_at: Time | None


class Changed(BaseModel):
    """What became of one finding. `differs`: what about it is otherwise; `reasons`: why, empty where nothing changed."""

    change: Change
    id: Count
    fingerprint: str
    check: str
    title: str
    severity: Severity
    evidence_level: EvidenceLevel
    asset: str
    location: str
    status: FindingStatus
    differs: list[str]
    reasons: list[Told]


class Difference(BaseModel):
    """From one scan to the next. `made_with`: what the two were made with that is not the same."""

    target: str
    from_scan: Side
    to_scan: Side
    counts: dict[Change, Count]
    made_with: list[Told]
    findings: list[Changed]


class SinceLastScan(BaseModel):
    """What changed since the scan of the target before. `difference` is null where nothing was compared; `summary` says why."""

    summary: str
    difference: Difference | None


class ReportDocument(BaseModel):
    """A scan report of SecRecon. Findings are ordered worst first, callbacks by time."""

    scan_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    db_scan_id: Count
    target: str
    target_kind: str
    scan_mode: ScanMode
    touch: str
    status: ScanStatus
    cancelled: bool
    error: str | None
    version: Annotated[int, Field(ge=0, description="Rises when a late callback changes the report")]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    duration_seconds: float | None
    requests_used: Count
    bytes_received: Count
    risk_score: Letter
    grade: Grade
    finding_count: Count
    severity_counts: dict[Severity, Count]
    kev_count: Count
    cve_count: Count
    findings: list[Finding]
    since_last_scan: SinceLastScan
    oast_interactions: list[Callback]
    oast_self_test: SelfTest | None
    coverage: Coverage
    report_text: str
    narrative_source: Literal["deterministic", "model"]
    narrative_note: str
    narrative: list[Section]
    services: list[Service]
    technologies: list[Technology]
    asset_counts: AssetCounts
    assets: list[Asset]
    pages_read: Count
    inputs_seen: Count
    feeds: list[Feed]
    engine: Engine


def report_schema() -> bytes:
    """The schema as JSON text."""
    schema = ReportDocument.model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, **schema}
    return json.dumps(document, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(report_schema())
