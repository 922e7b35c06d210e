"""The JSON shapes of the API: what `/openapi.json` promises and what the routes answer. Shapes only, no rules.

Requests are strict (unknown fields and wrong types are refused); answers name every field that they carry. The report's
own document is made by the report room; here it is only described.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from secrecon.api.login_body import LoginBody
from secrecon.model.record import JsonValue

MAX_ID = 2**53 - 1
SCAN_ID_EXAMPLE = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
DB_ID_EXAMPLE = 3812209417330412

ScanIdText = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=[SCAN_ID_EXAMPLE])]
DbScanId = Annotated[int, Field(ge=1, le=MAX_ID, examples=[DB_ID_EXAMPLE])]
Severity = Literal["critical", "high", "medium", "low", "info"]
Status = Literal["starting", "running", "complete", "error"]
Mode = Literal["quick", "full"]
Phase = Literal["resolve", "discover", "probe", "fingerprint", "crawl", "match", "verify", "oast", "synthesis"]
EvidenceLevel = Literal["banner", "version_range", "behaviour", "callback"]
FindingStatus = Literal["new", "open", "fixed", "regressed", "in_progress", "false_positive", "accepted"]
Time = Annotated[str, Field(description="ISO 8601, UTC", examples=["2026-11-23T19:30:00Z"])]

T = TypeVar("T")


class Shape(BaseModel):
    """An answer: exactly the fields that it names."""

    model_config = ConfigDict(extra="forbid")


class ScanBody(BaseModel):
    """What to scan, and how deep."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    target: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2048,
            description="Domain or full URL to scan. A bare name is the organisation behind it; a URL is that origin.",
            examples=["example.com", "https://api.example.com"],
            json_schema_extra={"format": "scan-target"},
        ),
    ]
    scan_mode: Annotated[
        Mode,
        Field(
            description='"full" adds subdomains, crawling and active verification; it needs an authorized target.'
        ),
    ] = "quick"
    authentication: Annotated[
        LoginBody | None,
        Field(description="What the scan logs in to the target with; without it, it sees what a stranger sees."),
    ] = None


REFERENCE = "#/components/schemas/{model}"


def scan_body_schema() -> dict[str, object]:
    """The schema of a scan's request; what it refers to is `scan_body_parts`."""
    schema = ScanBody.model_json_schema(ref_template=REFERENCE)
    return {name: value for name, value in schema.items() if name != "$defs"}


def scan_body_parts() -> dict[str, JsonValue]:
    """The schemas that a scan's request refers to, by name."""
    parts: dict[str, JsonValue] = ScanBody.model_json_schema(ref_template=REFERENCE).get("$defs", {})
    return parts


class Accepted(Shape):
    """An accepted scan: poll `status_url`, then read `results_url`."""

    scan_id: ScanIdText
    db_scan_id: DbScanId
    target: Annotated[str, Field(description="The normalised URL", examples=["https://example.com"])]
    status: Status
    plan: Annotated[str, Field(examples=["business"])]
    status_url: Annotated[str, Field(examples=[f"/api/scan/{SCAN_ID_EXAMPLE}/status"])]
    results_url: Annotated[str, Field(examples=[f"/api/scan/{DB_ID_EXAMPLE}"])]
    message: str


class SelfTest(Shape):
    """Whether callbacks can reach our listener at all: without that, no callback proves nothing."""

    http: Literal["reachable", "blocked", "not_testable"]
    dns: Literal["reachable", "blocked", "not_testable"]
    detail: str


class StatusAnswer(Shape):
    """Where a scan is. `current_progress` never goes down."""

    status: Status
    phase: Annotated[Phase | None, Field(description="null until the first phase begins")]
    current_message: str
    current_progress: Annotated[int, Field(ge=0, le=100)]
    vulnerabilities_found: Annotated[int, Field(ge=0, description="Findings above severity info")]
    services_found: Annotated[int, Field(ge=0)]
    db_scan_id: DbScanId
    scan_id: ScanIdText
    target: str
    scan_mode: Mode
    cancelled: bool
    error: Annotated[str, Field(description='Why the scan ended in error, "" otherwise')]
    not_run: Annotated[list[Phase], Field(description="Phases that a cancelled or failed scan did not reach")]
    oast_self_test: SelfTest | None
    findings_found: Annotated[int, Field(ge=0, description="Findings of every severity")]
    assets_found: Annotated[int, Field(ge=0)]
    interactions: Annotated[int, Field(ge=0, description="Callbacks from the target so far")]
    requests: Annotated[int, Field(ge=0)]
    bytes_received: Annotated[int, Field(ge=0)]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class Cancelled(Shape):
    """A scan that was asked to stop. It ends as `complete` with `"cancelled": true`."""

    scan_id: ScanIdText
    status: Status
    cancelled: bool
    message: str


class Page(Shape, Generic[T]):
    """The one shape of a list. `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None


class ScanLine(Shape):
    """One scan of the account."""

    scan_id: ScanIdText
    db_scan_id: DbScanId
    target: str
    scan_mode: Mode
    status: Status
    cancelled: bool
    current_progress: Annotated[int, Field(ge=0, le=100)]
    via_api: bool
    archived: Annotated[bool, Field(description="Its report left the plan's store; assets and findings stay")]
    report_version: Annotated[int, Field(ge=0)]
    created_at: Time
    finished_at: Time | None
    status_url: str
    results_url: str


class FindingLine(Shape):
    """One problem of the account, over all its scans."""

    id: int
    fingerprint: str
    check: str
    title: str
    severity: Severity
    asset: str
    location: str
    cve_id: str | None
    KEV_Status: Literal["Active_Exploit", "Not_Listed"] | None
    evidence_level: EvidenceLevel
    confidence_score: Annotated[float, Field(ge=0, le=1)]
    oast_verified: bool
    status: FindingStatus
    first_seen: Time
    last_seen: Time
    revision: Annotated[int, Field(ge=0, description="Counts decisions; name it in the next one")]
    reopened: Annotated[str, Field(description='Why a decision does not hold any more, "" otherwise')]


AssetType = Literal["domain", "subdomain", "ip", "sensitive_path", "service", "technology", "certificate"]
Criticality = Literal["critical", "high", "normal", "low"]
ChangeKind = Literal["appeared", "changed", "gone", "not_looked_at_again"]


class AssetLine(Shape):
    """One asset of the account. No scan touches `tags`, `owner` and `criticality`: people note them."""

    id: int
    type: AssetType
    value: str
    source: Annotated[str, Field(description="The check that saw it first")]
    sources: Annotated[list[str], Field(description="Every check that saw it")]
    parents: Annotated[list[str], Field(description="The names, addresses or services that it belongs to")]
    detail: Annotated[dict[str, str], Field(description="What is known of it, such as addresses or version")]
    first_seen: Time
    last_seen: Time
    gone_since: Annotated[
        Time | None, Field(description="When a scan looked for it again and did not see it; null where it is there")
    ]
    scan_id: Annotated[ScanIdText, Field(description="The scan that saw it first")]
    last_scan_id: Annotated[str, Field(description="The scan that saw it last")]
    tags: list[str]
    owner: str
    criticality: Criticality | None


class AssetNotes(BaseModel):
    """What to note about an asset; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tags: Annotated[
        list[Annotated[str, Field(pattern="^[A-Za-z0-9._:/-]{1,40}$")]] | None,
        Field(description="Replaces all tags", max_length=20),
    ] = None
    owner: Annotated[
        str | None, Field(description='"" for none', max_length=120, pattern="^[^\\x00-\\x1f\\x7f]*$")
    ] = None
    criticality: Annotated[
        Literal["critical", "high", "normal", "low", ""] | None, Field(description='"" for none')
    ] = None


class AssetChangeLine(Shape):
    """One change of one asset between two scans of a target."""

    id: int
    asset_id: int
    type: AssetType
    value: str
    target: str
    scan_id: ScanIdText
    kind: ChangeKind
    detail: Annotated[dict[str, object], Field(description="What changed, by name: before and after")]
    at: Time


class SurfaceNode(Shape):
    """A node: an asset or an open finding. `severity`: the worst open finding on it or below it."""

    id: str
    kind: Literal["domain", "subdomain", "ip", "service", "finding"]
    label: str
    asset_id: int | None
    finding_id: int | None
    severity: Severity | None
    findings: Annotated[int, Field(ge=0, description="Open findings on it and below it")]
    gone: bool


class SurfaceEdge(Shape):
    """`to` belongs to `from`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: Annotated[str, Field(alias="from")]
    to: str


class SurfaceHidden(Shape):
    """Children of a node that are not in the answer; `parent` is "" for what has none."""

    parent: str
    kind: str
    count: Annotated[int, Field(ge=1)]


class SurfaceAnswer(Shape):
    """A part of the surface. `totals` counts everything, shown or not."""

    nodes: list[SurfaceNode]
    edges: list[SurfaceEdge]
    hidden: list[SurfaceHidden]
    totals: dict[str, int]


class TargetLine(Shape):
    """A target that the account may check actively."""

    id: int
    target: str
    method: Annotated[str, Field(description="How the authorization came about", examples=["operator"])]
    authorized_by: str
    created_at: Time
    not_after: Time | None


class CreditLine(Shape):
    """This month's scan credits. `limit` and `remaining` are null on a plan without a limit."""

    plan: Annotated[str, Field(examples=["business"])]
    limit: int | None
    used: Annotated[int, Field(ge=0)]
    remaining: int | None
    resets_at: Time


class FeedLine(Shape):
    """One vulnerability feed. `state`: good, stale, alarm or missing; `problem` says what is wrong, "" where nothing is."""

    name: str
    kind: str
    state: Literal["good", "stale", "alarm", "missing"]
    date: str | None
    rows: Annotated[int, Field(ge=0)]
    fetched_at: Time | None
    problem: str
    attribution: str
    digest: str | None


class OastAnswer(Shape):
    """The callback listener and what it heard for this account; `oast_url` is "" where none runs."""

    active: bool
    oast_url: Annotated[str, Field(examples=["https://abc123.oast.pro"])]
    dns: Annotated[int, Field(ge=0)]
    http: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class ReportFinding(BaseModel):
    """A finding in a report; it carries more than is listed here (evidence, remediation, references)."""

    model_config = ConfigDict(extra="allow")

    id: int | str
    title: str
    severity: Severity
    cve_id: str | None
    KEV_Status: Literal["Active_Exploit", "Not_Listed"] | None
    confidence_score: Annotated[float, Field(ge=0, le=1)]
    oast_verified: bool
    evidence_level: EvidenceLevel
    fingerprint: str
    asset: str
    location: str


class ReportAnswer(BaseModel):
    """A scan report. `coverage` says what ran and what did not: nothing is clean where the check did not run."""

    model_config = ConfigDict(extra="allow")

    findings: list[ReportFinding]
    kev_count: Annotated[int, Field(ge=0)]
    cve_count: Annotated[int, Field(ge=0)]
    risk_score: Literal["A", "B", "C", "D", "E", "F"] | None
    report_text: str
    oast_interactions: list[dict[str, object]]


class VerdictAnswer(Shape):
    """What a pipeline is told. `findings`: fingerprints of those that fail it; `known`: how many the baseline already had."""

    exit_code: Literal[0, 1, 2]
    words: str
    findings: list[str]
    known: Annotated[int, Field(ge=0)]


class ProblemAnswer(BaseModel):
    """An error (RFC 9457, `application/problem+json`). `detail` says what went wrong and what to do next."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    rule: Annotated[str | None, Field(description="The scope rule that refused the target")] = None
    retry_after: Annotated[int | None, Field(description="Seconds")] = None
    scan_id: str | None = None


class TurnBody(BaseModel):
    """What one side said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    role: Literal["user", "assistant"]
    text: Annotated[str, Field(min_length=1, max_length=16_000)]


class QuestionBody(BaseModel):
    """A question about one's own reports and assets. Nothing of it is stored: earlier turns are sent again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    message: Annotated[str, Field(min_length=1, max_length=2_000, examples=["What should I fix first?"])]
    history: Annotated[
        list[TurnBody],
        Field(
            max_length=20, description="Earlier turns, oldest first, user and assistant in turn; 16,000 characters."
        ),
    ] = []
    db_scan_id: Annotated[int | None, Field(ge=1, le=MAX_ID, description="The report it is about")] = None


class ToolLine(Shape):
    """A tool by which an assistant reads the account's stored data."""

    name: str
    description: str
    arguments: Annotated[dict[str, object], Field(description="JSON Schema of what it takes")]


class Health(Shape):
    """The process answers."""

    status: Literal["ok"]


class SigningKey(Shape):
    """The public half of the key that signs this installation's bundles."""

    algorithm: Literal["Ed25519"]
    public_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="32 bytes, hex")]


class ReadyCheck(Shape):
    """One thing that must work before scans can be taken."""

    name: str
    ok: bool
    detail: str


class Ready(Shape):
    """Everything that is needed works."""

    status: Literal["ready"]
    checks: list[ReadyCheck]
